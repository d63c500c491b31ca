import { constants } from 'node:http2'
import type { FastifyReply } from 'fastify'
import { streamOf } from './protocol.ts'
import { giveUpWhenIdle, IDLE_MS } from './request-body.ts'

/** Of requests that a client sends at once (pipelining), the answers wait for one another: nothing is read for an
 *  answer before its turn has come, or one connection could hold as many files and buffers as it likes. */
async function itsTurn({ raw, request: { socket } }: FastifyReply): Promise<void> {
  if (raw.socket !== null || socket.destroyed) return
  const { promise, resolve } = Promise.withResolvers<void>()
  raw.once('socket', resolve)
  socket.once('close', resolve)
  socket.setMaxListeners(0)
  await promise
  socket.off('close', resolve)
}

const sent = new WeakMap<FastifyReply, () => number>()

/** How many bytes of a body that broke off were given to the connection, for the log. */
export function sentOf(reply: FastifyReply): number | undefined {
  return sent.get(reply)?.()
}

/**
 * Writes chunks to the socket, each only when the one before has left: a chunk's memory is used again for the
 * next. It is the one place that does so, and the end of the reply: nothing can be sent after it.
 * The reply's status and headers, `content-length` among them, must be set.
 *
 * Once the head is out, a fault can only be told by breaking the connection, so that no client takes a part for
 * the whole. A client that leaves frees the chunks' source at once.
 */
export async function sendBody(
  reply: FastifyReply,
  chunks: AsyncIterable<Uint8Array>
): Promise<FastifyReply> {
  const { raw, request } = reply
  await itsTurn(reply)
  // The first chunk before the head: what is missing or damaged can still be answered with its status.
  const source = chunks[Symbol.asyncIterator]()
  let step = await source.next()
  reply.hijack()
  raw.writeHead(reply.statusCode, reply.getHeaders() as Record<string, string>)
  giveUpWhenIdle(request)
  // With HTTP/2 Node takes bytes of the connection's other answers for progress of this one.
  const stream = streamOf(raw)
  const idle = stream && setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), IDLE_MS)
  const length = Number(reply.getHeader('content-length'))
  let left = length
  sent.set(reply, () => length - left)
  let leave: (() => void) | undefined
  raw.once('close', () => leave?.())
  const write = (chunk: Uint8Array): Promise<boolean> =>
    new Promise((resolve) => {
      leave = () => resolve(false)
      left -= chunk.length
      idle?.refresh()
      if (raw.destroyed || request.socket.destroyed) resolve(false)
      // Ended with its last byte: a client that has it all may leave before anything else is done.
      else if (left === 0) raw.end(chunk, () => resolve(true))
      else raw.write(chunk, (error) => resolve(!error))
    })
  try {
    while (!step.done && (await write(step.value))) step = await source.next()
    if (left > 0) breakOff(raw)
    else raw.end()
  } catch (error) {
    request.log.error(error, 'the answer broke off: its source failed')
    breakOff(raw)
  } finally {
    clearTimeout(idle)
    await source.return?.()
  }
  return reply
}

/** The client cannot take what it has for the whole. With HTTP/2 the connection goes on for other requests. */
function breakOff(raw: FastifyReply['raw']): void {
  const stream = streamOf(raw)
  if (stream === undefined) raw.destroy()
  else stream.close(constants.NGHTTP2_INTERNAL_ERROR)
}
