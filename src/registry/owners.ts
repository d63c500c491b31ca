import { ObjectNotFound, type StorageDriver, StorageUnavailable } from '../../storage/driver.ts'
import { RegistryError } from '../oci/error.ts'
import { isTag, type RepositoryName } from '../oci/name.ts'
import type { Blobs } from './blobs.ts'
import { collect, mapParallel } from './bytes.ts'
import {
  layersKey,
  ownerKey,
  referrerKey,
  referrersKey,
  repositoryKey,
  revisionsKey,
  subjectsKey,
  tagsKey
} from './layout.ts'
import { createMemory, EXISTENCE_TTL_MS } from './links.ts'
import { listDigests } from './listing.ts'
import type { Manifests } from './manifests.ts'
import type { Siblings } from './siblings.ts'
import type { Tags } from './tags.ts'

/**
 * Which namespace a repository belongs to: the UID, since a namespace that is deleted and made again has its former
 * name, but must not have its former images. It is kept beside them.
 */
export interface Owners {
  /** The UID of its namespace; may be 5 s old. Undefined where nobody has claimed it yet, as with a repository of
   *  another registry. Empty, which is nobody's UID, where the note is damaged. */
  get(name: RepositoryName): Promise<string | undefined>
  /** Makes it nobody's. */
  release(name: RepositoryName): Promise<void>
  /** The same, as storage has it now. */
  read(name: RepositoryName): Promise<string | undefined>
  /**
   * Makes it belong to `uid`. What has no owner is adopted as it is; what belonged to another is emptied first: tags,
   * manifests, referrers and the links to layers go, and no process remembers them. Until the end it belongs to the
   * former owner, also after a crash; then the next claim goes on. Takes 5 s longer than the removal, since other
   * replicas may remember for so long what was there.
   * @param former what `read` gave before `uid` was looked up. UIDs never come back: then whoever had that one is gone
   *   for good, however late the claim comes, and nothing of a living namespace is removed
   * @throws StorageUnavailable when it belongs to a third by now, or the leading process does not end the claim in
   *   time: to be tried again, from `get` on
   */
  claim(name: RepositoryName, uid: string, former: string | undefined): Promise<void>
}

interface Parts {
  storage: StorageDriver
  blobs: Blobs
  manifests: Manifests
  tags: Tags
  siblings: Siblings
  leads: boolean
  pause: (ms: number) => Promise<unknown>
}

/** More than a UID needs. */
const OWNER_LIMIT = 1024

/** How many removals one claim has under way: requests need the disk as well. */
const WIDTH = 8

/** How long a process waits for the one that leads. What a longer claim has done is not lost: the next finds it. */
const CLAIM_MS = 30_000

/** What a note says that cannot be read. It is nobody's UID. */
const DAMAGED = ''

const TOPIC = 'claim a repository'
const CLAIMED = 'claimed'

export function createOwners({ storage, blobs, manifests, tags, siblings, leads, pause }: Parts): Owners {
  const memory = createMemory<{ owner: string | undefined }>(siblings, 'owner')
  const lines = new Map<RepositoryName, Promise<void>>()

  async function read(name: RepositoryName): Promise<string | undefined> {
    try {
      return parseOwner(await collect(storage.read(ownerKey(name)), OWNER_LIMIT))
    } catch (error) {
      if (error instanceof ObjectNotFound) return undefined
      throw error
    }
  }

  /**
   * Does nothing any more once it has another owner than `former`: then a claim has ended in another replica, and what
   * is there now was pushed after it.
   */
  async function empty(name: RepositoryName, former: string): Promise<void> {
    async function each<T>(items: readonly T[], remove: (item: T) => Promise<unknown>): Promise<void> {
      await mapParallel(items, async (item) => (await read(name)) === former && ended(remove(item)), WIDTH)
    }
    // What leads to something goes before it, for whoever looks on with another registry.
    await each((await storage.list(tagsKey(name))).filter(isTag), (tag) => tags.delete(name, tag))
    await each(await listDigests(storage, revisionsKey(name)), (digest) => manifests.delete(name, digest))
    for (const subject of await listDigests(storage, subjectsKey(name))) {
      await each(await listDigests(storage, referrersKey(name, subject)), (digest) =>
        storage.delete(referrerKey(name, subject, digest), { within: repositoryKey(name) })
      )
    }
    await each(await listDigests(storage, layersKey(name)), (digest) => blobs.delete(name, digest))
  }

  async function claimHere(name: RepositoryName, uid: string, former: string | undefined): Promise<void> {
    if ((await read(name)) === former && former !== undefined && former !== DAMAGED && former !== uid) {
      await empty(name, former)
      await pause(EXISTENCE_TTL_MS)
    }
    const current = await read(name)
    if (current === DAMAGED) {
      throw new StorageUnavailable(
        `${ownerKey(name)} is damaged: whose ${name} is cannot be told; remove that file, and the next who pushes adopts it`
      )
    }
    if (current !== uid && current !== former) {
      throw new StorageUnavailable(`${name} was claimed by another namespace meanwhile`)
    }
    if (current !== uid) {
      await storage.write(ownerKey(name), [Buffer.from(JSON.stringify({ uid }))], { isContested: true })
    }
    await memory.forget(name)
  }

  /** One claim of a repository at a time: clients push their layers side by side. */
  function claimInTurn(name: RepositoryName, uid: string, former: string | undefined): Promise<void> {
    const claim = () => claimHere(name, uid, former)
    const ahead = lines.get(name) ?? Promise.resolve()
    const mine = ahead.then(claim, claim)
    lines.set(name, mine)
    const leave = () => lines.get(name) === mine && lines.delete(name)
    mine.then(leave, leave)
    return mine
  }

  if (leads) {
    siblings.onQuestion(TOPIC, async (question) => {
      const [name, uid, former] = JSON.parse(question)
      return claimInTurn(name, uid, former ?? undefined).then(
        () => CLAIMED,
        (error: Error) => error.message
      )
    })
  }

  return {
    async get(name) {
      const known = await memory.recall(name, async () => ({ owner: await read(name) }))
      return known?.owner
    },

    read,

    async release(name) {
      await storage.delete(ownerKey(name), { within: repositoryKey(name) })
      await memory.forget(name)
    },

    async claim(name, uid, former) {
      if (leads) return claimInTurn(name, uid, former)
      const [answer] = await siblings.ask(TOPIC, JSON.stringify([name, uid, former]), CLAIM_MS)
      if (answer === CLAIMED) return
      const why = answer ?? 'the leading process did not answer; it may be starting, or still be at it'
      throw new StorageUnavailable(`${name} cannot be claimed for its namespace yet: ${why}`)
    }
  }
}

/** @param bytes undefined when there are more than a note holds */
function parseOwner(bytes: Buffer | undefined): string {
  try {
    const { uid } = JSON.parse(bytes?.toString() ?? '')
    return typeof uid === 'string' ? uid : DAMAGED
  } catch {
    return DAMAGED
  }
}

/** That there is nothing left to remove is as good: a removal that broke off, or a link that was damaged. */
async function ended(removal: Promise<unknown>): Promise<void> {
  try {
    await removal
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error
  }
}
