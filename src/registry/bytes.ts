import { type Body, ObjectNotFound, type StorageDriver } from '../../storage/driver.ts'

/** All the bytes of a body that may hold at most `limit`, or undefined when it holds more. */
export async function collect(body: Body, limit: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of body) {
    size += chunk.length
    if (size > limit) return undefined
    chunks.push(Buffer.from(chunk))
  }
  return chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)
}

/** A small object whole; undefined when there is none or when it is larger than `limit`. */
export async function readSmall(
  storage: StorageDriver,
  key: string,
  limit: number
): Promise<Buffer | undefined> {
  try {
    return await collect(storage.read(key), limit)
  } catch (error) {
    if (error instanceof ObjectNotFound) return undefined
    throw error
  }
}

/** Does `work` for each item, at most `width` at once, and gives the results in the items' order. Where one throws,
 *  no more are begun, and those under way end before the caller is told. */
export async function mapParallel<T, R>(
  items: readonly T[],
  work: (item: T) => Promise<R>,
  width = 32
): Promise<R[]> {
  const results: R[] = []
  let next = 0
  async function lane(): Promise<void> {
    while (next < items.length) {
      const index = next++
      try {
        results[index] = await work(items[index] as T)
      } catch (error) {
        next = items.length
        throw error
      }
    }
  }
  const lanes = Array.from({ length: Math.min(width, items.length) }, lane)
  await Promise.allSettled(lanes)
  await Promise.all(lanes)
  return results
}
