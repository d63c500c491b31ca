import type { StorageDriver } from '../../storage/driver.ts'
import { type Digest, isDigest } from '../oci/digest.ts'
import { mapParallel } from './bytes.ts'

/** Which part of a list is asked for. Distribution spec: "Listing Tags". */
export interface ListingPage {
  /** At most so many items. */
  n: number
  /** Only items whose name comes after this one in byte order. It need not exist. */
  last?: string | undefined
}

export interface Listing<T> {
  items: T[]
  /** The last name of this page where more items follow. */
  next: string | undefined
}

/** A name that storage lists, and the item it stands for; undefined where it stands for nothing (any more). */
export interface Candidate<T> {
  name: string
  item: T | undefined
}

/**
 * One page of a list whose candidates are to be looked at one by one: as many as the page needs, no more.
 * @param fetch at most `limit` candidates after `after`, in byte order; fewer only at the end of the list
 */
export async function pageOf<T>(
  { n, last }: ListingPage,
  fetch: (after: string, limit: number) => Promise<Candidate<T>[]>
): Promise<Listing<T>> {
  const items: T[] = []
  let after = last ?? ''
  let lastShown = after
  let limit = n + 1 // one more tells whether there is a next page
  while (n > 0) {
    const candidates = await fetch(after, limit)
    for (const { name, item } of candidates) {
      after = name
      if (item === undefined) continue
      if (items.length === n) return { items, next: lastShown }
      items.push(item)
      lastShown = name
    }
    if (candidates.length < limit) break
    limit *= 2 // most of them stand for nothing: look at more at once
  }
  return { items, next: undefined }
}

/** The digests that stand below a key as `<algorithm>/<encoded>`, whatever is left in their folders. */
export async function listDigests(storage: StorageDriver, key: string): Promise<Digest[]> {
  const algorithms = await storage.list(key)
  const found = await mapParallel(algorithms, async (algorithm) => {
    const encoded = await storage.list(`${key}/${algorithm}`)
    return encoded.map((text) => `${algorithm}:${text}`)
  })
  return found.flat().filter(isDigest)
}
