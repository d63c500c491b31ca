import type { RunningServer } from '../test/integration/support/processes.ts'
import type { Contender } from './contenders.ts'
import type { Setup } from './setup.ts'
import type { Percentiles } from './statistics.ts'
import type { Usage } from './usage.ts'

/** A contender that runs. */
export interface Site {
  contender: Contender
  setup: Setup
  /** Another one after a restart, over the same folder. */
  server: RunningServer
}

export async function restart(site: Site): Promise<void> {
  await site.server.stop()
  site.server = await site.contender.start(site.server.root, site.setup)
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
  /** How many processors the load kept busy while it did its work, where it says so itself. */
  loadCpus?: number
  /** What else there is to say, by name; in words on a line of its own. */
  more?: Record<string, string | number>
}

export interface Measure {
  name: string
  title: string
  unit: 'requests/s' | 'MiB/s' | 'images/s' | 'ms' | 'MiB' | 'calls'
  /** Which of two values is the better one. */
  better: 'higher' | 'lower'
  /** Programs that have to be on the PATH. */
  tools: readonly string[]
  setups: readonly Setup[]
  /** Whether servers of files take part too. */
  files?: boolean
  /** Whether it is berths only that take part: those that ask for logins as well, and those that do not. */
  logins?: boolean
  /** The object store that it is for, as `--storage` names it. */
  storage?: string
  /** Whether each sample starts a server of its own, which nothing warms up. */
  fresh?: boolean
  /** Whether a short bench has it. */
  quick?: boolean
  /** @throws Error when anything was not as it should be: the sample is then void */
  sample(site: Site, round: number): Promise<Sample>
}

export function takesPart({ layout, login, isBerth }: Contender, { files, logins }: Measure): boolean {
  if (logins) return isBerth === true
  return login === undefined && (files === true || layout !== 'files')
}

/** Measures that share servers and what is stored on them. */
export interface Group {
  /** The most that so many contenders store at one time, in bytes. */
  space(contenders: number): number
  /** Stores what is measured; once for each contender. */
  prepare(site: Site): Promise<void>
  measures: readonly Measure[]
}
