export const bytes = (text: string): Buffer => Buffer.from(text)

/** Bytes that repeat only after 4 GiB, so that no part can pass for another; `seed` makes them differ. */
export function noise(size: number, seed = 1): Buffer {
  const words = new Uint32Array(Math.ceil(size / 4))
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i + seed, 2_654_435_761)
  return Buffer.from(words.buffer, 0, size)
}

/** The same bytes in pieces of so many, each a copy: a driver may empty them. */
export function* pieces(whole: Uint8Array, size: number): Generator<Uint8Array> {
  for (let start = 0; start < whole.length; start += size) {
    yield new Uint8Array(whole.subarray(start, start + size))
  }
}

/** All bytes. Each chunk is overwritten after it was copied, which a driver that shares its own would show. */
export async function gather(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const chunk of body) {
    parts.push(Buffer.from(chunk))
    chunk.fill(0xaa)
  }
  return Buffer.concat(parts)
}

export async function text(body: AsyncIterable<Uint8Array>): Promise<string> {
  return (await gather(body)).toString()
}

/** A body whose sender is cut off after some bytes. */
export async function* interrupted(before: string): AsyncGenerator<Uint8Array> {
  yield bytes(before)
  throw new Error('line cut')
}

export interface Stalled {
  body: AsyncIterable<Uint8Array>
  /** Fulfilled once the driver waits for what comes after `before`. */
  waits: Promise<void>
  /** Lets the body go on with `after`, and end. */
  goOn(): void
}

/** A body that stops after `before`: its sender or its process is suspended, or dead. */
export function stalled(before: Iterable<Uint8Array>, after: Iterable<Uint8Array>): Stalled {
  const waits = Promise.withResolvers<void>()
  const more = Promise.withResolvers<void>()
  async function* body(): AsyncGenerator<Uint8Array> {
    yield* before
    waits.resolve()
    await more.promise
    yield* after
  }
  return { body: body(), waits: waits.promise, goOn: more.resolve }
}
