import { setTimeout } from 'node:timers/promises'
import type { StorageDriver } from '../../storage/driver.ts'
import { type Blobs, createBlobs } from './blobs.ts'
import { purgeTurnKey } from './layout.ts'
import { createLinks } from './links.ts'
import { createManifests, type Lookups, type Manifests } from './manifests.ts'
import { createOwners, type Owners } from './owners.ts'
import { createReferrers, type Referrers } from './referrers.ts'
import { createRepositories, type Repositories } from './repositories.ts'
import { alone, type Siblings } from './siblings.ts'
import { createTags, type Tags } from './tags.ts'
import { createTurns, type Turns } from './turns.ts'
import { createUploads, type Uploads } from './uploads.ts'

export { ObjectNotFound, StorageFull, StorageUnavailable } from '../../storage/driver.ts'
export type { Answer, Inherit, Siblings } from './siblings.ts'

/** What a registry does, over any storage driver; it knows no HTTP. */
export interface Registry {
  repositories: Repositories
  blobs: Blobs
  uploads: Uploads
  manifests: Manifests
  tags: Tags
  referrers: Referrers
  owners: Owners
  /** Whose turn it is to purge uploads. */
  purging: Turns
  /** How many uploads are open, as far as the storage can say. */
  countUploads(): Promise<number | undefined>
  /** Reads something from the storage, to see whether it answers. @throws StorageUnavailable */
  probe(): Promise<void>
}

export interface RegistryOptions {
  /** The processes that serve the same storage beside this one; none unless given. */
  siblings?: Siblings
  /** Whether this process does what only one of them may do; true unless given. Exactly one leads. */
  leads?: boolean
  /** Resolves after so many milliseconds. */
  pause?: (ms: number) => Promise<unknown>
  /** Whether there is room for a new upload; there always is unless given. @throws RegistryError STORAGE_RESERVED */
  requireSpace?: () => Promise<void>
  /** Told of each lookup in a cache. */
  lookups?: Lookups | undefined
}

export function createRegistry(
  storage: StorageDriver,
  {
    siblings = alone,
    leads = true,
    pause = setTimeout,
    requireSpace = async () => {},
    lookups
  }: RegistryOptions = {}
): Registry {
  const links = createLinks(storage)
  const repositories = createRepositories(storage)
  const blobs = createBlobs(storage, links, siblings, lookups?.scoped)
  const uploads = createUploads({ storage, blobs, repositories, siblings, requireSpace })
  const tags = createTags(storage, links)
  const manifests = createManifests({
    storage,
    links,
    blobs,
    tags,
    siblings,
    requireRepository: repositories.require,
    lookups
  })
  const referrers = createReferrers({ storage, tags, manifests })
  const owners = createOwners({ storage, blobs, manifests, tags, siblings, leads, pause })
  const purging = createTurns(storage, purgeTurnKey, Date.now, pause)
  async function countUploads(): Promise<number | undefined> {
    const count = await storage.countMaking()
    // Among them is the note on whose turn it is, if there is one.
    return count && count - ((await storage.appended(purgeTurnKey)) === undefined ? 0 : 1)
  }
  return {
    ...{ repositories, blobs, uploads, manifests, tags, referrers, owners, purging, countUploads },
    probe: storage.probe
  }
}
