import { randomUUID } from 'node:crypto'
import type { FastifyReply } from 'fastify'
import type { ByteRange } from '../oci/range.ts'
import type { Blob } from '../registry/blobs.ts'
import { sendBody } from './send-body.ts'

export const length = ({ start, end }: ByteRange): number => end - start + 1

export const contentRange = ({ start, end }: ByteRange, { size }: Blob): string =>
  `bytes ${start}-${end}/${size}`

/** Several ranges travel as the parts of one body: RFC 9110 §14.6. */
export function sendParts(
  reply: FastifyReply,
  blob: Blob,
  ranges: readonly ByteRange[],
  type: string
): Promise<FastifyReply> {
  const boundary = randomUUID()
  const parts = ranges.map((range) => ({
    range,
    head: Buffer.from(
      `\r\n--${boundary}\r\ncontent-type: ${type}\r\ncontent-range: ${contentRange(range, blob)}\r\n\r\n`
    )
  }))
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`)
  const total = parts.reduce((sum, { head, range }) => sum + head.length + length(range), tail.length)
  reply.header('content-length', total).type(`multipart/byteranges; boundary=${boundary}`)
  return sendBody(
    reply,
    (async function* () {
      for (const near of together(parts)) yield* readTogether(blob, near)
      yield tail
    })()
  )
}

/** A range, and what goes before its bytes. */
interface Part {
  range: ByteRange
  head: Buffer
}

/** Bytes that are read and not sent cost less than another call to the storage. */
const GAP = 64 * 1024

/** Parts in their order, those together that one read gets: zstd:chunked asks for hundreds of pieces of one layer. */
export function together(parts: readonly Part[]): Part[][] {
  const groups: Part[][] = []
  let end = Number.POSITIVE_INFINITY
  for (const part of parts) {
    const { start } = part.range
    if (start > end && start - end <= GAP) groups.at(-1)?.push(part)
    else groups.push([part])
    end = part.range.end
  }
  return groups
}

/** @param parts one behind the other */
export async function* readTogether(
  blob: Pick<Blob, 'read'>,
  parts: readonly Part[]
): AsyncGenerator<Uint8Array> {
  const start = parts[0]?.range.start ?? 0
  const end = parts.at(-1)?.range.end ?? 0
  const left = parts.values()
  let part = left.next().value
  let position = start
  for await (const chunk of blob.read({ start, end })) {
    const after = position + chunk.length
    while (part !== undefined && part.range.start < after) {
      const { range, head } = part
      if (range.start >= position) yield head
      yield chunk.subarray(Math.max(0, range.start - position), range.end + 1 - position)
      if (range.end >= after) break
      part = left.next().value
    }
    position = after
  }
}
