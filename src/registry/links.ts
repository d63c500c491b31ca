import { LRUCache } from 'lru-cache'
import type { StorageDriver, WriteOptions } from '../../storage/driver.ts'
import { type Digest, isDigest } from '../oci/digest.ts'
import { readSmall } from './bytes.ts'
import type { Siblings } from './siblings.ts'
import { createTogether } from './together.ts'

/** Existence may be remembered for so long: another replica's deletion shows after at most this. */
export const EXISTENCE_TTL_MS = 5000

/** Longer than any link that distribution or berth writes. */
const LINK_LIMIT = 256

/** The small files that say which blob a name means. Their content is the digest, with no newline. */
export interface Links {
  /** The digest at `key`, as storage has it now; undefined where there is none. An empty or garbled link,
   *  which a crash of other software can leave, counts as none. */
  read(key: string): Promise<Digest | undefined>
  write(key: string, digest: Digest, options?: WriteOptions): Promise<void>
}

export function createLinks(storage: StorageDriver): Links {
  return {
    async read(key) {
      const bytes = await readSmall(storage, key, LINK_LIMIT)
      const text = bytes?.toString('latin1').trim()
      return text !== undefined && isDigest(text) ? text : undefined
    },
    async write(key, digest, options) {
      await storage.write(key, [Buffer.from(digest)], options)
    }
  }
}

/**
 * What was found to exist, remembered for seconds. Absence is never remembered. `forget` also discards answers
 * that storage gave before it but that have not been kept yet, so that after a deletion nobody is told the past.
 */
export interface Memory<T extends object> {
  /** @param look the same for all who recall this key; those who come while it is under way share the next one */
  recall(key: string, look: () => Promise<T | undefined>): Promise<T | undefined>
  /** Remembers what somebody has just made, once it is there. */
  learn(key: string, make: () => Promise<T>): Promise<void>
  /** Resolves once all siblings have forgotten it as well. */
  forget(key: string): Promise<void>
}

/** Told of each lookup in a memory, and whether it was there. */
export type OnLookup = (isHit: boolean) => void

/** @param kind what is remembered here: siblings forget what is of the same kind */
export function createMemory<T extends object>(
  siblings: Siblings,
  kind: string,
  onLookup?: OnLookup
): Memory<T> {
  const found = new LRUCache<string, T>({ max: 10_000, ttl: EXISTENCE_TTL_MS })
  const together = createTogether<T | undefined>()
  let deletions = 0
  function forget(key: string): undefined {
    deletions++
    found.delete(key)
  }
  siblings.onQuestion(`forget ${kind}`, forget)

  async function keep<V extends T | undefined>(key: string, find: () => Promise<V>): Promise<V> {
    const before = deletions
    const value = await find()
    if (value !== undefined && deletions === before) found.set(key, value)
    return value
  }

  return {
    async recall(key, look) {
      const known = found.get(key)
      onLookup?.(known !== undefined)
      if (known !== undefined) return known
      return together.ask(key, async () => {
        const foundMeanwhile = found.get(key)
        return foundMeanwhile ?? keep(key, look)
      })
    },
    async learn(key, make) {
      await keep(key, make)
    },
    async forget(key) {
      forget(key)
      // One that says nothing for so long remembers nothing of that time.
      await siblings.ask(`forget ${kind}`, key, EXISTENCE_TTL_MS)
    }
  }
}
