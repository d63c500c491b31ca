import type { Body } from '../driver.ts'
import type { Budget, Part } from './budget.ts'

/** So many parts of one body are on their way to the store at a time, if there is memory for them. */
const SENDING = 4

export interface Poured {
  /** Of the body alone, in bytes. */
  size: number
  /** How many parts were sent, each of them full. */
  sent: number
  /** What came after those, if anything. To be freed. */
  rest: Part
  /** What the body threw, if it did. All that came before is in the parts. */
  broken?: { error: unknown }
}

/** Where bytes of slow clients wait, so that they need no memory meanwhile. */
export interface Aside {
  put(index: number, bytes: readonly Buffer[]): Promise<void>
  get(index: number): AsyncIterable<Uint8Array>
}

interface Pouring {
  budget: Budget
  /** In bytes. */
  partSize: number
  /** What is put before the body. It is read only once there is a body. */
  before?: () => AsyncIterable<Uint8Array>
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
  const { budget, partSize, before, send, aside, now = performance.now.bind(performance) } = pouring
  const sending = new Set<Promise<void>>()
  let failure: { error: unknown } | undefined
  let sent = 0
  /** The sizes of what was put aside of this part, and when the last of it is there. */
  let asideSize = 0
  let asideFirst = 0
  let asideCount = 0
  let puttingAside: Promise<void> | undefined
  /** How long the body has been waited for while this part was filled, and since when it is. */
  let waitedMs = 0
  let waitingSince: number | undefined
  let part = startPart()

  function startPart(): Part {
    waitedMs = 0
    return budget.startPart(partSize - asideSize, {
      waitedMs: () => (waitingSince === undefined ? 0 : waitedMs + now() - waitingSince),
      putAside
    })
  }

  function putAside(): void {
    const slow = part
    slow.seal()
    asideSize += slow.size
    part = startPart()
    puttingAside = aside
      .put(asideCount++, slow.bytes)
      .catch(fail)
      .finally(() => slow.free())
  }

  /** Brings the part together again that was put aside in pieces. */
  async function takeBack(): Promise<void> {
    if (asideSize === 0) return
    if (part.size > 0) putAside()
    await puttingAside
    part.free()
    if (failure !== undefined) throw failure.error
    asideSize = 0
    part = budget.startPart(partSize)
    for (; asideFirst < asideCount; asideFirst++) {
      for await (const chunk of aside.get(asideFirst)) await fill(chunk)
    }
  }

  function fail(error: unknown): void {
    failure ??= { error }
  }

  async function ship(): Promise<void> {
    await takeBack()
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

  async function fill(chunk: Uint8Array): Promise<void> {
    for (let added = 0; added < chunk.length; ) {
      added += await part.add(added === 0 ? chunk : chunk.subarray(added))
    }
  }

  async function add(chunk: Uint8Array): Promise<void> {
    if (failure !== undefined) throw failure.error
    for (let added = 0; added < chunk.length; ) {
      added += await part.add(added === 0 ? chunk : chunk.subarray(added))
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
        if (former !== undefined && Symbol.asyncIterator in body) release(former)
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
      if (poured.size === 0 && before !== undefined) for await (const former of before()) await add(former)
      poured.size += chunk.length
      await add(chunk)
    }
    await takeBack()
    part.seal()
    await Promise.all(sending)
    if (failure !== undefined) throw failure.error
  } catch (error) {
    await puttingAside
    part.free()
    await Promise.all(sending)
    throw error
  }
  return { ...poured, sent, rest: part }
}

/** Gives memory back at once. Left to the garbage collector, it would be looked for again and again in a long body. */
function release({ buffer, byteLength }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0)
}
