import type { IncomingMessage } from 'node:http'

/** A connection on which nothing comes for so long is given up. */
export const SILENCE_MS = 30_000

/**
 * Ends a body that a store has begun to send once nothing more of it comes, with an error for who reads it: a connection
 * that a firewall has forgotten is silent for ever. A reader may be as slow as it likes: then there was
 * something to be read the last time that this looked.
 */
export function endWhenSilent(body: IncomingMessage, silenceMs = SILENCE_MS): void {
  // When the body has ended, others may come over it.
  const { socket } = body
  let before = { bytesRead: socket.bytesRead, isWaiting: false }
  const timer = setInterval(() => {
    const now = { bytesRead: socket.bytesRead, isWaiting: body.readableLength === 0 }
    const isSilent = now.isWaiting && before.isWaiting && now.bytesRead === before.bytesRead
    before = now
    if (isSilent)
      body.destroy(Object.assign(new Error(`nothing came for ${silenceMs / 1000} s`), { code: 'ETIMEDOUT' }))
  }, silenceMs).unref()
  body.once('close', () => clearInterval(timer))
}
