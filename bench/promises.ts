import type { ContenderResult, Result } from './alternate.ts'
import { columns, figure, type Summary, summarize } from './report.ts'
import { LOGGED, PLAIN, type Setup, setupName, TLS, TLS_LOGGED } from './setup.ts'

/** The contenders that promises are asked of. */
const BERTHS = ['berth-1', 'berth-2']

/** What berth promises, and what came of it. */
export interface Verdict {
  promise: string
  promised: string
  /** By the name of the contender; undefined where it was not measured. */
  measured: Record<string, { figure: string; met: boolean } | undefined>
}

interface Promised {
  promise: string
  promised: string
  /** The figure of one contender. */
  measure(of: Lookup, name: string, reference: string | undefined): number | undefined
  isMet(figure: number): boolean
}

type Lookup = (measure: string, contender: string | undefined, setup?: Setup) => Found | undefined

/** What a contender's samples say; without a value when all are void. */
type Found = Partial<Summary> & Pick<ContenderResult, 'voids'>

const atLeast = (limit: number) => ({ promised: `≥ ${limit}`, isMet: (found: number) => found >= limit })
const atMost = (limit: number) => ({ promised: `≤ ${limit}`, isMet: (found: number) => found <= limit })
const under = (limit: number) => ({ promised: `< ${limit}`, isMet: (found: number) => found < limit })

const PROMISES: readonly Promised[] = [
  ...['manifest-get-tag', 'blob-head'].flatMap((name) => [
    { promise: `${name}, × reference`, ...atLeast(10), measure: throughput(name) },
    ...[PLAIN, TLS, LOGGED, TLS_LOGGED].map((setup) => ({
      promise: `${name}, CPU × reference, ${setupName(setup)}`,
      ...atMost(0.2),
      measure: (of: Lookup, contender: string, reference: string | undefined) =>
        quotient(of(name, contender, setup)?.cpu, of(name, reference, setup)?.cpu)
    }))
  ]),
  {
    promise: 'manifest-get-token, × without logins',
    ...atLeast(0.8),
    measure: (of, name) => throughput('manifest-get-token')(of, `${name}-login`, name)
  },
  {
    promise: 'manifest-get-token, CPU × without logins',
    ...atMost(1 / 0.8),
    measure: (of, name) =>
      quotient(of('manifest-get-token', `${name}-login`)?.cpu, of('manifest-get-token', name)?.cpu)
  },
  { promise: 'pull-1, × reference', ...atLeast(1.2), measure: throughput('pull-1') },
  {
    promise: 'pull-1, × nginx with sendfile',
    ...atLeast(0.9),
    measure: (of, name) => throughput('pull-1')(of, name, 'nginx')
  },
  { promise: 'pull-16, × reference', ...atLeast(1.2), measure: throughput('pull-16') },
  { promise: 'push-1, × reference', ...atLeast(1.3), measure: throughput('push-1') },
  { promise: 'push-16, × reference', ...atLeast(1.3), measure: throughput('push-16') },
  { promise: 'small-images, × reference', ...atLeast(2), measure: throughput('small-images') },
  {
    promise: 'storm without an error, p99 to first byte, ms',
    ...under(300),
    measure(of, name) {
      const found = of('storm', name)
      return found && found.voids.length > 0 ? Number.POSITIVE_INFINITY : found?.value?.median
    }
  },
  ...['flight-small', 'flight-large'].map((measure) => ({
    promise: `${measure}: peak PSS, MiB`,
    ...under(256),
    measure: (of: Lookup, name: string) => of(measure, name)?.value?.max
  })),
  {
    promise: 'flight-large: peak PSS, × flight-small',
    ...atMost(1.1),
    measure: (of, name) =>
      quotient(of('flight-large', name)?.value?.median, of('flight-small', name)?.value?.median)
  },
  { promise: 'start, ms', ...under(500), measure: (of, name) => of('start', name)?.value?.median },
  ...['tags', 'catalog'].flatMap((list) =>
    ['first', 'middle'].map((where) => ({
      promise: `${list}, ${where} page: CPU of the long list × the short one`,
      ...atMost(1.2),
      measure: (of: Lookup, name: string) =>
        quotient(of(`${list}-many-${where}`, name)?.cpu, of(`${list}-few-${where}`, name)?.cpu)
    }))
  )
]

function throughput(measure: string): Promised['measure'] {
  return (of, name, reference) =>
    quotient(of(measure, name)?.value?.median, of(measure, reference)?.value?.median)
}

function quotient(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || !b ? undefined : a / b
}

/** Judges berth by results of which some may be missing; `reference` names the contender that ratios are taken to. */
export function judge(results: readonly Result[], reference: string | undefined): Verdict[] {
  const of: Lookup = (measure, contender, setup = PLAIN) => {
    const result = results.find((each) => each.name === measure && each.setup === setupName(setup))
    const found = result?.contenders.find(({ name }) => name === contender)
    return found && { ...summarize(found), voids: found.voids }
  }
  return PROMISES.map(({ promise, promised, measure, isMet }) => {
    const measured: Verdict['measured'] = {}
    for (const name of BERTHS) {
      const found = measure(of, name, reference)
      measured[name] = found === undefined ? undefined : { figure: figure(found), met: isMet(found) }
    }
    return { promise, promised, measured }
  })
}

/** A table for the terminal, of those that were measured. */
export function promiseTable(verdicts: readonly Verdict[]): string {
  const found = verdicts.filter(({ measured }) => BERTHS.some((name) => measured[name] !== undefined))
  const rows = found.map(({ promise, promised, measured }) => [
    promise,
    promised,
    ...BERTHS.map((name) => {
      const found = measured[name]
      return found === undefined ? 'not measured' : `${found.figure} ${found.met ? 'met' : 'MISSED'}`
    })
  ])
  const rest = verdicts.length - found.length
  const remark = rest === 0 ? '' : `  ${rest} promises were not measured\n`
  return `\nPromises\n${rows.length === 0 ? '' : columns([['', 'promised', ...BERTHS], ...rows])}${remark}`
}
