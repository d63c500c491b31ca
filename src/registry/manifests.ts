import { LRUCache } from 'lru-cache'
import type { StorageDriver } from '../../storage/driver.ts'
import { algorithmOf, type Digest, digestOf, isDigest } from '../oci/digest.ts'
import { RegistryError } from '../oci/error.ts'
import { MANIFEST_LIMIT, type Manifest, parseManifest, storedMediaType } from '../oci/manifest.ts'
import type { RepositoryName, Tag } from '../oci/name.ts'
import { describeReferrer } from '../oci/referrer.ts'
import type { Blobs } from './blobs.ts'
import { mapParallel, readSmall } from './bytes.ts'
import {
  blobKey,
  layerLinkKey,
  layersKey,
  referrerKey,
  repositoryKey,
  revisionLinkKey,
  revisionsKey
} from './layout.ts'
import { createMemory, type Links, type OnLookup } from './links.ts'
import type { Siblings } from './siblings.ts'
import type { Tags } from './tags.ts'
import { createTogether } from './together.ts'

/** How many bytes of manifests each process keeps in memory. They never change: their digest is their key. */
const CACHE_BYTES = 16 * 1024 * 1024
/** One that is larger is an exception, and would push many others out. */
const CACHED_BYTES = 1024 * 1024

/** A client is told of so many missing blobs at once. */
const MOST_ERRORS = 100

/** Node cuts small buffers from blocks of 64 KiB, and one that is kept would keep its whole block. */
function ownMemory(bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length)
  bytes.copy(copy)
  return copy
}

/** A manifest as it was pushed, byte for byte. */
export interface StoredManifest {
  digest: Digest
  mediaType: string
  bytes: Buffer
}

export interface Manifests {
  /** A tag is looked up anew each time; a digest's existence may be 5 s old.
   *  @throws RegistryError MANIFEST_UNKNOWN, NAME_UNKNOWN */
  get(name: RepositoryName, reference: Digest | Tag): Promise<StoredManifest>
  /** Whether the repository holds it; existence may be 5 s old. */
  has(name: RepositoryName, digest: Digest): Promise<boolean>
  /** Its bytes, or undefined where the repository has no such manifest. */
  find(name: RepositoryName, digest: Digest): Promise<StoredManifest | undefined>
  /**
   * Stores a manifest, checks first that the repository holds what it references, and points `tags` at it.
   * Distribution spec: "Pushing manifests".
   * @param digest what the bytes must have; without it they get their sha256 digest
   * @throws RegistryError DIGEST_INVALID, MANIFEST_INVALID, MANIFEST_BLOB_UNKNOWN with each missing digest
   */
  put(name: RepositoryName, push: ManifestPush): Promise<{ digest: Digest; subject: Digest | undefined }>
  /** Removes it, and every tag that points at it. @throws RegistryError MANIFEST_UNKNOWN, NAME_UNKNOWN */
  delete(name: RepositoryName, digest: Digest): Promise<void>
}

export interface ManifestPush {
  bytes: Buffer
  contentType: string | undefined
  digest: Digest | undefined
  tags: readonly Tag[]
}

interface Parts {
  storage: StorageDriver
  links: Links
  blobs: Blobs
  tags: Tags
  siblings: Siblings
  /** Throws NAME_UNKNOWN where there is no such repository. */
  requireRepository(name: RepositoryName): Promise<void>
  lookups?: Lookups | undefined
}

/** What is told of the caches: by digest alone, and by digest and repository. */
export interface Lookups {
  digest: OnLookup
  scoped: OnLookup
}

