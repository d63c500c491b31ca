import { Agent as HttpAgent, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { agentOptions, type Environment, proxyFor } from '../../src/outgoing/proxy.ts'
import { trustSystem } from '../../src/outgoing/trust.ts'
import { createExchanging, type Message, readText } from '../objects/exchange.ts'
import type { S3Options } from '../options.ts'
import { hashOf } from './bodies.ts'
import { type Credentials, createCredentials } from './credentials.ts'
import { type Endpoint, endpointOf } from './endpoint.ts'
import { Refusal } from './faults.ts'
import { createSigner, encodedPath, type Query, queryText, UNSIGNED_PAYLOAD } from './signing.ts'

export interface Request {
  method: Message['method']
  /** The store's name of the object; without one it is about the bucket. */
  name?: string
  query?: Query
  /** Names in lower case. */
  headers?: Readonly<Record<string, string>>
  body?: readonly Uint8Array[] | undefined
}

export interface Connection {
  /** One try. Of a success the answer's body must be read, or destroyed; the signal does not end that.
   *  @throws Refusal when the store says no */
  send(request: Request, signal: AbortSignal): Promise<IncomingMessage>
  /** An address for clients, which for so long is good for a GET. */
  sign(name: string, query: Query, seconds: number): Promise<string>
  readonly endpoint: Endpoint
  readonly credentials: Credentials
  close(): void
}

interface Patience {
  /** For each of the three tries to get a token: they are part of no call, and end with none. */
  tokenMs?: number
  /** As `endWhenSilent` has it. */
  silenceMs?: number
}

const TOKEN_MS = 15_000
/** Idle connections are closed by us before the store does. */
const IDLE_MS = 15_000
const CONNECT_MS = 5_000
/** A clock that is further off than this has its requests refused: from then on they are dated by the store's. */
const SKEW_MS = 300_000

const NO_BODY = hashOf([])

/**
 * Requests to the bucket, of our own: the SDK's take up to three times the CPU for each, and a push makes dozens. What is sent
 * stays whole on its way: without encryption its SHA-256 is signed, which the store compares. With encryption TLS does as
 * much, and hashing once more would only cost.
 * @throws ProxyError, TrustError
 */
export async function connect(
  options: S3Options,
  env: Environment,
  { tokenMs = TOKEN_MS, silenceMs }: Patience = {}
): Promise<Connection> {
  const { useragent = 'berth', redirectendpoint, skipverify } = options
  const endpoint = endpointOf(options)
  const { region, isEncrypted } = endpoint
  if (isEncrypted) await trustSystem(env)
  const sts = tokenService(region, env, tokenMs)
  const credentials = createCredentials(options, { clientConfig: { region, requestHandler: sts } })
  const url = new URL(endpoint.url)
  const exchanging = createExchanging({
    origin: url,
    proxy: proxyFor(url, env),
    idleMs: IDLE_MS,
    skipverify,
    ...(silenceMs !== undefined && { silenceMs })
  })
  const signer = createSigner(region)
  const base = url.pathname.replace(/\/$/, '')
  const clients = new URL(
    redirectendpoint === undefined
      ? endpoint.url
      : endpointOf({ ...options, regionendpoint: redirectendpoint }).url
  )
  let aheadMs = 0
  const now = (): Date => new Date(Date.now() + aheadMs)

  function heed(date: string | undefined): void {
    const ahead = Date.parse(date ?? '') - Date.now()
    if (Math.abs(ahead - aheadMs) > SKEW_MS) aheadMs = ahead
  }

  return {
    endpoint,
    credentials,

    async send({ method, name = '', query = {}, headers = {}, body }, signal) {
      const keys = await credentials.provide()
      const path = `${base}/${encodedPath(name)}`
      const text = queryText(query)
      const payload = body === undefined ? NO_BODY : isEncrypted ? UNSIGNED_PAYLOAD : hashOf(body)
      const signed = signer.headersOf(
        { method, host: url.host, path, query: text, headers, payload },
        keys,
        now()
      )
      signed['user-agent'] = useragent
      const answer = await exchanging.exchange(
        { method, path: text === '' ? path : `${path}?${text}`, headers: signed, body },
        signal
      )
      const { statusCode: status = 0 } = answer
      if (status >= 200 && status < 300) return answer
      heed(answer.headers.date)
      throw new Refusal(status, answer.headers, await readText(answer, signal))
    },

    async sign(name, query, seconds) {
      const keys = await credentials.provide()
      const path = `${clients.pathname.replace(/\/$/, '')}/${encodedPath(name)}`
      const text = signer.queryOf({ host: clients.host, path }, query, keys, now(), seconds)
      return `${clients.origin}${path}?${text}`
    },

    close() {
      exchanging.agent.destroy()
      sts.httpAgent.destroy()
      sts.httpsAgent.destroy()
    }
  }
}

/** How the SDK reaches the service that gives tokens for roles. */
function tokenService(region: string, env: Environment, tokenMs: number) {
  const options = {
    keepAlive: true,
    timeout: IDLE_MS,
    ...agentOptions(proxyFor(new URL(`https://sts.${region}.amazonaws.com`), env))
  }
  return {
    httpAgent: new HttpAgent(options),
    httpsAgent: new HttpsAgent(options),
    connectionTimeout: CONNECT_MS,
    requestTimeout: tokenMs,
    throwOnRequestTimeout: true
  }
}
