import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'

export const sizeOf = (pieces: readonly Uint8Array[]): number =>
  pieces.reduce((sum, { length }) => sum + length, 0)

/** As the header of S3 has it: CRC-32, big-endian, in base64. */
export function crcOf(pieces: readonly Uint8Array[]): string {
  const sum = Buffer.alloc(4)
  sum.writeUInt32BE(pieces.reduce((value, piece) => crc32(piece, value), 0))
  return sum.toString('base64')
}

/** SHA-256 in hex. */
export function hashOf(pieces: readonly Uint8Array[]): string {
  const hash = createHash('sha256')
  for (const piece of pieces) hash.update(piece)
  return hash.digest('hex')
}