export function createManifests({
  storage,
  links,
  blobs,
  tags,
  siblings,
  requireRepository,
  lookups
}: Parts): Manifests {
  const contents = new LRUCache<Digest, StoredManifest>({
    maxSize: CACHE_BYTES,
    maxEntrySize: CACHED_BYTES,
    sizeCalculation: ({ bytes }) => bytes.length + 256
  })
  const loads = createTogether<StoredManifest | undefined>()
  const revisions = createMemory<{ digest: Digest }>(siblings, 'manifest', lookups?.scoped)

  async function load(digest: Digest): Promise<StoredManifest | undefined> {
    const known = () => contents.get(digest)
    const here = known()
    lookups?.digest(here !== undefined)
    return here ?? loads.ask(digest, async () => known() ?? read(digest))
  }

  async function read(digest: Digest): Promise<StoredManifest | undefined> {
    const found = await readSmall(storage, blobKey(digest), MANIFEST_LIMIT)
    const bytes = found && ownMemory(found)
    // Bytes that a crash of other software has damaged are absent: pushing them again heals them.
    if (bytes === undefined || digestOf(bytes, algorithmOf(digest)) !== digest) return undefined
    return remember(digest, bytes)
  }

  /** @param bytes in memory of their own */
  function remember(digest: Digest, bytes: Buffer): StoredManifest {
    const manifest = { digest, mediaType: storedMediaType(bytes), bytes }
    contents.set(digest, manifest)
    return manifest
  }

  async function lookForRevision(name: RepositoryName, digest: Digest) {
    const target = await links.read(revisionLinkKey(name, digest))
    return target === undefined ? undefined : { digest: target }
  }

  function recall(name: RepositoryName, digest: Digest) {
    return revisions.recall(`${name}@${digest}`, () => lookForRevision(name, digest))
  }

  async function find(name: RepositoryName, digest: Digest): Promise<StoredManifest | undefined> {
    const revision = await recall(name, digest)
    return revision === undefined ? undefined : load(revision.digest)
  }

  async function unknown(name: RepositoryName, reference: Digest | Tag): Promise<never> {
    await requireRepository(name)
    throw new RegistryError('MANIFEST_UNKNOWN', reference)
  }

  /** As storage says now of the link. */
  async function isStored(name: RepositoryName, digest: Digest): Promise<boolean> {
    if ((await lookForRevision(name, digest)) === undefined) return false
    return (await blobs.size(digest)) !== undefined
  }

  async function checkReferences(name: RepositoryName, manifest: Manifest): Promise<void> {
    const wanted = [
      ...new Set(manifest.blobs.map(({ digest }) => digest))
        .values()
        .map((digest) => ({ digest, look: blobs.has })),
      ...new Set(manifest.manifests.map(({ digest }) => digest))
        .values()
        .map((digest) => ({ digest, look: isStored }))
    ]
    const found = await mapParallel(wanted, ({ digest, look }) => look(name, digest))
    const missing = wanted.filter((_, index) => !found[index]).map(({ digest }) => digest)
    if (missing.length > 0) throw new RegistryError('MANIFEST_BLOB_UNKNOWN', missing.slice(0, MOST_ERRORS))
  }

  /** Makes bytes that are stored a manifest of the repository, and one of its subject's referrers. */
  async function link(name: RepositoryName, manifest: Manifest, digest: Digest, size: number): Promise<void> {
    await revisions.learn(`${name}@${digest}`, async () => {
      await links.write(revisionLinkKey(name, digest), digest)
      return { digest }
    })
    if (manifest.subject === undefined) return
    const descriptor = JSON.stringify(describeReferrer(manifest, digest, size))
    await storage.write(referrerKey(name, manifest.subject.digest, digest), [Buffer.from(descriptor)])
  }

  /** distribution's garbage collector aborts on, or overlooks, a repository without any layer link. */
  async function ensureLayerLink(name: RepositoryName, digest: Digest): Promise<void> {
    const [first] = await storage.list(layersKey(name), { limit: 1 })
    if (first === undefined) await links.write(layerLinkKey(name, digest), digest)
  }

  return {
    find,

    has: async (name, digest) => (await recall(name, digest)) !== undefined,

    async get(name, reference) {
      const digest = isDigest(reference) ? reference : await tags.get(name, reference)
      const manifest = digest === undefined ? undefined : await find(name, digest)
      return manifest ?? unknown(name, reference)
    },

    async put(name, { bytes, contentType, digest: stated, tags: newTags }) {
      const digest = digestOf(bytes, stated === undefined ? 'sha256' : algorithmOf(stated))
      if (stated !== undefined && stated !== digest) {
        throw new RegistryError('DIGEST_INVALID', `stated ${stated}, but the bytes received have ${digest}`)
      }
      const manifest = parseManifest(bytes, contentType)
      await checkReferences(name, manifest)

      // Each step leaves a state that is right if it is the last: no link before its bytes, no tag before both.
      await blobs.stored(digest, () => storage.write(blobKey(digest), [bytes]))
      if (manifest.blobs.length === 0) await ensureLayerLink(name, digest)
      await link(name, manifest, digest, bytes.length)
      await mapParallel(newTags, (tag) => tags.put(name, tag, digest))

      // A deletion of this manifest that ran meanwhile may have missed the new tags: they must point at something.
      if (newTags.length > 0 && (await lookForRevision(name, digest)) === undefined) {
        await link(name, manifest, digest, bytes.length)
      }
      if (!contents.has(digest)) remember(digest, ownMemory(bytes))
      return { digest, subject: manifest.subject?.digest }
    },

    async delete(name, digest) {
      if ((await lookForRevision(name, digest)) === undefined) return unknown(name, digest)
      const stored = await load(digest)
      const subject = stored === undefined ? undefined : subjectOf(stored.bytes)
      await tags.deleteAll(name, digest)
      // Before the manifest itself: a push that brings the manifest back writes the descriptor after it.
      if (subject !== undefined) {
        await storage.delete(referrerKey(name, subject, digest), { within: repositoryKey(name) })
      }
      await storage.delete(revisionLinkKey(name, digest), { within: revisionsKey(name) })
      await revisions.forget(`${name}@${digest}`)
      // A push may have set a tag since, believing that the manifest was there.
      await tags.deleteAll(name, digest)
    }
  }
}

/** The subject of a stored manifest; undefined when it has none or is of a kind that berth would refuse today. */
export function subjectOf(bytes: Buffer): Digest | undefined {
  try {
    return parseManifest(bytes).subject?.digest
  } catch (error) {
    if (error instanceof RegistryError) return undefined
    throw error
  }
}
