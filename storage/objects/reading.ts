import { type ByteRange, ObjectNotFound, StorageUnavailable } from '../driver.ts'
import { free } from '../free.ts'
import { ConditionFailed, type ObjectStore, type Opened } from './store.ts'

/** How often in a row a connection may break without a byte having come. */
const TRIES = 5

/**
 * The bytes of an object, as they come. When the connection breaks or ends too early, it goes on at the right byte with
 * another, as long as the object is still the same.
 * @throws as StorageDriver.read
 */
export async function* readObject(
  store: Pick<ObjectStore, 'get' | 'head'>,
  key: string,
  range?: ByteRange
): AsyncGenerator<Uint8Array> {
  if (range !== undefined && (range.start < 0 || range.end < range.start)) {
    await checkEmpty(store, key, range)
    return
  }
  const opened = await open(store, key, range)
  if (opened === undefined) return
  const { size, version } = opened
  const end = Math.min(range?.end ?? size, size - 1)
  let position = range?.start ?? 0
  let { chunks } = opened
  for (let tries = 1; ; tries++) {
    let broken: unknown = new Error(`${key} ended too early`)
    try {
      for await (const chunk of chunks) {
        const wanted = chunk.length > end + 1 - position ? chunk.subarray(0, end + 1 - position) : chunk
        position += wanted.length
        tries = 1
        if (wanted.length > 0) yield wanted
        free(chunk)
        if (position > end) return
      }
    } catch (error) {
      broken = error
    }
    if (position > end) return
    if (tries === TRIES) {
      throw new StorageUnavailable(`the connection breaks again and again while ${key} is read`, {
        cause: broken
      })
    }
    chunks = await goOn(store, key, { start: position, end }, version)
  }
}

/** Undefined when nothing lies in the range. */
async function open(
  store: Pick<ObjectStore, 'get' | 'head'>,
  key: string,
  range: ByteRange | undefined
): Promise<Opened | undefined> {
  try {
    const opened = await store.get(key, range)
    if (opened === undefined) throw new ObjectNotFound(key)
    return opened
  } catch (error) {
    if (!(error instanceof RangeError) || range === undefined) throw error
    await checkEmpty(store, key, range)
    return undefined
  }
}

/** Nothing is wrong with a range without bytes, up to the end of the object. */
async function checkEmpty(
  store: Pick<ObjectStore, 'head'>,
  key: string,
  { start }: ByteRange
): Promise<void> {
  const found = await store.head(key)
  if (found === undefined) throw new ObjectNotFound(key)
  if (start < 0 || start > found.size) throw new RangeError(`${key} ends at ${found.size}`)
}

async function goOn(
  store: Pick<ObjectStore, 'get'>,
  key: string,
  range: ByteRange,
  version: string
): Promise<AsyncIterable<Uint8Array>> {
  const changed = (cause?: unknown) =>
    new StorageUnavailable(`${key} was replaced or deleted while it was read`, { cause })
  try {
    const opened = await store.get(key, range, version)
    if (opened === undefined) throw changed()
    if (opened.version === version) return opened.chunks
    // Of a store that does not heed the condition.
    await leave(opened.chunks)
    throw changed()
  } catch (error) {
    throw error instanceof ConditionFailed || error instanceof RangeError ? changed(error) : error
  }
}

/** Frees the connection of a body that nobody wants: one that was never asked for a chunk would keep it. */
async function leave(chunks: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    for await (const _ of chunks) return
  } catch {
    // It is broken, and free.
  }
}
