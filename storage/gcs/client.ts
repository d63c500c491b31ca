import type { IncomingMessage } from 'node:http'
import { type Exchanging, type Message, readText } from '../objects/exchange.ts'
import { createRetrying } from '../objects/retry.ts'
import type { Credentials } from './credentials.ts'
import { judge, Refusal, TokenFault, unavailable } from './faults.ts'

export interface Call<T> extends Omit<Message, 'headers'> {
  /** For metrics. */
  operation: string
  headers?: Record<string, string>
  /** Makes of a 2xx what the caller wants. It reads the body, or passes it on. Its errors are those of the try. */
  read(answer: IncomingMessage, signal: AbortSignal): Promise<T>
  /** Statuses that are answers as well: they are thrown as `Refusal`. */
  expected?: readonly number[]
  /** Told of each try before it begins. */
  onTry?: () => void
}

export interface Client {
  /** @throws Refusal for an expected status, StorageUnavailable for everything else */
  call<T>(call: Call<T>): Promise<T>
}

interface ClientOptions {
  exchanging: Exchanging
  credentials: Credentials
  bucket: string
  endpoint: string
  kmskeyname: string | undefined
  useragent: string | undefined
  onCall?: ((operation: string, ms: number, code?: string) => void) | undefined
  onRetry?: ((operation: string, code: string) => void) | undefined
  now?: () => number
  /** For tests: of one that waits. */
  pause?: (ms: number) => Promise<unknown>
}

/** Calls of the JSON API, with a token, tried again as all stores' are. */
export function createClient(options: ClientOptions): Client {
  const { exchanging, credentials, onCall, onRetry, pause, now = Date.now } = options
  const where = { ...options, origin: credentials.origin }
  const retrying = createRetrying({ judge, onCall, onRetry, ...(pause && { pause }) })
  const common = { 'user-agent': options.useragent ?? 'berth', accept: '*/*' }

  async function authorization(): Promise<Record<string, string>> {
    try {
      const header = await credentials.header()
      return header === undefined ? {} : { authorization: header }
    } catch (error) {
      throw new TokenFault(error)
    }
  }

  return {
    async call({ operation, headers, read, expected = [], onTry, ...message }) {
      // Once, what was refused is tried again with what the key's file, or the token's, holds by then.
      let isRefreshed = false
      const refresh = (fault: Refusal | TokenFault): void => {
        credentials.forget()
        fault.isPassing ||= !isRefreshed
        isRefreshed = true
      }
      const size = message.body?.reduce((sum, { length }) => sum + length, 0)
      const attempt = async (signal: AbortSignal) => {
        try {
          onTry?.()
          const own = await authorization()
          const all = { ...common, ...headers, ...own }
          const answer = await exchanging.exchange({ ...message, headers: all }, signal)
          const { statusCode: status = 0 } = answer
          if (status >= 200 && status < 300) return await read(answer, signal)
          throw new Refusal(status, answer.headers, await readText(answer, signal), now())
        } catch (error) {
          if (error instanceof TokenFault || (error instanceof Refusal && error.status === 401))
            refresh(error)
          throw error
        }
      }
      try {
        return await retrying(operation, attempt, size)
      } catch (error) {
        if (error instanceof Refusal && expected.includes(error.status)) throw error
        throw unavailable(error, where)
      }
    }
  }
}

/** Of an answer in JSON. */
export async function readJson<T>(answer: IncomingMessage, signal: AbortSignal): Promise<T> {
  return JSON.parse(await readText(answer, signal)) as T
}
