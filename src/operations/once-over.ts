import type { FastifyReply, FastifyRequest } from 'fastify'

/** Calls back once, when the answer has left or the client has. */
export function onceOver(request: FastifyRequest, { raw }: FastifyReply, end: () => void): void {
  raw.once('close', end)
  if (raw.socket !== null) return
  // A pipelined one whose turn has not come is not told when the connection ends.
  const { socket } = request.raw
  const endEarly = (): void => {
    raw.off('close', end)
    end()
  }
  socket.setMaxListeners(0)
  socket.once('close', endEarly)
  raw.once('close', () => socket.off('close', endEarly))
}
