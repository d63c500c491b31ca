import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { CHECKOUT } from '../test/integration/support/processes.ts'
import type { Result } from './alternate.ts'
import { commandLines } from './commands.ts'
import type { Machine } from './machine.ts'
import { judge, promiseTable, type Verdict } from './promises.ts'
import { type Summary, summarize, table } from './report.ts'

/** What the bench leaves behind. */
interface Run {
  begun: string
  machine: Machine
  /** The versions of those that took part, by name. */
  contenders: Record<string, string>
  reference: string | undefined
  /** What was not done, and why. */
  leftOut: string[]
  measures: Result[]
  /** Of each contender in each measure, as `MEASURE, SETUP: CONTENDER`. */
  summaries: Record<string, Summary | undefined>
  promises: Verdict[]
  commands: string[]
}

export type Particulars = Pick<Run, 'machine' | 'contenders' | 'reference' | 'leftOut'>

/** Keeps results in a file from the first one on; one that holds some already is added to. */
export function openRecord(file: string | undefined, particulars: Particulars) {
  const begun = new Date().toISOString()
  const path = file ?? join(CHECKOUT, 'results', `bench-${begun.replaceAll(':', '')}.json`)
  const former: Partial<Run> = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : {}
  const measures = former.measures ?? []
  const contenders = { ...former.contenders, ...particulars.contenders }
  const reference = particulars.reference ?? former.reference
  mkdirSync(dirname(path), { recursive: true })

  return {
    path,
    /** Takes the place of an earlier result of the same measure and setup. */
    add(result: Result): void {
      const at = measures.findIndex(({ name, setup }) => name === result.name && setup === result.setup)
      if (at < 0) measures.push(result)
      else measures[at] = result
      const run: Run = {
        ...{ begun: former.begun ?? begun, machine: particulars.machine, contenders, reference },
        leftOut: [...new Set([...(former.leftOut ?? []), ...particulars.leftOut])],
        ...{ measures, summaries: summaries(measures), promises: judge(measures, reference) },
        commands: [...(former.commands ?? []), ...commandLines()]
      }
      writeFileSync(path, JSON.stringify(run, undefined, 1))
    },
    /** Whether they are kept, as a table. */
    promises: (): string => promiseTable(judge(measures, reference)),
    /** All that the file holds, as tables. */
    everything(): string {
      return measures.map((result) => table(result, reference)).join('') + this.promises()
    }
  }
}

function summaries(measures: readonly Result[]): Run['summaries'] {
  const entries = measures.flatMap(({ name, setup, contenders }) =>
    contenders.map((each) => [`${name}, ${setup}: ${each.name}`, summarize(each)] as const)
  )
  return Object.fromEntries(entries)
}
