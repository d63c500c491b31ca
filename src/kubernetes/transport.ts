import { Agent } from 'node:https'
import { setTimeout as delay } from 'node:timers/promises'
import { agentOptions, shownProxy } from '../outgoing/proxy.ts'
import { quote } from './answers.ts'
import type { Connection } from './connection.ts'
import { ApiUnavailable } from './errors.ts'
import { type Answer, exchange, type Message } from './exchange.ts'
import type { Identity } from './identity.ts'
import { createLine, LineError } from './line.ts'

/** Times are in milliseconds. */
export interface TransportOptions {
  /** For a connection with its handshake. */
  readonly connectMs?: number
  /** For one try. */
  readonly answerMs?: number
  /** For a call with all its tries, its waiting in line and its pauses. */
  readonly totalMs?: number
  readonly now?: () => number
  /** Between 0 and 1, for jitter. */
  readonly random?: () => number
  readonly sleep?: (ms: number) => Promise<unknown>
  /** Told each time that a call is tried again. */
  readonly onRetry?: () => void
}

/** As whom a call is made: with all credentials of the registry, or with a caller's token and nothing of ours. */
export type Account = 'own' | { readonly token: string }

export interface Transport {
  /**
   * Makes a call. 429, 5xx, lost connections and silence are tried again, three times in all.
   * @returns an answer below 500 that is neither 429 nor, to our own account, 401
   * @throws ApiUnavailable
   */
  call(message: Omit<Message, 'token'>, account: Account): Promise<Answer>
  close(): void
}

const MAX_TRIES = 3
const MAX_IN_FLIGHT = 50
const MAX_WAITING = 2_000
/** Up to this before the second try, four times as much before the third. */
const FIRST_PAUSE_MS = 250

/** The server's certificate is at fault, or what we trust: another try with the same files changes nothing. */
const DISTRUST = /^(CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_TLS_CERT_|HOSTNAME_MISMATCH|INVALID_CA)/

/** Closing idle connections before the server does spares most lost races. Its default is minutes. */
const IDLE_MS = 60_000

/** A try that gave nothing usable. */
interface Failure {
  readonly why: string
  /** Whether other credentials or certificates may be all it needs. */
  readonly isRefusal: boolean
  readonly retryAfterS?: number
  readonly cause?: unknown
}

function failureOf(answer: Answer, account: Account, { origin }: Connection): Failure | undefined {
  const { status, retryAfterS } = answer
  if (status === 401 && account === 'own') {
    const why = `it refuses the registry's own account (401): check the credentials in ${origin}`
    return { why, isRefusal: true }
  }
  if (status !== 429 && status < 500) return undefined
  return { why: `it answers ${status}`, isRefusal: false, ...(retryAfterS !== undefined && { retryAfterS }) }
}

function failureBy(error: unknown, { origin, proxy }: Connection): Failure {
  const { code = '', message } = error as NodeJS.ErrnoException
  if (DISTRUST.test(code)) {
    const why = `its certificate is not trusted (${quote(message)}): check the certificate authority in ${origin}`
    return { why, isRefusal: true, cause: error }
  }
  const way = proxy === undefined ? '' : `, through the proxy ${shownProxy(proxy)}`
  const why = `${quote(message || code)}: check that it runs and that the network lets the registry reach it${way}`
  return { why, isRefusal: false, cause: error }
}

/** @returns how to call the API server over a few kept connections */
export function createTransport(connection: Connection, options: TransportOptions = {}): Transport {
  const { connectMs = 3_000, answerMs = 5_000, totalMs = 10_000 } = options
  const { now = Date.now, random = Math.random, sleep = delay, onRetry } = options
  const url = new URL(connection.url)
  const { proxy } = connection
  const agent = new Agent({
    keepAlive: true,
    maxFreeSockets: MAX_IN_FLIGHT,
    timeout: IDLE_MS,
    ...agentOptions(proxy)
  })
  const line = createLine(MAX_IN_FLIGHT, MAX_WAITING)

  function unavailable(why: string, problem: string | undefined, cause?: unknown): ApiUnavailable {
    const text = `the Kubernetes API server at ${connection.url} cannot be used: ${why}`
    return new ApiUnavailable(problem ? `${text} (${problem})` : text, { cause })
  }

  /** Where one connection was lost in silence, those at rest may be as dead. */
  function dropIdle(): void {
    for (const sockets of Object.values(agent.freeSockets))
      for (const socket of sockets ?? []) socket.destroy()
  }

  async function attempt(
    message: Message,
    account: Account,
    identity: Identity,
    deadline: number
  ): Promise<Answer | Failure> {
    const tls = account === 'own' ? { ...identity.trust, ...identity.clientCertificate } : identity.trust
    const token = account === 'own' ? identity.token : account.token
    const restMs = (): number => Math.max(1, deadline - now())
    const begin = () => {
      const limits = { connectMs, answerMs: Math.min(answerMs, restMs()) }
      return exchange(agent, url, { ...message, token }, tls, limits, now)
    }
    try {
      const answer = await line.run(begin, restMs())
      return failureOf(answer, account, connection) ?? answer
    } catch (error) {
      if (error instanceof LineError) throw unavailable(error.message, undefined, error)
      dropIdle()
      return failureBy(error, connection)
    }
  }

  return {
    async call(message, account) {
      const deadline = now() + totalMs
      let wasRefused = false
      for (let tries = 1; ; tries++) {
        const identity = await connection.identity(wasRefused)
        const outcome = await attempt(message, account, identity, deadline)
        if (!('why' in outcome)) return outcome
        const { why, isRefusal, retryAfterS = 0, cause } = outcome
        const pauseMs = FIRST_PAUSE_MS * 4 ** (tries - 1) * (0.5 + random() / 2)
        // What was refused is tried once more, at once, with what the files say now.
        const waitMs = isRefusal ? 0 : retryAfterS * 1000 + pauseMs
        if (tries === MAX_TRIES || (isRefusal && wasRefused) || now() + waitMs >= deadline) {
          throw unavailable(why, identity.problem, cause)
        }
        wasRefused ||= isRefusal
        onRetry?.()
        if (waitMs > 0) await sleep(waitMs)
      }
    },

    close() {
      line.close()
      agent.destroy()
    }
  }
}
