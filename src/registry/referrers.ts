import type { StorageDriver } from '../../storage/driver.ts'
import type { Digest } from '../oci/digest.ts'
import { MANIFEST_LIMIT, type Manifest, MEDIA_TYPES, parseManifest, referrersTag } from '../oci/manifest.ts'
import { isTag, type RepositoryName } from '../oci/name.ts'
import { describeReferrer, parseReferrer, type ReferrerDescriptor } from '../oci/referrer.ts'
import { mapParallel, readSmall } from './bytes.ts'
import { referrerKey, referrersKey } from './layout.ts'
import { type Listing, listDigests } from './listing.ts'
import type { Manifests, StoredManifest } from './manifests.ts'
import type { Tags } from './tags.ts'

export interface ReferrersPage {
  /** Only these artifact types; empty for all. */
  artifactTypes: readonly string[]
  /** At most so many descriptors. */
  n: number
  last?: string | undefined
}

/** The manifests whose subject a manifest is; it need not exist itself. */
export interface Referrers {
  /** In order of digest. A page's descriptors stay under 4 MiB, a limit of many clients, unless it has just one. */
  list(name: RepositoryName, subject: Digest, page: ReferrersPage): Promise<Listing<ReferrerDescriptor>>
}

/** Bytes of descriptors on one page: leaves room for the index around them in the 4 MiB that clients read. */
const PAGE_BYTES = 3.5 * 1024 * 1024

/** How many referrers are looked at at once; each may have 4 MiB. */
const BATCH = 8

/** One request looks at no more than this, and links to the rest: few of many may be of the type that is asked for. */
const MOST_BYTES_READ = 16 * 1024 * 1024

interface Described {
  digest: Digest
  /** Undefined for what is no referrer of this subject, or not any more. */
  descriptor: ReferrerDescriptor | undefined
  /** What it took to know: so many bytes were read. */
  bytes: number
}

interface Parts {
  storage: StorageDriver
  tags: Tags
  manifests: Manifests
}

export function createReferrers({ storage, tags, manifests }: Parts): Referrers {
  /** What clients noted in a tag of their own while the registry had no referrers API ("Referrers Tag Schema"). */
  async function fallback(name: RepositoryName, subject: Digest): Promise<Digest[]> {
    const tag = referrersTag(subject)
    const digest = isTag(tag) ? await tags.get(name, tag) : undefined
    const index = digest === undefined ? undefined : await manifests.find(name, digest)
    if (index?.mediaType !== MEDIA_TYPES.ociIndex) return []
    const { blobs = [], manifests: children = [] } = tryParse(index) ?? {}
    return [...children, ...blobs].map((child) => child.digest)
  }

  async function describe(name: RepositoryName, subject: Digest, digest: Digest): Promise<Described> {
    if (!(await manifests.has(name, digest))) return { digest, descriptor: undefined, bytes: 0 }
    const kept = await readSmall(storage, referrerKey(name, subject, digest), MANIFEST_LIMIT)
    const descriptor = kept === undefined ? undefined : parseReferrer(kept)
    if (kept !== undefined && descriptor !== undefined) return { digest, descriptor, bytes: kept.length }
    // Pushed by a client that only noted it in a tag, or the note is damaged: the manifest itself knows.
    const stored = await manifests.find(name, digest)
    const bytes = stored?.bytes.length ?? 0
    const manifest = stored === undefined ? undefined : tryParse(stored)
    if (manifest?.subject?.digest !== subject) return { digest, descriptor: undefined, bytes }
    return { digest, descriptor: describeReferrer(manifest, digest, bytes), bytes }
  }

  async function* describeAll(
    name: RepositoryName,
    subject: Digest,
    digests: Digest[]
  ): AsyncGenerator<Described> {
    for (let at = 0; at < digests.length; at += BATCH) {
      const batch = digests.slice(at, at + BATCH)
      yield* await mapParallel(batch, (digest) => describe(name, subject, digest))
    }
  }

  return {
    async list(name, subject, { artifactTypes, n, last = '' }) {
      const [noted, fromTag] = await Promise.all([
        listDigests(storage, referrersKey(name, subject)),
        fallback(name, subject)
      ])
      const digests = [...new Set([...noted, ...fromTag])].filter((digest) => digest > last).sort()
      const items: ReferrerDescriptor[] = []
      if (n === 0) return { items, next: undefined }
      let [shown, read, next] = [0, 0, last]
      for await (const { digest, descriptor, bytes } of describeAll(name, subject, digests)) {
        if (read > MOST_BYTES_READ) return { items, next }
        read += bytes
        const type = descriptor?.artifactType ?? ''
        if (descriptor !== undefined && (artifactTypes.length === 0 || artifactTypes.includes(type))) {
          shown += Buffer.byteLength(JSON.stringify(descriptor))
          if (items.length === n || (items.length > 0 && shown > PAGE_BYTES)) return { items, next }
          items.push(descriptor)
        }
        next = digest
      }
      return { items, next: undefined }
    }
  }
}

function tryParse({ bytes, mediaType }: StoredManifest): Manifest | undefined {
  try {
    return parseManifest(bytes, mediaType)
  } catch {
    return undefined // of a kind that berth would refuse today: it refers to nothing that it knows of
  }
}
