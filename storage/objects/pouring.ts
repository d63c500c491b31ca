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

interface Pouring {
  budget: Budget
  /** In bytes. */
  partSize: number
  /** What is put before the body. It is read only once there is a body. */
  before?: () => AsyncIterable<Uint8Array>
  /** @param index from 0 on. @throws to end the whole */
  send(index: number, bytes: readonly Buffer[]): Promise<void>
}

/**
 * Gathers a body into parts, and sends each that is full. One is filled while others are sent, as far as the budget
 * allows; else the body waits.
 * @throws what sending throws, once nothing is on its way any more
 */
export async function pour(body: Body, { budget, partSize, before, send }: Pouring): Promise<Poured> {
  const sending = new Set<Promise<void>>()
  let failure: { error: unknown } | undefined
  let part = budget.startPart(partSize)
  let sent = 0

  async function ship(): Promise<void> {
    const full = part
    full.seal()
    while (sending.size >= SENDING) await Promise.race(sending)
    if (failure !== undefined) throw failure.error
    part = budget.startPart(partSize)
    const way = send(sent++, full.bytes)
      .catch((error) => {
        failure ??= { error }
      })
      .finally(() => {
        full.free()
        sending.delete(way)
      })
    sending.add(way)
  }

  async function add(chunk: Uint8Array): Promise<void> {
    if (failure !== undefined) throw failure.error
    for (let added = 0; added < chunk.length; ) {
      added += await part.add(added === 0 ? chunk : chunk.subarray(added))
      if (part.size === partSize) await ship()
    }
  }

  const poured: { size: number; broken?: { error: unknown } } = { size: 0 }
  try {
    for await (const chunk of untilBroken(body, poured)) {
      if (chunk.length === 0) continue
      if (poured.size === 0 && before !== undefined) for await (const former of before()) await add(former)
      poured.size += chunk.length
      await add(chunk)
    }
    part.seal()
    await Promise.all(sending)
    if (failure !== undefined) throw failure.error
  } catch (error) {
    part.free()
    await Promise.all(sending)
    throw error
  }
  return { ...poured, sent, rest: part }
}

/** Each chunk of an async body is ours once the next is asked for: then it has been copied. */
async function* untilBroken(body: Body, poured: { broken?: { error: unknown } }): AsyncGenerator<Uint8Array> {
  let former: Uint8Array | undefined
  try {
    for await (const chunk of body) {
      if (former !== undefined && Symbol.asyncIterator in body) release(former)
      former = chunk
      yield chunk
    }
  } catch (error) {
    poured.broken = { error }
  }
}

/** Gives memory back at once. Left to the garbage collector, it would be looked for again and again in a long body. */
function release({ buffer, byteLength }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0)
}
