import { setTimeout } from 'node:timers/promises'
import { createCircuit } from './circuit.ts'

const TRIES = 5
const BASE_MS = 100
const CAP_MS = 5000
const TRY_MS = 60_000
const DEADLINE_MS = 120_000
/** In bytes a second: what sends its body no more slowly than this has the time for it. */
const SLOWEST = 256 << 10

/** Why a try failed. */
export interface Fault {
  /** The store's word for it (`SlowDown`), a system's (`ECONNRESET`) or a status (`503`): for metrics. */
  code: string
  /** Another try may do better: the connection broke, or the store is busy, or ill. */
  isPassing: boolean
  /** The store is well, and wants fewer changes of one object: however often it says so, it is not dead. */
  isAlive?: boolean | undefined
  /** For so long the store wants no other. */
  retryAfterMs?: number | undefined
}

/** One call to the store, in as many tries as it takes.
 *  @param attempt is to end, by whatever error, when its signal aborts. It may be called again: give it nothing that can be read only once
 *  @param bytes that a try sends
 *  @throws what the last try threw */
export type Retrying = <T>(
  operation: string,
  attempt: (signal: AbortSignal) => Promise<T>,
  bytes?: number
) => Promise<T>

interface RetryOptions {
  judge(error: unknown): Fault
  /** Told of each try that has ended: the operation, how long it took, and the code of its fault. */
  onCall?: ((operation: string, ms: number, code?: string) => void) | undefined
  /** Told of each try that is not the first. */
  onRetry?: ((operation: string, code: string) => void) | undefined
  /** For one try; more where it sends much. */
  tryMs?: number
  /** None is begun later than this after the first, or than two tries may take. */
  deadlineMs?: number
  now?: () => number
  pause?: (ms: number) => Promise<unknown>
  random?: () => number
}

/**
 * How every store is called: at most five tries, with random pauses that grow to five seconds, or as long as the store
 * says. The clouds' libraries are told not to try again by themselves, so that tries are bounded and counted. Of a store
 * that seems dead the last fault is thrown at once; every five seconds one call looks whether it is back.
 */
export function createRetrying(options: RetryOptions): Retrying {
  const { judge, onCall, onRetry, tryMs = TRY_MS, deadlineMs = DEADLINE_MS } = options
  const { now = performance.now.bind(performance), pause = setTimeout, random = Math.random } = options
  const circuit = createCircuit(now)

  return async (operation, attempt, bytes = 0) => {
    const first = now()
    const longest = Math.max(tryMs, Math.ceil((bytes / SLOWEST) * 1000)) // a signal takes whole ones
    const latest = first + Math.max(deadlineMs, 2 * longest)
    for (let tries = 1; ; tries++) {
      const dead = circuit.fault()
      if (dead !== undefined) throw dead.error
      const begun = now()
      try {
        const result = await attempt(AbortSignal.timeout(longest))
        circuit.answered()
        onCall?.(operation, now() - begun)
        return result
      } catch (error) {
        const { code, isPassing, isAlive = !isPassing, retryAfterMs = 0 } = judge(error)
        onCall?.(operation, now() - begun, code)
        const waitMs = Math.max(retryAfterMs, random() * Math.min(CAP_MS, BASE_MS * 2 ** (tries - 1)))
        if (isAlive) circuit.answered()
        const isLast = tries === TRIES || now() + waitMs > latest
        if (!isAlive && isLast) circuit.failed(error)
        if (!isPassing || isLast) throw error
        await pause(waitMs)
        onRetry?.(operation, code)
      }
    }
  }
}
