import type { ContenderResult, Result } from './alternate.ts'
import { type Sample, setupName } from './measure.ts'

const GIB = 2 ** 30

export interface Spread {
  median: number
  min: number
  max: number
}

/** @throws RangeError for no values */
export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  const [min] = sorted
  const max = sorted.at(-1)
  const middle = (sorted.length - 1) / 2
  const low = sorted[Math.floor(middle)]
  const high = sorted[Math.ceil(middle)]
  if (min === undefined || max === undefined || low === undefined || high === undefined) {
    throw new RangeError('there is nothing to take the median of')
  }
  return { median: (low + high) / 2, min, max }
}

export interface Summary {
  value: Spread
  /** The median, over that of the reference; absent where the reference has none. */
  ratio?: number | undefined
  cpuPerGiB?: number | undefined
  cpuPer1000?: number | undefined
  latencyMs?: { p50: number; p90: number; p99: number } | undefined
  /** Share of the machine's processors that the load took. */
  clientCpu: number
  peakMemory: number
}

/** Undefined when not one sample counts. */
export function summarize({ samples }: ContenderResult, reference?: Summary): Summary | undefined {
  if (samples.length === 0) return undefined
  const medianOf = (pick: (sample: Sample) => number | undefined): number | undefined => {
    const values = samples.map(pick).filter((value) => value !== undefined)
    return values.length === 0 ? undefined : spread(values).median
  }
  const value = spread(samples.map((sample) => sample.value))
  const latency = (key: 'p50' | 'p90' | 'p99') => medianOf(({ latencyMs }) => latencyMs?.[key])
  const [p50, p90, p99] = [latency('p50'), latency('p90'), latency('p99')]
  return {
    value,
    ratio: reference && value.median / reference.value.median,
    cpuPerGiB: medianOf(({ bytes, serverCpu }) => bytes && serverCpu / (bytes / GIB)),
    cpuPer1000: medianOf(({ requests, serverCpu }) => requests && serverCpu / (requests / 1000)),
    latencyMs: p50 === undefined || p90 === undefined || p99 === undefined ? undefined : { p50, p90, p99 },
    clientCpu: medianOf(({ clientCpu, seconds }) => clientCpu / seconds) ?? 0,
    peakMemory: Math.max(...samples.map((sample) => sample.peakMemory))
  }
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
  'peak PSS'
]

/** A table for the terminal. `reference` is the name of the contender that ratios are taken to. */
export function table(result: Result, reference: string): string {
  const { measure, setup } = result
  const base = result.contenders.find(({ name }) => name === reference)
  const baseSummary = base && summarize(base)
  const rows = result.contenders.map((contender) => {
    const summary = summarize(contender, baseSummary)
    if (summary === undefined) return [contender.name, `void: ${contender.voids.at(-1)?.slice(0, 80)}`]
    const { value, ratio, latencyMs, clientCpu, peakMemory } = summary
    const cpu = summary.cpuPer1000 ?? summary.cpuPerGiB
    const baseCpu = baseSummary?.cpuPer1000 ?? baseSummary?.cpuPerGiB
    return [
      contender.name,
      figure(value.median),
      `${figure(value.min)}..${figure(value.max)}`,
      ratio === undefined ? '' : ratio.toFixed(2),
      latencyMs === undefined ? '' : [latencyMs.p50, latencyMs.p90, latencyMs.p99].map(figure).join('/'),
      cpu === undefined ? '' : `${figure(cpu)}${summary.cpuPer1000 === undefined ? '/GiB' : '/1000'}`,
      cpu === undefined || !baseCpu ? '' : (cpu / baseCpu).toFixed(2),
      clientCpu.toFixed(2),
      `${(peakMemory / 2 ** 20).toFixed(0)} MiB`,
      contender.voids.length === 0 ? '' : `${contender.voids.length} void`
    ]
  })
  return `${measure.name}, ${setupName(setup)}: ${measure.title}, in ${measure.unit}\n${columns([HEADINGS, ...rows])}`
}

export function columns(rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows) {
    // A lone remark beside a name may run through the columns.
    if (row.length <= 2) continue
    for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, cell.length)
  }
  return rows
    .map((row) =>
      row
        .map((cell, at) =>
          at === 0 || row.length <= 2 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)
        )
        .join('  ')
        .trimEnd()
    )
    .map((line) => `  ${line}\n`)
    .join('')
}

/** Three digits that count. */
export function figure(value: number): string {
  if (value === 0) return '0'
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3)
}
