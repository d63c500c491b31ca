import { Counter, Gauge, Registry } from 'prom-client'
import { BOUNDS, countUpTo, quantile, SHOWN, type Unit } from './bounds.ts'
import { COUNTERS, DISTRIBUTIONS, GAUGES, type GaugeName } from './definitions.ts'
import type { Batch } from './recorder.ts'

/** As OpenShift's registry has them. */
const QUANTILES = [0.5, 0.9, 0.99]

/** A summary tells of the last ten minutes, and forgets two of them at a time: Go's default. */
const WINDOW_MS = 10 * 60_000
const SLICES = 5

/** What all the processes of a pod have seen, which the primary keeps. */
export interface Metrics {
  /** @param source the process that it comes from */
  add(source: object, batch: Batch): void
  /** It is gone: what it has counted stays, what it had open is no more. */
  leave(source: object): void
  /** In Prometheus' text format. */
  text(): Promise<string>
}

type Values = Record<string, string>

/** A distribution for one set of label values: since the start, and in the window by slices. */
interface Series {
  labels: Values
  sum: number
  counts: Float64Array
  slices: Float64Array[]
}

interface Sample {
  metricName: string
  labels: Record<string, string | number>
  value: number
}

/** What prom-client checks, names and writes, but does not count: that is done in the workers. */
class Shown extends Gauge {
  readonly #type: string
  readonly #samples: () => Sample[]

  constructor(
    registry: Registry,
    metric: { name: string; help: string; labelNames: string[] },
    type: 'summary' | 'histogram',
    samples: () => Sample[]
  ) {
    super({ ...metric, registers: [registry] })
    this.#type = type
    this.#samples = samples
  }

