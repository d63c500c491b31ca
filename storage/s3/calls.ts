import type { S3Client } from '@aws-sdk/client-s3'
import type { StorageFull, StorageUnavailable } from '../driver.ts'
import { createRetrying } from '../objects/retry.ts'
import type { Surroundings } from '../options.ts'
import type { Connection } from './client.ts'
import { type About, type Fault, faultOf, isPassing, isRefused, unavailable } from './faults.ts'

/** Makes one try; it may be called again. */
type Attempt<T> = (client: S3Client, signal: AbortSignal, tries: number) => Promise<T>

export interface Calls {
  /**
   * A call with all its tries.
   * @param operation the SDK's name of it
   * @param answers what to answer instead of throwing, by the fault; undefined: throw
   * @param bytes that a try sends
   * @throws StorageUnavailable, StorageFull, or what `answers` throws
   */
  call<T>(
    operation: string,
    attempt: Attempt<T>,
    answers?: (fault: Fault, tries: number) => Promise<T> | undefined,
    bytes?: number
  ): Promise<T>
  /** What a fault of one object among several becomes. */
  failed(error: unknown, operation: string): StorageFull | StorageUnavailable
  /** When the store last did what only a bucket that is there can do, as `performance.now` tells. */
  lastSeen(): number
}

/** The store may take minutes to join thousands of parts. */
const LONG = { tryMs: 300_000, deadlineMs: 600_000 }

export function createCalls(connection: Connection, bucket: string, around: Surroundings): Calls {
  const { client, credentials, endpoint } = connection
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

  /** What was refused is tried once more at once, with what the files say now, and by the store's clock. */
  async function once<T>(attempt: () => Promise<T>): Promise<T> {
    try {
      return await attempt()
    } catch (error) {
      const fault = faultOf(error)
      if (!isRefused(fault)) throw error
      tellSkew(fault, error)
      credentials.forget()
      return attempt()
    }
  }

  function tellSkew(fault: Fault, error: unknown): void {
    if (fault.code !== 'RequestTimeTooSkewed' || performance.now() - toldSkewAt < 60_000) return
    toldSkewAt = performance.now()
    around.log.warn(
      `${unavailable(error, '', about).message}. Until then requests are dated by the store's clock`
    )
  }

  return {
    async call(operation, attempt, answers, bytes) {
      let tries = 0
      const run = operation === 'CompleteMultipartUpload' ? retryingLong : retrying
      try {
        const result = await run(
          operation,
          async (signal) => {
            tries++
            return once(async () => attempt(client, signal, tries))
          },
          bytes
        )
        seenAt = performance.now()
        return result
      } catch (error) {
        const answer = answers?.(faultOf(error), tries)
        if (answer === undefined) throw unavailable(error, operation, about)
        return answer
      }
    },
    failed: (error, operation) => unavailable(error, operation, about),
    lastSeen: () => seenAt
  }
}
