import { LRUCache } from 'lru-cache'
import { ApiForbidden, type ApiServer } from '../kubernetes/api-server.ts'
import { RegistryError } from '../oci/error.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Owners } from '../registry/owners.ts'
import type { Siblings } from '../registry/siblings.ts'
import { createAnswers } from './answers.ts'
import { createForbidden } from './once.ts'
import { shown } from './permissions.ts'
import type { Told } from './told.ts'

/** A namespace's UID may be so old where a repository is read. */
const UID_MS = 10_000
/** And so old where it is about to be given to a namespace, or taken from one, and that there is none: it may be made. */
const FRESH_UID_MS = 2000

/** What was found in order is not looked at again for so long. */
const SETTLED_MS = 1000

/** While the API server does not answer, what it said last is believed for so long: as long as a registry's token is. */
const OUTAGE_MS = 5 * 60_000

/** It is taken to be down when it has not answered for so long, and is asked again after so long. */
const PATIENCE_MS = 2000
const SILENT_MS = 5000

/** `unclaimed`: by nobody yet. `foreign`: it belongs to a namespace of this name that is no more. `unchecked`: only names
 *  are gone by. */
export type Standing = 'ours' | 'unchecked' | 'unclaimed' | 'foreign' | 'no namespace'

/**
 * Images outlive namespaces: whoever may create namespaces could make a deleted one anew and read its old images. So a
 * repository belongs to its namespace's UID, not only to its name.
 */
export interface Ownership {
  /** Whether it was its namespace's own a moment ago. */
  isSettled(repository: RepositoryName): boolean
  /**
   * @param isFinal whether what is pushed next is not pushed again: then the namespace is looked up anew, since a push
   *   into what belongs to one that was deleted a moment ago would be removed with all the rest
   * @throws RegistryError API_UNAVAILABLE
   */
  standing(repository: RepositoryName, namespace: string, isFinal?: boolean): Promise<Standing>
  /** Gives it to its namespace; what it held for another one is removed. @throws RegistryError API_UNAVAILABLE, NAME_UNKNOWN */
  claim(repository: RepositoryName, namespace: string): Promise<void>
  /** Before a push that is not checked: it must not count as the former namespace's once it is checked again. */
  release(repository: RepositoryName): Promise<void>
}

/** For an administrator who wants names to be all there is to go by. */
export function createUnchecked(owners: Owners): Ownership {
  return {
    isSettled: () => true,
    standing: async () => 'unchecked',
    claim: async () => {},
    release: (repository) => release(owners, repository)
  }
}

async function release(owners: Owners, repository: RepositoryName): Promise<void> {
  if ((await owners.get(repository)) !== undefined) await owners.release(repository)
}

export interface OwnershipOptions {
  api: Pick<ApiServer, 'namespaceUid'>
  owners: Owners
  siblings: Siblings
  logger: { warn(text: string): void }
  told: Told
  now?: () => number
}

