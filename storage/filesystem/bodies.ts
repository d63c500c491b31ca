import type { Body, ByteRange } from '../driver.ts'
import { free } from '../free.ts'
import { createLimit } from '../parallel.ts'
import type { Files, OpenFile } from './files.ts'

/** A batch goes to the disk once it has so many bytes, or as many chunks as one call of the kernel takes. */
const BATCH = 256 * 1024
const BATCH_CHUNKS = 1024

/** The chunks in which a file is read. A reader holds two, one of which is read ahead, or one when that is all. */
const CHUNK = 256 * 1024
/** So many may read in these chunks at a time, which takes 32 MiB; who comes then reads small ones in turn: there are
 *  others to be served while it waits for the disk. */
const CROWD = 64
/** Of those, so many at a time: twice the threads that Node reads files with. */
const READS_AT_ONCE = 64
/** Less than a page, and than the smallest buffer that node allocates by itself. */
const SHORT = 4095
/** Up to here a file is read in one go. */
const SMALL = 64 * 1024
/** Buffers kept for the readers to come: 8 MiB. */
const SPARE_BUFFERS = 32

export interface Poured {
  /** The position behind the last byte written. */
  end: number
  /** What the body threw, if it did. All that came before is written. */
  broken?: { error: unknown }
}

/**
 * Writes a body to a file from a position on. One batch is on its way to the disk while the next is gathered, so
 * that about 512 KiB are held. Nothing is synced. When the writing throws, it is open how much was written.
 */
export async function pour(files: Files, file: OpenFile, start: number, body: Body): Promise<Poured> {
  const poured: Poured = { end: start }
  let batch: Uint8Array[] = []
  let held = 0
  let writing = Promise.resolve()

  async function writeBatch(): Promise<void> {
    await writing
    const written = batch
    writing = writeAll(files, file, batch, poured.end).then(() => {
      if (Symbol.asyncIterator in body) for (const chunk of written) free(chunk)
    })
    writing.catch(() => {}) // thrown by the next to wait for it
    poured.end += held
    batch = []
    held = 0
  }

  for await (const chunk of untilBroken(body, poured)) {
    if (chunk.length === 0) continue
    batch.push(chunk)
    held += chunk.length
    if (held >= BATCH || batch.length >= BATCH_CHUNKS) await writeBatch()
  }
  await writeBatch()
  await writing
  return poured
}

async function* untilBroken(body: Body, poured: Poured): AsyncGenerator<Uint8Array> {
  try {
    yield* body
  } catch (error) {
    poured.broken = { error }
  }
}

async function writeAll(files: Files, file: OpenFile, chunks: Uint8Array[], start: number): Promise<void> {
  let rest = chunks
  for (let position = start; rest.length > 0; ) {
    const written = await files.writev(file, rest, position)
    position += written
    rest = behind(rest, written)
  }
}

/** What is left of chunks without their first bytes. */
function behind(chunks: Uint8Array[], count: number): Uint8Array[] {
  let skip = count
  for (const [i, chunk] of chunks.entries()) {
    if (skip < chunk.length) return [chunk.subarray(skip), ...chunks.slice(i + 1)]
    skip -= chunk.length
  }
  return []
}

/**
 * What is asked for of a file, or all of it, if one call shows that it is that; else undefined. Without a range it
 * is when it is short: no file system gives less than a page before a file's end.
 */
export async function readAtOnce(
  files: Files,
  file: OpenFile,
  range: ByteRange | undefined
): Promise<Buffer | undefined> {
  const start = range?.start ?? 0
  const length = range === undefined ? SHORT : range.end - start + 1
  if (start < 0 || length <= 0 || length > SMALL) return undefined
  const into = Buffer.allocUnsafe(length)
  const count = await files.read(file, into, 0, length, start)
  if (range === undefined ? count === length : count < length) return undefined
  return into.subarray(0, count)
}

/** Reads a part of an open file in chunks, each valid until the next is asked for. `end` is the byte after it. */
export type ReadChunks = (file: OpenFile, start: number, end: number) => AsyncGenerator<Uint8Array>

export function createReadChunks(files: Files): ReadChunks {
  const spare: Buffer[] = []
  const inTurn = createLimit(READS_AT_ONCE)
  let readers = 0

  async function* readAhead(file: OpenFile, start: number, end: number): AsyncGenerator<Uint8Array> {
    const step = Math.min(end - start, CHUNK)
    const take = (): Buffer =>
      step > SMALL ? (spare.pop() ?? Buffer.allocUnsafeSlow(CHUNK)) : Buffer.allocUnsafeSlow(step)
    const buffers = Array.from({ length: end - start > step ? 2 : 1 }, take)
    let reading = Promise.resolve<Uint8Array>(Buffer.alloc(0))
    const read = (turn: number, position: number): void => {
      const into = buffers[turn % buffers.length] as Buffer
      reading = readFully(files, file, into.subarray(0, Math.min(step, end - position)), position)
      reading.catch(() => {}) // thrown by the next to wait for it
    }
    readers++
    try {
      read(0, start)
      for (let turn = 1, next = start + step; next < end; turn++, next += step) {
        const chunk = await reading
        read(turn, next)
        yield chunk
      }
      yield await reading
    } finally {
      readers--
      // Whoever stops early is not followed by a read into a closed file, or into a buffer of the next reader.
      await reading.catch(() => {})
    }
    // Only here is nobody left who could still be sending a chunk: one who stopped early might.
    for (const buffer of buffers) {
      if (buffer.length === CHUNK && spare.length < SPARE_BUFFERS) spare.push(buffer)
      else free(buffer)
    }
  }

  /** Holds nothing while it waits for its turn to read. */
  async function* readInTurn(file: OpenFile, start: number, end: number): AsyncGenerator<Uint8Array> {
    for (let next = start; next < end; next += SMALL) {
      const length = Math.min(SMALL, end - next)
      const chunk = await inTurn(async () => readFully(files, file, Buffer.allocUnsafeSlow(length), next))
      yield chunk
      free(chunk) // not if the reader stopped early: it might still be sending this
    }
  }

  return async function* readChunks(file, start, end) {
    if (start < end) yield* readers < CROWD ? readAhead(file, start, end) : readInTurn(file, start, end)
  }
}

async function readFully(files: Files, file: OpenFile, into: Buffer, start: number): Promise<Buffer> {
  for (let done = 0; done < into.length; ) {
    const count = await files.read(file, into, done, into.length - done, start + done)
    if (count === 0)
      throw new Error(`${file.path} ends at byte ${start + done}: it was cut while it was read`)
    done += count
  }
  return into
}
