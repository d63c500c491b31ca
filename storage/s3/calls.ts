import type { IncomingMessage } from 'node:http'
import { readText } from '../objects/exchange.ts'
import { createRetrying } from '../objects/retry.ts'
import type { Surroundings } from '../options.ts'
import { sizeOf } from './bodies.ts'
import type { Connection, Request } from './client.ts'
import {
  type About,
  errorIn,
  type Fault,
  faultOf,
  isPassing,
  isRefused,
  isUnexplained,
  Refusal,
  unavailable
} from './faults.ts'
import { parseXml, type Xml } from './xml.ts'

export interface Call<T> extends Request {
  /** S3's name of it. */
  operation: string
  /** Makes of a success what the caller wants; it reads the body, or passes it on. Its errors are those of the try, which
   *  ends with the signal. */
  read(answer: IncomingMessage, signal: AbortSignal): Promise<T>
  /** What to answer instead of throwing, by the fault; undefined: throw. */
  answers?(fault: Fault, tries: number): Promise<T> | undefined
}

export interface Calls {
  /** A call with all its tries. @throws StorageUnavailable, StorageFull, or what `answers` throws */
  call<T>(call: Call<T>): Promise<T>
  /** As the connection's. @throws StorageUnavailable where there is nothing to sign with */
  sign: Connection['sign']
  /** When the store last did what only a bucket that is there can do, as `performance.now` tells. */
  lastSeen(): number
}

/** What is refused without a reason is taken for a matter of credentials only so often: else it is a permission. */
const GUESS_MS = 60_000

/** The store may take minutes to join thousands of parts. */
const LONG = { tryMs: 300_000, deadlineMs: 600_000 }

export function createCalls(connection: Connection, bucket: string, around: Surroundings): Calls {
  const { credentials, endpoint, send } = connection
  const about: About = { bucket, name: endpoint.name, origin: credentials.origin }
  const judge = (error: unknown) => {
    const fault = faultOf(error)
    return { code: fault.code, isPassing: isPassing(fault), retryAfterMs: fault.retryAfterMs }
  }
  const { onCall, onRetry } = around
  const retrying = createRetrying({ judge, onCall, onRetry })
  const retryingLong = createRetrying({ judge, onCall, onRetry, ...LONG })
  let seenAt = Number.NEGATIVE_INFINITY
  let toldSkewAt = Number.NEGATIVE_INFINITY
  let guessedAt = Number.NEGATIVE_INFINITY

  /** What was refused is tried once more at once, with what the files say now, and by the store's clock. */
  async function once<T>(attempt: () => Promise<T>): Promise<T> {
    try {
      return await attempt()
    } catch (error) {
      const fault = faultOf(error)
      if (!isRefused(fault) && !mayBeRefused(fault)) throw error
      tellSkew(fault, error)
      credentials.forget()
      return attempt()
    }
  }

  function mayBeRefused(fault: Fault): boolean {
    if (!isUnexplained(fault) || performance.now() - guessedAt < GUESS_MS) return false
    guessedAt = performance.now()
    return true
  }

  function tellSkew(fault: Fault, error: unknown): void {
    if (fault.code !== 'RequestTimeTooSkewed' || performance.now() - toldSkewAt < 60_000) return
    toldSkewAt = performance.now()
    around.log.warn(
      `${unavailable(error, '', about).message}. Until then requests are dated by the store's clock`
    )
  }

  return {
    async call({ operation, read, answers, ...request }) {
      let tries = 0
      const run = operation === 'CompleteMultipartUpload' ? retryingLong : retrying
      const attempt = async (signal: AbortSignal) => {
        tries++
        return once(async () => read(await send(request, signal), signal))
      }
      try {
        const result = await run(operation, attempt, sizeOf(request.body ?? []))
        seenAt = performance.now()
        return result
      } catch (error) {
        const answer = answers?.(faultOf(error), tries)
        if (answer === undefined) throw unavailable(error, operation, about)
        return answer
      }
    },
    async sign(...signed) {
      try {
        return await connection.sign(...signed)
      } catch (error) {
        throw unavailable(error, 'GetObject', about)
      }
    },
    lastSeen: () => seenAt
  }
}

/** Of an answer whose status says it all. */
export async function readNothing(answer: IncomingMessage): Promise<void> {
  answer.resume()
}

/** What the answer's outermost element holds, which is of this name. Some calls answer 200 before they know how they
 *  end, and then with an error. */
export function readXml(name: string): (answer: IncomingMessage, signal: AbortSignal) => Promise<Xml> {
  return async (answer, signal) => {
    const text = await readText(answer, signal)
    const xml = parseXml(text, name)
    if (xml !== undefined) return xml
    if (errorIn(text) !== undefined) throw new Refusal(500, answer.headers, text)
    throw new Error(`the store answered ${answer.statusCode} without ${name}`)
  }
}