export function createOwnership({
  api,
  owners,
  siblings,
  logger,
  told,
  now = Date.now
}: OwnershipOptions): Ownership {
  const uids = createAnswers<string | null>({
    topic: 'UID of a namespace',
    siblings,
    lifeMs: (uid) => (uid === null ? FRESH_UID_MS : UID_MS),
    now
  })
  const lastKnown = new LRUCache<string, { uid: string | undefined; at: number }>({ max: 10_000 })
  const settled = new LRUCache<RepositoryName, number>({ max: 10_000 })
  const claims = new Map<RepositoryName, Promise<void>>()
  const forbidden = createForbidden('said that namespaces cannot be read', { siblings, logger, now })
  let silentUntil = Number.NEGATIVE_INFINITY

  async function uidOf(namespace: string, maxAgeMs?: number): Promise<string | undefined> {
    const uid =
      (await uids.get(namespace, async () => (await api.namespaceUid(namespace)) ?? null, maxAgeMs)) ??
      undefined
    lastKnown.set(namespace, { uid, at: now() })
    return uid
  }

  /**
   * Undefined while the registry's account may not read namespaces: then names are all there is to go by. Once it might,
   * a refusal is trouble, such as that of an API server that has not read its roles yet, and opens nothing.
   */
  async function unlessForbidden<T>(ask: () => Promise<T>): Promise<T | undefined> {
    if (forbidden.isNow()) return undefined
    try {
      return await told(ask(), lastKnown.size === 0 ? ApiForbidden : undefined)
    } catch (error) {
      if (!(error instanceof ApiForbidden)) throw error
      await forbidden.begin(
        `${error.message}; without it whoever makes a deleted namespace anew can read its old images ` +
          '(REGISTRY_OPENSHIFT_AUTH_NAMESPACEUIDS=false says that this is meant)'
      )
      return undefined
    }
  }

  async function compare(repository: RepositoryName, namespace: string, isFinal: boolean): Promise<Standing> {
    const [owner, uid] = await Promise.all([
      owners.get(repository),
      isFinal ? uidOf(namespace, 0) : uidOrLastKnown(namespace)
    ])
    if (uid === undefined) return 'no namespace'
    if (owner === undefined) return 'unclaimed'
    if (owner === uid) return 'ours'
    // One of the two may have changed meanwhile.
    const [ownerNow, uidNow] = await Promise.all([owners.read(repository), uidOf(namespace, FRESH_UID_MS)])
    if (uidNow === undefined) return 'no namespace'
    return ownerNow === uidNow ? 'ours' : ownerNow === undefined ? 'unclaimed' : 'foreign'
  }

  /** A pull must not wait for an API server that is down. */
  async function uidOrLastKnown(namespace: string): Promise<string | undefined> {
    const last = lastKnown.get(namespace)
    if (last === undefined || now() - last.at > OUTAGE_MS) return uidOf(namespace)
    if (now() < silentUntil) return last.uid
    const asked = uidOf(namespace)
    const giveUp = Promise.withResolvers<never>()
    const timer = setTimeout(() => giveUp.reject(new Error('no answer in time')), PATIENCE_MS)
    try {
      return await Promise.race([asked, giveUp.promise])
    } catch {
      asked.catch(() => {}) // has been waited for long enough
      silentUntil = now() + SILENT_MS
      return last.uid
    } finally {
      clearTimeout(timer)
    }
  }

  async function claimNow(repository: RepositoryName, namespace: string): Promise<void> {
    const former = await owners.read(repository)
    // Another request was faster.
    if (former !== undefined && former === uids.peek(namespace)) return
    // To take it from another, the UID must be looked up after that one was found: only then is that one gone for good.
    const maxAgeMs = former === undefined ? FRESH_UID_MS : 0
    const uid = await unlessForbidden(async () => (await uidOf(namespace, maxAgeMs)) ?? null)
    if (uid === null) throw new RegistryError('NAMESPACE_UNKNOWN', `there is no namespace "${namespace}"`)
    if (uid === undefined) return release(owners, repository)
    if (former !== undefined && former !== uid) {
      logger.warn(
        `${repository} belonged to a namespace "${namespace}" that is no more (UID ${shown(former)}): what it holds is ` +
          `removed, since somebody pushes to it for the one of today (UID ${uid})`
      )
    }
    await owners.claim(repository, uid, former)
  }

  return {
    isSettled: (repository) => now() < (settled.get(repository) ?? 0),

    async standing(repository, namespace, isFinal = false) {
      const standing = (await unlessForbidden(() => compare(repository, namespace, isFinal))) ?? 'unchecked'
      if (standing === 'ours' || standing === 'unchecked') settled.set(repository, now() + SETTLED_MS)
      return standing
    },

    claim(repository, namespace) {
      // Clients push layers side by side.
      let claim = claims.get(repository)
      if (claim === undefined) {
        claim = claimNow(repository, namespace).finally(() => claims.delete(repository))
        claims.set(repository, claim)
      }
      return claim
    },

    release: (repository) => release(owners, repository)
  }
}
