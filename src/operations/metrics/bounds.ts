/** The upper bounds of what a histogram shows, in seconds and in bytes. */
export const SHOWN = {
  seconds: [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 1000
  ],
  bytes: Array.from({ length: 13 }, (_, index) => 1024 * 4 ** index)
} as const

export type Unit = keyof typeof SHOWN

/** So many buckets are counted between two bounds that are shown, so that a quantile is off by a tenth at most. */
const STEPS = 10

/** The bounds that are counted by: those that are shown, others between them, and some below the first. */
function finer(shown: readonly number[]): readonly number[] {
  const bounds: number[] = []
  let from = (shown[0] ?? 1) / 100
  for (const to of shown) {
    for (let step = 1; step < STEPS; step++) bounds.push(from * (to / from) ** (step / STEPS))
    bounds.push(to)
    from = to
  }
  return bounds
}

export const BOUNDS: Record<Unit, readonly number[]> = {
  seconds: finer(SHOWN.seconds),
  bytes: finer(SHOWN.bytes)
}

/** The bucket of a value: the first whose bound is not below it, or one beyond the last. */
export function bucketOf(bounds: readonly number[], value: number): number {
  let low = 0
  let high = bounds.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((bounds[middle] as number) < value) low = middle + 1
    else high = middle
  }
  return low
}

/** Counts by bucket, of `BOUNDS` in length and one more. */
export type Counts = ArrayLike<number>

/** How many values were at most `bound`, which must be one of the bounds. */
export function countUpTo(bounds: readonly number[], counts: Counts, bound: number): number {
  let count = 0
  for (let bucket = bucketOf(bounds, bound); bucket >= 0; bucket--) count += counts[bucket] ?? 0
  return count
}

/** The value that so large a part (0 to 1) of all is not above; NaN where there is none. */
export function quantile(bounds: readonly number[], counts: Counts, part: number): number {
  let total = 0
  for (let bucket = 0; bucket < counts.length; bucket++) total += counts[bucket] ?? 0
  if (total === 0) return Number.NaN
  const rank = Math.max(1, Math.ceil(part * total))
  let seen = 0
  for (let bucket = 0; bucket < bounds.length; bucket++) {
    seen += counts[bucket] ?? 0
    if (seen < rank) continue
    // The first bucket holds what is next to nothing.
    return Math.sqrt((bounds[bucket - 1] ?? 0) * (bounds[bucket] as number))
  }
  return bounds.at(-1) ?? Number.NaN
}
