import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http'
import { Agent as HttpsAgent, request as requestHttps } from 'node:https'
import { agentOptions, type HttpProxy } from '../../src/outgoing/proxy.ts'
import { endWhenSilent } from '../objects/silence.ts'
import { createLimit } from '../parallel.ts'

export interface Message {
  method: 'GET' | 'POST' | 'DELETE'
  /** With its query. */
  path: string
  headers: Record<string, string | number>
  body?: readonly Uint8Array[] | undefined
}

export interface Exchanging {
  /**
   * One try, over a kept connection. The answer's body must be read, or destroyed; reading it throws when the connection
   * breaks, and when the store falls silent in the middle.
   * @param signal ends it, as long as there is no answer yet
   */
  exchange(message: Message, signal: AbortSignal): Promise<IncomingMessage>
  agent: HttpAgent
}

const CONNECT_MS = 10_000
/** Composing large objects may take a while, in which nothing comes: longer than in the middle of a body. */
const ANSWER_MS = 45_000
const MAX_FREE = 64
/** Google keeps connections for minutes; whoever closes first spares a lost race. */
const IDLE_MS = 50_000

/** @param limit how many may wait for an answer at once: the others stand in line */
export function createExchanging(
  origin: URL,
  proxy: HttpProxy | undefined,
  limit: number,
  silenceMs = ANSWER_MS
): Exchanging {
  const isSecure = origin.protocol === 'https:'
  const options = { keepAlive: true, maxFreeSockets: MAX_FREE, timeout: IDLE_MS, ...agentOptions(proxy) }
  const agent = isSecure ? new HttpsAgent(options) : new HttpAgent(options)
  const request = isSecure ? requestHttps : requestHttp
  const gate = createLimit(limit)

  async function once({ method, path, headers, body = [] }: Message, signal: AbortSignal) {
    signal.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
    const length = body.reduce((sum, piece) => sum + piece.length, 0)
    const call = request(origin, {
      agent,
      method,
      path,
      headers: method === 'POST' ? { ...headers, 'content-length': length } : headers
    })
    const end = (): unknown => call.destroy(signal.reason instanceof Error ? signal.reason : undefined)
    const connecting = setTimeout(
      () => call.destroy(timeout(`no connection within ${CONNECT_MS / 1000} s`)),
      CONNECT_MS
    )
    call.on('socket', (socket) => {
      if (!socket.connecting) return clearTimeout(connecting)
      socket.once(isSecure ? 'secureConnect' : 'connect', () => clearTimeout(connecting))
    })
    let isAnswered = false
    call.setTimeout(silenceMs, () => {
      if (!isAnswered) call.destroy(timeout(`nothing came for ${silenceMs / 1000} s`))
    })
    call.on('response', (answer) => {
      isAnswered = true
      endWhenSilent(answer, silenceMs)
      // A body that was refused before all of it was read would keep its connection, and wait to be sent, for ever.
      answer.once('close', () => call.writableFinished || call.destroy())
      resolve(answer)
    })
    call.on('error', reject)
    signal.addEventListener('abort', end, { once: true })
    for (const piece of body) call.write(piece)
    call.end()
    try {
      return await promise
    } finally {
      clearTimeout(connecting)
      signal.removeEventListener('abort', end)
    }
  }

  return { exchange: async (message, signal) => gate(async () => once(message, signal)), agent }
}

function timeout(text: string): Error {
  return Object.assign(new Error(text), { code: 'ETIMEDOUT' })
}

/** The whole body of an answer that is small. */
export async function readText(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of answer) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}
