import type { ContenderResult, Result } from './alternate.ts'
import type { Sample } from './measure.ts'
import { type Percentiles, type Spread, spread } from './statistics.ts'

const GIB = 2 ** 30
const MIB = 2 ** 20

/** Medians of what one contender's samples say. */
export interface Summary {
  value: Spread
  latencyMs?: Percentiles | undefined
  /** Processor seconds of the server for 1,000 requests, or for a GiB where bytes are what counts. */
  cpu?: number | undefined
  /** How many processors the load kept busy. */
  loadCpus: number
  /** How many processors anything else kept busy. */
  otherCpus: number
  /** The highest of all samples, in bytes. */
  peakMemory: number
}

/** Undefined when not one sample counts. */
export function summarize({ samples }: ContenderResult): Summary | undefined {
  if (samples.length === 0) return undefined
  const median = (pick: (sample: Sample) => number | undefined): number | undefined => {
    const values = samples.map(pick).filter((value) => value !== undefined)
    return values.length === 0 ? undefined : spread(values).median
  }
  const percentile = (key: keyof Percentiles) => median(({ latencyMs }) => latencyMs?.[key])
  const [p50, p90, p99] = [percentile('p50'), percentile('p90'), percentile('p99')]
  return {
    value: spread(samples.map(({ value }) => value)),
    latencyMs: p50 === undefined || p90 === undefined || p99 === undefined ? undefined : { p50, p90, p99 },
    cpu: median(cpuOf),
    loadCpus: median(({ loadCpus, clientCpu, seconds }) => loadCpus ?? clientCpu / seconds) ?? 0,
    otherCpus: median(({ otherCpu, seconds }) => otherCpu / seconds) ?? 0,
    peakMemory: Math.max(...samples.map(({ peakMemory }) => peakMemory))
  }
}

function cpuOf({ requests, bytes, serverCpu }: Sample): number | undefined {
  if (requests !== undefined) return serverCpu / (requests / 1000)
  return bytes === undefined ? undefined : serverCpu / (bytes / GIB)
}

const HEADINGS = [
  '',
  'median',
  'min..max',
  '×ref',
  'p50/p90/p99 ms',
  'CPU s',
  '×ref',
  'load CPUs',
  'other CPUs',
  'peak PSS',
  ''
]

/** A table for the terminal; `reference` names the contender that ratios are taken to. */
export function table(result: Result, reference: string | undefined): string {
  const { contenders } = result
  const found = contenders.find(({ name }) => name === reference)
  const base = found && summarize(found)
  const rows = contenders.map((contender) => {
    const summary = summarize(contender)
    if (summary === undefined)
      return [contender.name, `void: ${contender.voids.at(-1)?.slice(0, 150).replaceAll(/\s+/g, ' ')}`]
    const { value, latencyMs, cpu, loadCpus, otherCpus, peakMemory } = summary
    const per = contender.samples.some(({ requests }) => requests !== undefined) ? '1000' : 'GiB'
    return [
      contender.name,
      figure(value.median),
      `${figure(value.min)}..${figure(value.max)}`,
      ratio(value.median, base?.value.median),
      latencyMs === undefined ? '' : [latencyMs.p50, latencyMs.p90, latencyMs.p99].map(figure).join('/'),
      cpu === undefined ? '' : `${figure(cpu)}/${per}`,
      ratio(cpu, base?.cpu),
      loadCpus.toFixed(2),
      otherCpus.toFixed(2),
      `${figure(peakMemory / MIB)} MiB`,
      contender.voids.length === 0 ? '' : `${contender.voids.length} void`
    ]
  })
  const title = `${result.name}, ${result.setup}: ${result.title}, in ${result.unit}`
  return `\n${title}\n${columns([HEADINGS, ...rows])}${remarks(contenders)}`
}

/** What the last samples say beside their figures; what they say in words has a line each. */
function remarks(contenders: readonly ContenderResult[]): string {
  return contenders
    .map(({ name, samples }) => {
      const more = Object.entries(samples.at(-1)?.more ?? {})
      if (more.length === 0) return ''
      const figures = more.flatMap(([what, value]) =>
        typeof value === 'number' ? [`${what} ${figure(value)}`] : []
      )
      const words = more.flatMap(([what, value]) => (typeof value === 'string' ? [[`  ${what}`, value]] : []))
      return [`  ${name}: ${figures.join(', ')}`.trimEnd(), columns(words)].join('\n')
    })
    .join('')
}

/** Rows of cells, the first to the left and the others to the right. A row of two is a name and a remark. */
export function columns(rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows) {
    if (row.length === 2) widths[0] = Math.max(widths[0] ?? 0, row[0]?.length ?? 0)
    else for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, cell.length)
  }
  const line = (row: readonly string[]): string =>
    row
      .map((cell, at) =>
        at === 0 || row.length === 2 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)
      )
      .join('  ')
  return rows.map((row) => `  ${line(row).trimEnd()}\n`).join('')
}

function ratio(value: number | undefined, base: number | undefined): string {
  return value === undefined || !base ? '' : figure(value / base)
}

/** Three digits that count. */
export function figure(value: number): string {
  if (value === 0) return '0'
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3)
}
