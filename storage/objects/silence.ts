import type { IncomingMessage } from 'node:http'

/** A connection on which nothing comes for so long is given up. */
export const SILENCE_MS = 30_000

/**
 * Ends a body that a store has begun to send once nothing more of it comes, with an error for who reads it: a connection
 * that a firewall has forgotten is silent for ever. A reader may be as slow as it likes, as there is something to be read
 * then.
 */
export function endWhenSilent(body: IncomingMessage, silenceMs = SILENCE_MS): void {
  // When the body has ended, others may come over it.
  const { socket } = body
  let before = socket.bytesRead
  const timer = setInterval(() => {
    const isSilent = body.readableLength === 0 && socket.bytesRead === before
    before = socket.bytesRead
    if (isSilent)
      body.destroy(Object.assign(new Error(`nothing came for ${silenceMs / 1000} s`), { code: 'ETIMEDOUT' }))
  }, silenceMs).unref()
  body.once('close', () => clearInterval(timer))
}
