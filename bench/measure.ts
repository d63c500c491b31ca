import type { RunningServer } from '../test/integration/support/processes.ts'
import type { Contender, Setup } from './contenders.ts'
import type { Percentiles } from './load/main.ts'
import type { Usage } from './usage.ts'

/** A contender that runs. */
export interface Site {
  contender: Contender
  server: RunningServer
}

/** One go at a measure. */
export interface Sample extends Usage {
  /** In the measure's unit. */
  value: number
  /** Answered, where requests are what is counted. */
  requests?: number
  /** Moved, where bytes are. */
  bytes?: number
  latencyMs?: Percentiles
}

export interface Measure {
  name: string
  title: string
  unit: 'requests/s' | 'MiB/s' | 'images/s' | 'ms' | 'MiB'
  /** Which of two values is the better one. */
  better: 'higher' | 'lower'
  setups: readonly Setup[]
  /** @throws Error when anything was not as it should be: the sample is then void */
  sample(site: Site, round: number): Promise<Sample>
}

/** Measures that share servers and what is stored on them. */
export interface Group {
  /** Programs that have to be on the PATH. */
  tools: readonly string[]
  /** Whether servers of files take part too. */
  files: boolean
  /** Stores what is measured; once for each contender. */
  prepare(site: Site): Promise<void>
  measures: readonly Measure[]
}

export const PLAIN: Setup = { tls: false, accessLog: false }
export const TLS: Setup = { tls: true, accessLog: false }
export const LOGGED: Setup = { tls: false, accessLog: true }
export const TLS_LOGGED: Setup = { tls: true, accessLog: true }

export function setupName({ tls, accessLog }: Setup): string {
  return [tls ? 'TLS' : '', accessLog ? 'access log' : ''].filter((part) => part !== '').join(', ') || 'plain'
}
