import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { crc32 } from 'node:zlib'
import type { S3Client } from '@aws-sdk/client-s3'
import type { Endpoint } from './client.ts'

/** Pieces one after the other, sent without being joined. */
class PiecesBody extends Readable {
  readonly pieces: readonly Uint8Array[]
  #next = 0
  constructor(pieces: readonly Uint8Array[]) {
    super({ highWaterMark: 1 })
    this.pieces = pieces
  }
  override _read(): void {
    this.push(this.pieces[this.#next++] ?? null)
  }
}

/** What one try of a request sends. */
export function bodyOf(pieces: readonly Uint8Array[]): { Body: Buffer | Readable; ContentLength: number } {
  const [first = new Uint8Array()] = pieces
  const Body =
    pieces.length < 2 ? Buffer.from(first.buffer, first.byteOffset, first.length) : new PiecesBody(pieces)
  return { Body, ContentLength: sizeOf(pieces) }
}

export const sizeOf = (pieces: readonly Uint8Array[]): number =>
  pieces.reduce((sum, { length }) => sum + length, 0)

/** As the header of S3 has it: CRC-32, big-endian, in base64. */
export function crcOf(pieces: readonly Uint8Array[]): string {
  const sum = Buffer.alloc(4)
  sum.writeUInt32BE(pieces.reduce((value, piece) => crc32(piece, value), 0))
  return sum.toString('base64')
}

/**
 * How what is sent stays whole on its way. Without encryption its SHA-256 is signed, which the store compares. With
 * encryption TLS does as much, and hashing once more would only cost: the signature leaves the body out, and Amazon's S3
 * is given a CRC-32, which it compares and keeps. Other stores may refuse that.
 */
export function signBodies(client: S3Client, { isEncrypted }: Endpoint): void {
  client.middlewareStack.add(
    (next) => async (args) => {
      const { body, headers } = args.request as { body?: unknown; headers: Record<string, string> }
      const isPieces = body instanceof PiecesBody
      if (isEncrypted && (isPieces || Buffer.isBuffer(body))) {
        headers['x-amz-content-sha256'] = 'UNSIGNED-PAYLOAD'
      } else if (isPieces) {
        const hash = createHash('sha256')
        for (const piece of body.pieces) hash.update(piece)
        headers['x-amz-content-sha256'] = hash.digest('hex')
      }
      return next(args)
    },
    { step: 'build', name: 'signBodies' }
  )
}