  override async get(): ReturnType<Gauge['get']> {
    const shown = { ...(await super.get()), type: this.#type, values: this.#samples() }
    return shown as unknown as Awaited<ReturnType<Gauge['get']>>
  }
}

export interface MetricsOptions {
  /** Of berth, such as `1.2.3`. */
  version: string
  /** Of its sources; empty where nobody says. */
  commit?: string
  now?: () => number
}

export function createMetrics({ version, commit = '', now = Date.now }: MetricsOptions): Metrics {
  const registry = new Registry()
  const gauges = new Map<object, Map<string, { metric: GaugeName; labels: Values; value: number }>>()
  const distributions = new Map<string, Map<string, Series>>()
  let sliceSince = now()

  const counters = new Map(
    Object.entries(COUNTERS).map(([metric, { name, help, labels }]) => {
      const counter = new Counter({ name, help, labelNames: [...labels], registers: [registry] })
      return [metric, counter as Counter]
    })
  )
  for (const [metric, { name, help, labels }] of Object.entries(GAUGES)) {
    new Gauge({
      name,
      help,
      labelNames: [...labels],
      registers: [registry],
      collect() {
        this.reset()
        for (const readings of gauges.values()) {
          for (const reading of readings.values()) {
            if (reading.metric === metric) (this as Gauge).inc(reading.labels, reading.value)
          }
        }
      }
    })
  }
  for (const [metric, definition] of Object.entries(DISTRIBUTIONS)) {
    const all = new Map<string, Series>()
    distributions.set(metric, all)
    const { unit, labels } = definition
    const labelNames = [...labels]
    if ('summary' in definition) {
      const { name, help } = definition.summary
      const shown = 'labels' in definition.summary ? [...definition.summary.labels] : labelNames
      const samples = () =>
        all
          .values()
          .toArray()
          .flatMap((series) => summaryOf(series, name, unit, shown))
      new Shown(registry, { name, help, labelNames: shown }, 'summary', samples)
    }
    if ('histogram' in definition) {
      const { name } = definition.histogram
      const samples = () =>
        all
          .values()
          .toArray()
          .flatMap((series) => histogramOf(series, name, unit))
      new Shown(registry, { ...definition.histogram, labelNames }, 'histogram', samples)
    }
  }

  /** Begins a new slice of the window, for each that has passed. */
  function moveOn(): void {
    const length = WINDOW_MS / SLICES
    const passed = Math.floor((now() - sliceSince) / length)
    if (passed <= 0) return
    sliceSince += passed * length
    for (const { slices, counts } of distributions.values().flatMap((all) => all.values())) {
      for (let slice = 0; slice < Math.min(passed, SLICES); slice++) {
        slices.shift()
        slices.push(new Float64Array(counts.length))
      }
    }
  }

  const metrics: Metrics = {
    add(source, batch) {
      moveOn()
      for (const [metric, labels, growth] of batch.counters) {
        counters.get(metric)?.inc(valuesOf(COUNTERS[metric].labels, labels), growth)
      }
      const readings = gauges.get(source) ?? new Map()
      gauges.set(source, readings)
      for (const [metric, labels, value] of batch.gauges) {
        const reading = { metric, labels: valuesOf(GAUGES[metric].labels, labels), value }
        readings.set([metric, ...labels].join('\0'), reading)
      }
      for (const [metric, labels, sum, buckets] of batch.distributions) {
        const series = seriesOf(metric, labels)
        series.sum += sum
        const slice = series.slices.at(-1)
        for (let index = 0; index < buckets.length; index += 2) {
          const bucket = buckets[index] as number
          const growth = buckets[index + 1] as number
          series.counts[bucket] = (series.counts[bucket] ?? 0) + growth
          if (slice !== undefined) slice[bucket] = (slice[bucket] ?? 0) + growth
        }
      }
    },

    leave: (source) => gauges.delete(source),

    text() {
      moveOn()
      return registry.metrics()
    }
  }

  function seriesOf(metric: keyof typeof DISTRIBUTIONS, labels: readonly string[]): Series {
    const key = labels.join('\0')
    const all = distributions.get(metric)
    const known = all?.get(key)
    if (known !== undefined) return known
    const { unit, labels: names } = DISTRIBUTIONS[metric]
    const length = BOUNDS[unit].length + 1
    const series = {
      labels: valuesOf(names, labels),
      sum: 0,
      counts: new Float64Array(length),
      slices: Array.from({ length: SLICES }, () => new Float64Array(length))
    }
    all?.set(key, series)
    return series
  }

  const [major = '', minor = ''] = version.split('.')
  const build: Batch['gauges'] = [['build', [major, minor, commit, `v${version}`], 1]]
  metrics.add({}, { counters: [], gauges: build, distributions: [] })
  return metrics
}

const valuesOf = (names: readonly string[], labels: readonly string[]): Values =>
  Object.fromEntries(names.map((name, index) => [name, labels[index] ?? '']))

const totalOf = (counts: Float64Array): number => counts.reduce((sum, count) => sum + count, 0)

function summaryOf(
  { labels: all, sum, counts, slices }: Series,
  name: string,
  unit: Unit,
  shown: readonly string[]
): Sample[] {
  const labels = Object.fromEntries(shown.map((label) => [label, all[label] ?? '']))
  const window = counts.map((_, bucket) => slices.reduce((all, slice) => all + (slice[bucket] ?? 0), 0))
  return [
    ...QUANTILES.map((part) => ({
      metricName: name,
      labels: { ...labels, quantile: part },
      value: quantile(BOUNDS[unit], window, part)
    })),
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: totalOf(counts) }
  ]
}

function histogramOf({ labels, sum, counts }: Series, name: string, unit: Unit): Sample[] {
  const metricName = `${name}_bucket`
  const total = totalOf(counts)
  return [
    ...SHOWN[unit].map((bound) => ({
      metricName,
      labels: { ...labels, le: bound },
      value: countUpTo(BOUNDS[unit], counts, bound)
    })),
    { metricName, labels: { ...labels, le: '+Inf' }, value: total },
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: total }
  ]
}
