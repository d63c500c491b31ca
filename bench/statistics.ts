export interface Spread {
  median: number
  min: number
  max: number
}

/** @throws RangeError for no values */
export function spread(values: readonly number[]): Spread {
  const sorted = Float64Array.from(values).sort()
  const middle = (sorted.length - 1) / 2
  const [min, low, high, max] = [
    sorted.at(0),
    sorted[Math.floor(middle)],
    sorted[Math.ceil(middle)],
    sorted.at(-1)
  ]
  if (min === undefined || low === undefined || high === undefined || max === undefined) {
    throw new RangeError('there is nothing to take the median of')
  }
  return { median: (low + high) / 2, min, max }
}

export interface Percentiles {
  p50: number
  p90: number
  p99: number
}

/** The least values that so many percent of them do not exceed. @throws RangeError for no values */
export function percentiles(values: readonly number[]): Percentiles {
  const sorted = Float64Array.from(values).sort()
  const at = (percent: number): number => {
    const value = sorted[Math.ceil((sorted.length * percent) / 100) - 1]
    if (value === undefined) throw new RangeError('there is nothing to take percentiles of')
    return value
  }
  return { p50: at(50), p90: at(90), p99: at(99) }
}
