import type { IncomingMessage } from 'node:http'
import { type Agent, request as send } from 'node:https'
import type { ConnectionOptions, TLSSocket } from 'node:tls'

/** One request as it goes over the line. */
export interface Message {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly body?: string
  readonly token?: string | undefined
}

/** What came back: a whole answer, of any status. */
export interface Answer {
  readonly status: number
  /** Undefined when it is not JSON, or larger than 4 MiB. */
  readonly body: unknown
  /** Seconds that the server asks to wait. */
  readonly retryAfterS?: number
}

export interface ExchangeLimits {
  /** For the connection with its TLS handshake, where no open one is at hand. */
  readonly connectMs: number
  /** For everything, the connection included. */
  readonly answerMs: number
}

/** The answers to reviews are a few KiB; a user in thousands of groups takes more. */
const MAX_ANSWER = 4 * 1024 * 1024

/** Nothing came in time. */
export class TimeoutError extends Error {
  override name = 'TimeoutError'
}

async function bodyOf(response: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > MAX_ANSWER) return undefined
    chunks.push(chunk)
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString())
  } catch {
    return undefined
  }
}

/** A number of seconds, or a date. RFC 9110 section 10.2.3. */
function parseRetryAfter(text: string | undefined, now: number): number | undefined {
  if (text === undefined) return undefined
  if (/^\d{1,9}$/.test(text)) return Number(text)
  const date = Date.parse(text)
  return Number.isNaN(date) ? undefined : Math.max(0, Math.ceil((date - now) / 1000))
}

/**
 * Sends one request and takes in the whole answer. Redirects are not followed: they would take the token elsewhere.
 * @param tls whom to trust, and the client certificate if one is to be shown: connections are shared only between
 *   requests with equal ones
 * @throws Error of node:tls or node:net as it is; TimeoutError
 */
export async function exchange(
  agent: Agent,
  url: URL,
  { method, path, body, token }: Message,
  tls: ConnectionOptions,
  { connectMs, answerMs }: ExchangeLimits,
  now: () => number
): Promise<Answer> {
  // The headers are these and no others: nothing that a client sent gets here.
  const headers = {
    accept: 'application/json',
    'user-agent': 'berth',
    ...(body !== undefined && {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body)
    }),
    ...(token !== undefined && { authorization: `Bearer ${token}` })
  }
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const base = url.pathname.replace(/\/$/, '')
  const request = send(url, { ...tls, agent, method, path: `${base}${path}`, headers })
  let timeout: TimeoutError | undefined
  const late = (what: string, ms: number): void => {
    timeout = new TimeoutError(`${what} within ${ms} ms`)
    request.destroy(timeout)
  }
  const connecting = setTimeout(late, connectMs, 'no connection', connectMs)
  const answering = setTimeout(late, answerMs, 'no answer', answerMs)
  request.on('socket', (socket) => {
    // Through a proxy the handshake is over by now: only then is it known what the server chose.
    if (request.reusedSocket || (socket as TLSSocket).alpnProtocol !== null) clearTimeout(connecting)
    else socket.once('secureConnect', () => clearTimeout(connecting))
  })
  request.on('error', reject)
  request.on('response', resolve)
  request.end(body)
  try {
    const response = await promise
    const retryAfterS = parseRetryAfter(response.headers['retry-after'], now())
    return {
      status: response.statusCode ?? 0,
      body: await bodyOf(response),
      ...(retryAfterS !== undefined && { retryAfterS })
    }
  } catch (error) {
    throw timeout ?? error // once an answer has begun, destroying it looks like a reset
  } finally {
    clearTimeout(connecting)
    clearTimeout(answering)
  }
}
