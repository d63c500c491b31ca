import { LRUCache } from 'lru-cache'
import type { Body, ByteRange, StorageDriver } from '../../storage/driver.ts'
import { algorithmOf, createHasher, type Digest, digestOf } from '../oci/digest.ts'
import { RegistryError } from '../oci/error.ts'
import { isName, type RepositoryName } from '../oci/name.ts'
import { blobKey, layerLinkKey, layersKey } from './layout.ts'
import { createMemory, EXISTENCE_TTL_MS, type Links, type OnLookup } from './links.ts'
import type { Siblings } from './siblings.ts'

/** A blob that a repository holds, and its size in bytes. */
export interface Blob {
  size: number
  read(range?: ByteRange): AsyncIterable<Uint8Array>
  /** As the driver's `redirect`; undefined where it has none. */
  redirect: ((address?: string) => Promise<string | undefined>) | undefined
}

/** Blobs exist per repository: the repository's link says so first, whatever the store holds otherwise. */
export interface Blobs {
  /** Existence may be 5 s old. @throws RegistryError BLOB_UNKNOWN */
  get(name: RepositoryName, digest: Digest): Promise<Blob>
  /** Whether the repository holds it now, as storage says. */
  has(name: RepositoryName, digest: Digest): Promise<boolean>
  /** Stores what equals its digest, whole or not at all. @throws RegistryError DIGEST_INVALID */
  write(name: RepositoryName, digest: Digest, body: Body): Promise<void>
  /** Adds a blob that is in the store already, and verified, to the repository. */
  link(name: RepositoryName, digest: Digest): Promise<void>
  /** Adds a blob of another repository without sending it. False when none that may be mounted from holds it.
   *  Distribution spec: "Mounting a blob from another repository". */
  mount(name: RepositoryName, digest: Digest, source: MountSource): Promise<boolean>
  /** Removes it from the repository; the bytes stay. @throws RegistryError BLOB_UNKNOWN */
  delete(name: RepositoryName, digest: Digest): Promise<void>
}

export interface MountSource {
  /** Without it those where the blob was last seen. */
  from: RepositoryName | undefined
  /** Asked before anything is told of a repository. */
  mayMount(source: RepositoryName): Promise<boolean>
}

/** @param onLookup told of each lookup of whether a repository holds a blob */
export function createBlobs(
  storage: StorageDriver,
  links: Links,
  siblings: Siblings,
  onLookup?: OnLookup
): Blobs {
  const memory = createMemory<{ target: Digest; size: number }>(siblings, 'blob', onLookup)
  const lastSeen = new LRUCache<Digest, RepositoryName>({ max: 10_000 })

  siblings.onQuestion('where was this blob last seen', (digest) => lastSeen.get(digest as Digest))

  /** The repositories that this process and its siblings last saw it in; they may have lost it since. */
  async function whereSeen(digest: Digest): Promise<RepositoryName[]> {
    const here = lastSeen.get(digest)
    if (here !== undefined) return [here]
    const names = await siblings.ask('where was this blob last seen', digest, EXISTENCE_TTL_MS)
    return names.filter(isName)
  }

  async function look(name: RepositoryName, digest: Digest) {
    // CNCF distribution keeps sha512 blobs under their sha256 name: the link's content leads there.
    const target = await links.read(layerLinkKey(name, digest))
    if (target === undefined) return undefined
    const size = await storage.size(blobKey(target))
    // A crash of other software can leave an empty file where there were bytes: pushing it again heals it.
    if (size === undefined || (size === 0 && target !== digestOf(new Uint8Array(), algorithmOf(target)))) {
      return undefined
    }
    lastSeen.set(digest, name)
    return { target, size }
  }

  async function link(name: RepositoryName, digest: Digest): Promise<void> {
    await links.write(layerLinkKey(name, digest), digest)
    lastSeen.set(digest, name)
  }

  return {
    async get(name, digest) {
      const found = await memory.recall(`${name}@${digest}`, () => look(name, digest))
      if (found === undefined) throw new RegistryError('BLOB_UNKNOWN', digest)
      const key = blobKey(found.target)
      const { redirect } = storage
      return {
        size: found.size,
        read: (range) => storage.read(key, range),
        redirect: redirect && ((address) => redirect(key, address))
      }
    },

    async has(name, digest) {
      return (await look(name, digest)) !== undefined
    },

    async write(name, digest, body) {
      await storage.write(blobKey(digest), verified(body, digest))
      await link(name, digest)
    },

    link,

    async mount(name, digest, { from, mayMount }) {
      for (const source of from === undefined ? await whereSeen(digest) : [from]) {
        if (!(await mayMount(source))) continue
        const found = await look(source, digest)
        if (found === undefined) continue
        await links.write(layerLinkKey(name, digest), found.target)
        return true
      }
      return false
    },

    async delete(name, digest) {
      const wasThere = await storage.delete(layerLinkKey(name, digest), { within: layersKey(name) })
      await memory.forget(`${name}@${digest}`)
      if (!wasThere) throw new RegistryError('BLOB_UNKNOWN', digest)
    }
  }
}

/** Passes a body on, and throws at its end unless it has this digest. @throws RegistryError DIGEST_INVALID */
async function* verified(body: Body, digest: Digest): AsyncGenerator<Uint8Array> {
  const hasher = createHasher(algorithmOf(digest))
  for await (const chunk of body) {
    hasher.update(chunk)
    yield chunk
  }
  checkDigest(digest, hasher.digest())
}

/** @throws RegistryError DIGEST_INVALID */
export function checkDigest(stated: Digest, actual: Digest): void {
  if (stated === actual) return
  throw new RegistryError('DIGEST_INVALID', `stated ${stated}, but the bytes received have ${actual}`)
}
