import type { Hash } from 'node:crypto'
import { seeded } from './random.ts'

export const BLOCK = 2 ** 20

/** The bytes from `start` on of an endless content, hashed on their way: blocks that differ in their first eight bytes.
 *  @param start a multiple of `BLOCK` */
export async function* blocks(start: number, end: number, hash: Hash): AsyncGenerator<Uint8Array> {
  const block = seeded('memory').bytes(BLOCK)
  for (let at = start; at < end; at += BLOCK) {
    const counter = Buffer.alloc(8)
    counter.writeBigUInt64LE(BigInt(at))
    for (const part of [counter, block.subarray(8)]) {
      const piece = part.subarray(0, Math.max(0, end - at - (part === counter ? 0 : 8)))
      hash.update(piece)
      yield piece
    }
  }
}
