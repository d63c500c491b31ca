import type { Socket } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** So many requests that wait for the answers before theirs may one connection have: as many as with HTTP/2. */
const MOST_WAITING = 100

const waiting = new WeakMap<Socket, number>()

/**
 * Ends a connection whose client sends request after request without waiting for answers (pipelining). Node reads them as
 * long as no answer is being written: while the first one waits, for its turn or for the storage, memory would grow without
 * end. No container engine does it.
 */
export function boundPipeline({ raw: { socket } }: FastifyRequest, { raw }: FastifyReply): void {
  if (raw.socket !== null) return
  const count = (waiting.get(socket) ?? 0) + 1
  waiting.set(socket, count)
  if (count > MOST_WAITING) socket.destroy()
  else raw.once('socket', () => waiting.set(socket, (waiting.get(socket) ?? 1) - 1))
}
