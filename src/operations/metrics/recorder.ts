import { BOUNDS, bucketOf } from './bounds.ts'
import {
  type COUNTERS,
  type CounterName,
  DISTRIBUTIONS,
  type DistributionName,
  type GAUGES,
  type GaugeName,
  type Labels
} from './definitions.ts'

/** What a process has seen since its last batch; gauges as they are now. It travels between processes as JSON. */
export interface Batch {
  counters: [metric: CounterName, labels: readonly string[], growth: number][]
  gauges: [metric: GaugeName, labels: readonly string[], value: number][]
  /** Buckets are those that have grown: index, growth, index, growth and so on. */
  distributions: [metric: DistributionName, labels: readonly string[], sum: number, buckets: number[]][]
}

export interface Counter {
  add(growth?: number): void
}

export interface Gauge {
  add(change: number): void
  set(value: number): void
}

export interface Distribution {
  /** @param value in seconds or bytes, as the metric is defined */
  observe(value: number): void
}

/**
 * Where a process counts. Each metric is had once for its label values and kept: counting is then a matter of
 * nanoseconds, and tells nobody until `take`.
 */
export interface Recorder {
  counter<N extends CounterName>(name: N, ...labels: Labels<(typeof COUNTERS)[N]['labels']>): Counter
  gauge<N extends GaugeName>(name: N, ...labels: Labels<(typeof GAUGES)[N]['labels']>): Gauge
  distribution<N extends DistributionName>(
    name: N,
    ...labels: Labels<(typeof DISTRIBUTIONS)[N]['labels']>
  ): Distribution
  /** What has come since the last time; undefined when nothing has. */
  take(): Batch | undefined
}

interface Part<T, B> {
  handle: T
  /** Adds to a batch what has come, and begins anew. */
  drain(into: B): void
}

/** Makes what is asked for once, and finds it again. */
function createParts<T, B>(make: (name: string, labels: readonly string[]) => Part<T, B>) {
  const parts = new Map<string, Part<T, B>>()
  return {
    get(name: string, labels: readonly string[]): T {
      const key = [name, ...labels].join('\0')
      let part = parts.get(key)
      if (part === undefined) {
        part = make(name, labels)
        parts.set(key, part)
      }
      return part.handle
    },
    drain(into: B): B {
      for (const part of parts.values()) part.drain(into)
      return into
    }
  }
}

export function createRecorder(): Recorder {
  const counters = createParts<Counter, Batch['counters']>((name, labels) => {
    let growth = 0
    // A counter that begins with 0 shows its first growth as growth.
    let isTold = false
    return {
      handle: {
        add(by = 1) {
          growth += by
        }
      },
      drain(into) {
        if (growth > 0 || !isTold) into.push([name as CounterName, labels, growth])
        growth = 0
        isTold = true
      }
    }
  })
  const gauges = createParts<Gauge, Batch['gauges']>((name, labels) => {
    let value = 0
    let told: number | undefined
    return {
      handle: {
        add(change) {
          value += change
        },
        set(now) {
          value = now
        }
      },
      drain(into) {
        if (value !== told) into.push([name as GaugeName, labels, value])
        told = value
      }
    }
  })
  const distributions = createParts<Distribution, Batch['distributions']>((name, labels) => {
    const bounds = BOUNDS[DISTRIBUTIONS[name as DistributionName].unit]
    const counts = new Uint32Array(bounds.length + 1)
    let sum = 0
    let isEmpty = true
    return {
      handle: {
        observe(value) {
          const bucket = bucketOf(bounds, value)
          counts[bucket] = (counts[bucket] as number) + 1
          sum += value
          isEmpty = false
        }
      },
      drain(into) {
        if (isEmpty) return
        const buckets: number[] = []
        for (const [bucket, count] of counts.entries()) if (count > 0) buckets.push(bucket, count)
        into.push([name as DistributionName, labels, sum, buckets])
        counts.fill(0)
        sum = 0
        isEmpty = true
      }
    }
  })
  return {
    counter: (name, ...labels) => counters.get(name, labels),
    gauge: (name, ...labels) => gauges.get(name, labels),
    distribution: (name, ...labels) => distributions.get(name, labels),
    take() {
      const batch: Batch = {
        counters: counters.drain([]),
        gauges: gauges.drain([]),
        distributions: distributions.drain([])
      }
      return Object.values(batch).every(({ length }) => length === 0) ? undefined : batch
    }
  }
}
