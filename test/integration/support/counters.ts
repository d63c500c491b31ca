import { samples } from '../../operations/metrics/samples.ts'
import type { Verdict } from './verdict.ts'

/** Looks at one page of metrics after the other: what only grows may never fall, nor go away. */
export interface CounterWatch {
  see(text: string): void
  /** So many pages were seen. */
  seen(): number
  hasFallen(): boolean
}

export function createCounterWatch(verdict: Verdict): CounterWatch {
  let before = new Map<string, number>()
  let seen = 0
  let hasFallen = false
  return {
    see(text) {
      seen += 1
      const names = growing(text)
      const now = samples(text)
      for (const [name, value] of before) {
        const isGrown = (now.get(name) ?? -1) >= value
        verdict.must(isGrown, 'no counter falls', `${name}: ${value} → ${now.get(name)}`)
        hasFallen ||= !isGrown
      }
      before = new Map([...now].filter(([name]) => names.has(nameOf(name))))
    },
    seen: () => seen,
    hasFallen: () => hasFallen
  }
}

/** The sum of a counter over all its labels, or over those that a pattern matches. */
export function total(text: string, name: string, labels = /^/): number {
  return [...samples(text)].reduce(
    (sum, [key, value]) => (nameOf(key) === name && labels.test(key) ? sum + value : sum),
    0
  )
}

/** Names of what only grows: counters, and the sums and counts of histograms and summaries. */
function growing(text: string): Set<string> {
  const types = text.matchAll(/^# TYPE (\S+) (\S+)$/gm)
  const names = [...types].flatMap(([, name = '', type]) => {
    if (type === 'counter') return [name]
    return type === 'gauge' ? [] : [`${name}_sum`, `${name}_count`, `${name}_bucket`]
  })
  return new Set(names)
}

const nameOf = (key: string): string => key.split('{')[0] ?? ''
