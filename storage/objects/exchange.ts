import {
  type AgentOptions,
  type ClientRequestArgs,
  Agent as HttpAgent,
  type IncomingMessage,
  request as requestHttp
} from 'node:http'
import { Agent as HttpsAgent, request as requestHttps } from 'node:https'
import { connect, type Socket, type TcpNetConnectOpts } from 'node:net'
import { agentOptions, type HttpProxy } from '../../src/outgoing/proxy.ts'
import { createLimit } from '../parallel.ts'
import { endWhenSilent, SILENCE_MS } from './silence.ts'

export interface Message {
  method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE'
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

export interface ExchangingOptions {
  origin: URL
  proxy: HttpProxy | undefined
  /** How many may wait for an answer at once: the others stand in line. Unbounded where who calls bounds it. */
  limit?: number
  /** Connections on which nothing happens are closed after so long: whoever closes first spares a lost race. */
  idleMs: number
  /** An answer that has not begun by then never will. Without it that is for the caller's signal to say. */
  waitMs?: number
  /** As `endWhenSilent` has it. */
  silenceMs?: number
  /** Any certificate will do. */
  skipverify?: boolean
}

const CONNECT_MS = 10_000
const MAX_FREE = 128

/** How calls to a store go over the network. */
export function createExchanging(exchanging: ExchangingOptions): Exchanging {
  const { origin, proxy, limit, idleMs, waitMs, silenceMs = SILENCE_MS, skipverify = false } = exchanging
  const isSecure = origin.protocol === 'https:'
  const options = { keepAlive: true, maxFreeSockets: MAX_FREE, timeout: idleMs, ...agentOptions(proxy) }
  const agent = isSecure
    ? new HttpsAgent({ ...options, rejectUnauthorized: !skipverify })
    : proxy === undefined
      ? new ReadingAgent(options, () => bodies)
      : new HttpAgent(options)
  const request = isSecure ? requestHttps : requestHttp
  let bodies = 0
  const { protocol, port } = origin
  const hostname = origin.hostname.replace(/^\[|\]$/g, '')

  async function once({ method, path, headers, body }: Message, signal: AbortSignal) {
    signal.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
    const hasBody = method === 'POST' || method === 'PUT'
    const length = body?.reduce((sum, piece) => sum + piece.length, 0) ?? 0
    const all = hasBody ? { ...headers, 'content-length': length } : headers
    const call = request({ protocol, hostname, port, agent, method, path, headers: all })
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
    if (waitMs !== undefined) {
      call.setTimeout(waitMs, () => {
        if (!isAnswered) call.destroy(timeout(`nothing came for ${waitMs / 1000} s`))
      })
    }
    call.on('response', (answer) => {
      isAnswered = true
      bodies++
      answer.once('close', () => bodies--)
      endWhenSilent(answer, silenceMs)
      // A body that was refused before all of it was read would keep its connection, and wait to be sent, for ever.
      answer.once('close', () => call.writableFinished || call.destroy())
      resolve(answer)
    })
    call.on('error', reject)
    signal.addEventListener('abort', end, { once: true })
    for (const piece of body ?? []) call.write(piece)
    call.end()
    try {
      return await promise
    } finally {
      clearTimeout(connecting)
      signal.removeEventListener('abort', end)
    }
  }

  if (limit === undefined) return { exchange: once, agent }
  const gate = createLimit(limit)
  return { exchange: async (message, signal) => gate(async () => once(message, signal)), agent }
}

/** What all plain connections read into, one at a time: Node's HTTP parser copies what it finds there. Without it each
 *  read has a new buffer, which is garbage at once. Such a copy is what a reader holds, and one more is ready for it. */
const LARGE = Buffer.allocUnsafeSlow(1 << 20)
/** So many may be read in large pieces at a time, which takes 32 MiB. */
const CROWD = 16
const SMALL = LARGE.subarray(0, 64 << 10)

class ReadingAgent extends HttpAgent {
  readonly #buffer: () => Uint8Array

  constructor(options: AgentOptions, bodies: () => number) {
    super(options)
    this.#buffer = () => (bodies() <= CROWD ? LARGE : SMALL)
  }

  override createConnection(options: ClientRequestArgs): Socket {
    const socket: Socket = connect({
      ...(options as TcpNetConnectOpts),
      onread: {
        buffer: this.#buffer,
        callback: (length, buffer) => socket.emit('data', buffer.subarray(0, length))
      }
    })
    return socket
  }
}

function timeout(text: string): Error {
  return Object.assign(new Error(text), { code: 'ETIMEDOUT' })
}

/** A page of a list, the longest text that a store has to say, is far from it. */
const MAX_TEXT = 32 << 20

/** The whole body of an answer that is small.
 *  @param signal ends it: what comes a byte at a time is never silent
 *  @throws also when it is longer than 32 MiB */
export async function readText(answer: IncomingMessage, signal?: AbortSignal): Promise<string> {
  const end = (): unknown => answer.destroy(signal?.reason)
  if (signal?.aborted) end()
  signal?.addEventListener('abort', end, { once: true })
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of answer) {
      size += chunk.length
      if (size > MAX_TEXT) throw new Error(`the store answered with more than ${MAX_TEXT >> 20} MiB of text`)
      chunks.push(chunk)
    }
  } finally {
    signal?.removeEventListener('abort', end)
  }
  return Buffer.concat(chunks).toString()
}
