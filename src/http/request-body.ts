import { constants, type ServerHttp2Stream } from 'node:http2'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { RegistryError } from '../oci/error.ts'
import { streamOf } from './protocol.ts'

/** A connection on which no byte moves for so long, while a body is under way, is given up. */
export const IDLE_MS = 60_000

/** After an answer that came before the request's end, so much of the rest is read, and for so long the connection
 *  stays, so that the client, still sending, gets to read the answer before the connection is reset. */
const DRAIN_BYTES = 1024 * 1024
const DRAIN_MS = 2000

const contentTypes = new WeakMap<FastifyRequest, string>()

/**
 * Hides the request's Content-Type from fastify, which would refuse a body of a type that it does not know, and a
 * type that it cannot read. A registry takes blobs of whatever type, and judges a manifest's itself.
 */
export function setContentTypeAside(request: FastifyRequest): void {
  const { headers } = request.raw
  const type = headers['content-type']
  if (type === undefined) return
  contentTypes.set(request, type)
  delete headers['content-type']
}

export function contentTypeOf(request: FastifyRequest): string | undefined {
  return contentTypes.get(request)
}

/** Whether the request's headers announce a body. */
export function announcesBody({ headers, raw }: FastifyRequest): boolean {
  const stream = streamOf(raw)
  if (stream !== undefined) return !stream.endAfterHeaders
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

/**
 * The request's body. A client that waits for `100 Continue` gets it when the first byte is asked for, so never
 * before it was let in. Stopping early leaves the connection able to answer.
 * @throws RegistryError CLIENT_GONE when the connection breaks off
 */
export async function* requestBody(request: FastifyRequest, reply: FastifyReply): AsyncGenerator<Uint8Array> {
  if (request.headers.expect?.toLowerCase() === '100-continue') reply.raw.writeContinue()
  giveUpWhenIdle(request)
  try {
    yield* request.raw.iterator({ destroyOnReturn: false })
  } catch (cause) {
    const isGone = request.raw.destroyed || request.raw.aborted
    throw isGone ? new RegistryError('CLIENT_GONE', undefined, { cause }) : cause
  } finally {
    giveUpWhenIdle(request, 0)
  }
  // In HTTP/2 what was cut off may end as if it were whole.
  if (request.raw.aborted) throw new RegistryError('CLIENT_GONE')
}

/** @param ms 0: however long it takes */
export function giveUpWhenIdle({ raw, socket }: FastifyRequest, ms = IDLE_MS): void {
  const stream = streamOf(raw)
  if (stream === undefined) socket.setTimeout(ms)
  else if (!stream.destroyed) stream.setTimeout(ms, cancel)
}

function cancel(this: ServerHttp2Stream): void {
  this.close(constants.NGHTTP2_CANCEL)
}

/** For an answer given while the request's body is still coming over HTTP/2: the client is told to stop sending once
 *  it has the answer, and the connection goes on. RFC 9113 section 8.1. */
export function stopBody({ raw }: FastifyRequest, reply: FastifyReply): void {
  reply.raw.once('finish', () => streamOf(raw)?.close())
}

/** Whether more of the request's body is to come, from the network or from what is still being parsed. */
export function isBodyComing(request: FastifyRequest): boolean {
  return announcesBody(request) && !request.raw.complete
}

/**
 * For an answer given while the request's body is still coming: passes on the answer at once, then reads a bounded
 * part of the body before the response ends and, with it, the connection.
 */
export async function* answerThenDrain(
  request: FastifyRequest,
  payload: string | Buffer
): AsyncGenerator<string | Buffer> {
  yield payload
  const { raw } = request
  let left = DRAIN_BYTES
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, DRAIN_MS)
    const done = (): void => {
      clearTimeout(timer)
      resolve()
    }
    raw.on('data', (chunk: Uint8Array) => {
      left -= chunk.length
      if (left <= 0) raw.pause()
    })
    raw.once('end', done)
    raw.once('close', done)
    raw.once('error', done)
    raw.resume()
  })
}
