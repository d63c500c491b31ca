import type { Answer } from './connection.ts'
import type { LoadResult, Percentiles } from './main.ts'

const WRONG_KEPT = 5

/** Counts what was answered and what was wrong with it. */
export function createTally() {
  const statuses = new Map<number, number>()
  const latencies: number[] = []
  const wrong: string[] = []
  const since = performance.now()
  let bytes = 0
  return {
    count(status: number): void {
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
    },
    /** One of the durations whose percentiles are asked for. */
    took(ms: number): void {
      latencies.push(ms)
    },
    moved(count: number): void {
      bytes += count
    },
    complain(what: string): void {
      if (wrong.length < WRONG_KEPT) wrong.push(what)
    },
    result(): LoadResult {
      const seconds = (performance.now() - since) / 1000
      const requests = [...statuses.values()].reduce((sum, count) => sum + count, 0)
      return {
        requests,
        bytes,
        seconds,
        latencyMs: percentiles(latencies),
        statuses: Object.fromEntries(statuses),
        wrong
      }
    }
  }
}

export type Tally = ReturnType<typeof createTally>

/** Counts an answer, and complains unless it has the status, and the length if one is said. */
export function check(tally: Tally, what: string, answer: Answer, status: number, length?: number): void {
  tally.count(answer.status)
  if (answer.status !== status) tally.complain(`${what}: ${answer.status}, not ${status}`)
  else if (length !== undefined && answer.length !== length) {
    tally.complain(`${what}: ${answer.length} bytes, not ${length}`)
  }
}

export function percentiles(values: number[]): Percentiles {
  const sorted = Float64Array.from(values).sort()
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99) }
}
