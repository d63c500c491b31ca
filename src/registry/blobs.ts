import { LRUCache } from 'lru-cache'
import type { Body, ByteRange, StorageDriver } from '../../storage/driver.ts'
import { algorithmOf, createHasher, type Digest, digestOf } from '../oci/digest.ts'
import { RegistryError } from '../oci/error.ts'
import { isName, type RepositoryName } from '../oci/name.ts'
import { blobKey, layerLinkKey, layersKey, revisionsKey } from './layout.ts'
import { createMemory, EXISTENCE_TTL_MS, type Links, type OnLookup } from './links.ts'
import { listDigests } from './listing.ts'
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
  /** Whether the repository holds it now, as storage says of its link. That the bytes are there may be 5 s old. */
  has(name: RepositoryName, digest: Digest): Promise<boolean>
  /** How many bytes are stored under this digest, in whatever repository; may be 5 s old. */
  size(digest: Digest): Promise<number | undefined>
  /** Takes note that so many bytes were just stored under it. @param store stores them, and gives how many */
  stored(digest: Digest, store: () => Promise<number>): Promise<void>
  /** Stores what equals its digest, whole or not at all. @throws RegistryError DIGEST_INVALID */
  write(name: RepositoryName, digest: Digest, body: Body): Promise<void>
  /** Adds a blob that is in the store, and verified, to the repository. */
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
  const linked = createMemory<{ target: Digest }>(siblings, 'blob', onLookup)
  // Nothing that clients do removes bytes, only garbage collectors: it is never forgotten before its time.
  const sizes = createMemory<{ size: number }>(siblings, 'bytes')
  const lastSeen = new LRUCache<Digest, RepositoryName>({ max: 10_000 })

  siblings.onQuestion('where was this blob last seen', (digest) => lastSeen.get(digest as Digest))

  /** The repositories that this process and its siblings last saw it in; they may have lost it since. */
  async function whereSeen(digest: Digest): Promise<RepositoryName[]> {
    const here = lastSeen.get(digest)
    if (here !== undefined) return [here]
    const names = await siblings.ask('where was this blob last seen', digest, EXISTENCE_TTL_MS)
    return names.filter(isName)
  }

  async function size(digest: Digest): Promise<number | undefined> {
    const found = await sizes.recall(digest, async () => {
      const size = await storage.size(blobKey(digest))
      // A crash of other software can leave an empty file where there were bytes: pushing it again heals it.
      const isDamaged = size === 0 && digest !== digestOf(new Uint8Array(), algorithmOf(digest))
      return size === undefined || isDamaged ? undefined : { size }
    })
    return found?.size
  }

  const stored = (digest: Digest, store: () => Promise<number>): Promise<void> =>
    sizes.learn(digest, async () => ({ size: await store() }))

  // CNCF distribution keeps sha512 blobs under their sha256 name: the link's content leads there.
  async function lookForLink(name: RepositoryName, digest: Digest): Promise<{ target: Digest } | undefined> {
    const target = await links.read(layerLinkKey(name, digest))
    return target === undefined ? undefined : { target }
  }

  /** @param link as it is in the repository */
  async function find(name: RepositoryName, digest: Digest, link: { target: Digest } | undefined) {
    if (link === undefined) return undefined
    const { target } = link
    const bytes = await size(target)
    if (bytes === undefined) return undefined
    lastSeen.set(digest, name)
    return { target, size: bytes }
  }

  const look = async (name: RepositoryName, digest: Digest) =>
    find(name, digest, await lookForLink(name, digest))

  async function link(name: RepositoryName, digest: Digest): Promise<void> {
    await linked.learn(`${name}@${digest}`, async () => {
      await links.write(layerLinkKey(name, digest), digest)
      return { target: digest }
    })
    lastSeen.set(digest, name)
  }

  /** distribution 2's garbage collector overlooks a repository without any layer link, and removes its manifests: one
   *  of these is linked in place of the last layer. (In a folder an empty folder would do.) */
  async function keepLayers(name: RepositoryName, removed: Digest): Promise<void> {
    const [left] = await storage.list(layersKey(name), { limit: 1 })
    if (left !== undefined) return
    const other = (await listDigests(storage, revisionsKey(name))).find((digest) => digest !== removed)
    if (other !== undefined) await links.write(layerLinkKey(name, other), other)
  }

  return {
    async get(name, digest) {
      const link = await linked.recall(`${name}@${digest}`, () => lookForLink(name, digest))
      const found = await find(name, digest, link)
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
      await stored(digest, () => storage.write(blobKey(digest), verified(body, digest)))
      await link(name, digest)
    },

    link,
    size,
    stored,

    async mount(name, digest, { from, mayMount }) {
      for (const source of from === undefined ? await whereSeen(digest) : [from]) {
        if (!(await mayMount(source))) continue
        const found = await look(source, digest)
        if (found === undefined) continue
        const { target } = found
        await linked.learn(`${name}@${digest}`, async () => {
          await links.write(layerLinkKey(name, digest), target)
          return { target }
        })
        return true
      }
      return false
    },

    async delete(name, digest) {
      const wasThere = await storage.delete(layerLinkKey(name, digest), { within: layersKey(name) })
      if (wasThere) await keepLayers(name, digest)
      await linked.forget(`${name}@${digest}`)
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
