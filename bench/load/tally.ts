import type { Answer } from './connection.ts'

/** What a process of the load has seen. */
export interface LoadResult {
  /** Answers that came. */
  requests: number
  /** Bytes of bodies, both ways. */
  bytes: number
  /** From the start to the last answer. */
  seconds: number
  /** Processor seconds of this process meanwhile. */
  cpu: number
  /** How often each status was answered. */
  statuses: Record<string, number>
  /** The first few things that were wrong, in words. */
  wrong: string[]
  /** Durations in milliseconds, by what lasted so long. */
  times: Record<string, number[]>
}

const WRONG_KEPT = 5

/** Counts what was answered and what was wrong with it. */
export function createTally() {
  const statuses = new Map<number, number>()
  const times: Record<string, number[]> = {}
  const wrong: string[] = []
  let since = performance.now()
  let cpuBefore = process.cpuUsage()
  let bytes = 0
  return {
    start(): void {
      since = performance.now()
      cpuBefore = process.cpuUsage()
    },
    took(what: string, ms: number): void {
      const list = times[what]
      if (list === undefined) times[what] = [ms]
      else list.push(ms)
    },
    moved(count: number): void {
      bytes += count
    },
    complain(what: string): void {
      if (wrong.length < WRONG_KEPT) wrong.push(what)
    },
    /** Counts an answer, and complains unless it has the status, and the length if one is said. */
    check(
      { method, path }: { method: string; path: string },
      answer: Answer,
      status: number,
      length?: number
    ): void {
      statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1)
      if (answer.status !== status) this.complain(`${method} ${path}: ${answer.status}, not ${status}`)
      else if (length !== undefined && answer.length !== length) {
        this.complain(`${method} ${path}: ${answer.length} bytes, not ${length}`)
      }
    },
    result(): LoadResult {
      const seconds = (performance.now() - since) / 1000
      const requests = [...statuses.values()].reduce((sum, count) => sum + count, 0)
      const { user, system } = process.cpuUsage(cpuBefore)
      const cpu = (user + system) / 1e6
      return { requests, bytes, seconds, cpu, statuses: Object.fromEntries(statuses), wrong, times }
    }
  }
}

export type Tally = ReturnType<typeof createTally>
