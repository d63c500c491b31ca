import type { Body } from '../driver.ts'
import { free } from '../free.ts'
import type { Budget, Part } from './budget.ts'

/** So many parts of one body are on their way to the store at a time, if there is memory for them. */
const SENDING = 4

export interface Poured {
  /** Of the body alone, in bytes. */
  size: number
  /** How many parts were sent, each of them full. */
  sent: number
  /** What came after those and lies aside, in its order. */
  pieces: Piece[]
  /** What came last, if anything. To be freed. */
  rest: Part
  /** What the body threw, if it did. All that came before is in the parts. */
  broken?: { error: unknown }
}

/** Bytes of a part that wait in the store until it is full: those of slow clients, and of former bodies. */
export interface Piece {
  name: string
  size: number
}

export interface Aside {
  /** What is before the body, less than a part. It is read only if that is filled. */
  before?: readonly Piece[]
  /** At most so many are left at the end. */
  most: number
  /** How to name the next one, from 0 on. */
  nameOf(index: number): string
  put(name: string, bytes: readonly Buffer[]): Promise<void>
  get(name: string): AsyncIterable<Uint8Array>
}

interface Pouring {
  budget: Budget
  /** In bytes. */
  partSize: number
  /** @param index from 0 on. @throws to end the whole */
  send(index: number, bytes: readonly Buffer[]): Promise<void>
  aside: Aside
  now?: () => number
}

/**
 * Gathers a body into parts, and sends each that is full. One is filled while others are sent, as far as the budget
 * allows; else the body waits.
 * @throws what sending throws, once nothing is on its way any more
 */
export async function pour(body: Body, pouring: Pouring): Promise<Poured> {
  const { budget, partSize, send, aside, now = performance.now.bind(performance) } = pouring
  const sending = new Set<Promise<void>>()
  let failure: { error: unknown } | undefined
  let sent = 0
  let pieces = [...(aside.before ?? [])]
  let asideSize = sizeOf(pieces)
  let asideCount = 0
  let puttingAside: Promise<void> | undefined
  /** How long the body has been waited for while this part was filled, and since when it is. */
  let waitedMs = 0
  let waitingSince: number | undefined
  let part = startPart()

  function startPart(): Part {
    waitedMs = 0
    return budget.startPart(partSize, {
      waitedMs: () => (waitingSince === undefined ? 0 : waitedMs + now() - waitingSince),
      putAside
    })
  }

  function putAside(): void {
    const slow = part
    slow.seal()
    const piece = { name: aside.nameOf(asideCount++), size: slow.size }
    pieces.push(piece)
    asideSize += piece.size
    part = startPart()
    puttingAside = aside
      .put(piece.name, slow.bytes)
      .catch(fail)
      .finally(() => slow.free())
  }

  async function takeBack(): Promise<void> {
    await puttingAside
    if (failure !== undefined) throw failure.error
    await readPieces(pieces, aside.get, async (bytes) => part.addBefore(bytes))
    pieces = []
    asideSize = 0
  }

  function fail(error: unknown): void {
    failure ??= { error }
  }

  async function ship(): Promise<void> {
    if (pieces.length > 0) await takeBack()
    const full = part
    full.seal()
    while (sending.size >= SENDING) await Promise.race(sending)
    if (failure !== undefined) throw failure.error
    part = startPart()
    const way = send(sent++, full.bytes)
      .catch(fail)
      .finally(() => {
        full.free()
        sending.delete(way)
      })
    sending.add(way)
  }

  async function add(chunk: Uint8Array): Promise<void> {
    if (failure !== undefined) throw failure.error
    for (let rest = chunk; rest.length > 0; ) {
      const room = partSize - asideSize - part.size
      await part.add(rest.subarray(0, room))
      rest = rest.subarray(room)
      if (part.size + asideSize === partSize) await ship()
    }
  }

  const poured: { size: number; broken?: { error: unknown } } = { size: 0 }

  /** Each chunk of an async body is ours once the next is asked for: then it has been copied. */
  async function* chunks(): AsyncGenerator<Uint8Array> {
    let former: Uint8Array | undefined
    try {
      waitingSince = now()
      for await (const chunk of body) {
        stopWaiting()
        await puttingAside
        if (former !== undefined && Symbol.asyncIterator in body) free(former)
        former = chunk
        yield chunk
        waitingSince = now()
      }
    } catch (error) {
      poured.broken = { error }
    }
    stopWaiting()
  }

  function stopWaiting(): void {
    if (waitingSince !== undefined) waitedMs += now() - waitingSince
    waitingSince = undefined
  }

  try {
    for await (const chunk of chunks()) {
      if (chunk.length === 0) continue
      poured.size += chunk.length
      await add(chunk)
    }
    await puttingAside
    if (pieces.length > aside.most) await takeBack()
    part.seal()
    await Promise.all(sending)
    if (failure !== undefined) throw failure.error
  } catch (error) {
    await puttingAside
    part.free()
    await Promise.all(sending)
    throw error
  }
  return { ...poured, sent, pieces, rest: part }
}

/** Reads pieces one after the other, and sees that they are whole. */
export async function readPieces(
  pieces: readonly Piece[],
  get: Aside['get'],
  add: (bytes: Uint8Array) => Promise<void>
): Promise<void> {
  for (const { name, size } of pieces) {
    let read = 0
    for await (const chunk of get(name)) {
      read += chunk.length
      await add(chunk)
    }
    if (read !== size) throw new Error(`${name} is damaged: it has ${read} bytes, and not ${size}`)
  }
}

export const sizeOf = (pieces: readonly Piece[]): number => pieces.reduce((sum, { size }) => sum + size, 0)
