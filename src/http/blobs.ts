import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { repositoryOf } from '../auth/access.ts'
import { type Digest, parseDigest } from '../oci/digest.ts'
import { type ByteRange, parseRange } from '../oci/range.ts'
import type { Blob, Blobs } from '../registry/blobs.ts'
import { isNotModified, isRangeWanted } from './conditions.ts'
import { createElsewhere } from './elsewhere.ts'
import { sendBody } from './send-body.ts'
import { contentRange, length, sendParts } from './send-parts.ts'

interface BlobRoute {
  Params: { name: string; digest: string }
}

const URL = '/v2/:name/blobs/:digest'
const TYPE = 'application/octet-stream'

export interface BlobParts {
  blobs: Blobs
  /** The client's, where it is known. */
  addressOf(request: FastifyRequest): string | undefined
}

/** Pulling and deleting blobs. Distribution spec: "Pulling blobs", "Deleting Blobs". */
export async function blobRoutes(app: FastifyInstance, { blobs, addressOf }: BlobParts): Promise<void> {
  const elsewhere = createElsewhere()

  app.head<BlobRoute>(URL, { config: { action: 'pull' } }, async (request, reply) => {
    const digest = parseDigest(request.params.digest)
    const { size } = await blobs.get(repositoryOf(request), digest)
    setBlobHeaders(reply, digest)
    if (isNotModified(request.headers['if-none-match'], digest)) return reply.code(304).send()
    return reply.header('content-length', size).type(TYPE).send()
  })

  app.get<BlobRoute>(URL, { config: { action: 'pull' } }, async (request, reply) => {
    const digest = parseDigest(request.params.digest)
    const blob = await blobs.get(repositoryOf(request), digest)
    setBlobHeaders(reply, digest)
    if (isNotModified(request.headers['if-none-match'], digest)) return reply.code(304).send()
    const url = await elsewhere(blob, addressOf(request), (text) => request.log.warn(text))
    if (url !== undefined) return sendElsewhere(reply, url)
    const ranges = isRangeWanted(request.headers['if-range'] as string | undefined, digest)
      ? rangesOrRefusal(request.headers.range, blob, reply)
      : undefined
    const [first, second] = ranges ?? []
    if (first === undefined) {
      reply.header('content-length', blob.size).type(TYPE)
      return sendBody(reply, blob.size === 0 ? nothing() : blob.read({ start: 0, end: blob.size - 1 }))
    }
    reply.code(206)
    if (second === undefined) {
      reply
        .header('content-range', contentRange(first, blob))
        .header('content-length', length(first))
        .type(TYPE)
      return sendBody(reply, blob.read(first))
    }
    return sendParts(reply, blob, ranges ?? [], TYPE)
  })

  app.delete<BlobRoute>(URL, { config: { action: 'delete' } }, async (request, reply) => {
    await blobs.delete(repositoryOf(request), parseDigest(request.params.digest))
    return reply.code(202).header('content-length', 0).send()
  })
}

function setBlobHeaders(reply: FastifyReply, digest: Digest): void {
  reply.headers({
    'docker-content-digest': digest,
    etag: `"${digest}"`,
    'accept-ranges': 'bytes',
    'cache-control': 'max-age=31536000'
  })
}

/** The URL is as good as the bytes: nobody may keep it. A range goes with the client. */
function sendElsewhere(reply: FastifyReply, url: string): FastifyReply {
  for (const header of ['etag', 'accept-ranges']) reply.removeHeader(header)
  return reply
    .code(307)
    .headers({ location: url, 'cache-control': 'private, no-store', 'content-length': 0 })
    .send()
}

function rangesOrRefusal(
  header: string | undefined,
  blob: Blob,
  reply: FastifyReply
): ByteRange[] | undefined {
  try {
    return parseRange(header, blob.size)
  } catch (error) {
    reply.header('content-range', `bytes */${blob.size}`)
    throw error
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
