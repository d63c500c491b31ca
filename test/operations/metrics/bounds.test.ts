import t from 'tap'
import {
  BOUNDS,
  bucketOf,
  countUpTo,
  quantile,
  SHOWN,
  type Unit
} from '../../../src/operations/metrics/bounds.ts'

const UNITS: Unit[] = ['seconds', 'bytes']

function counted(unit: Unit, values: readonly number[]): number[] {
  const counts = new Array<number>(BOUNDS[unit].length + 1).fill(0)
  for (const value of values) counts[bucketOf(BOUNDS[unit], value)]! += 1
  return counts
}

t.test('bounds grow, and those that are shown are among them', async (t) => {
  for (const unit of UNITS) {
    const bounds = BOUNDS[unit]
    t.ok(bounds.every((bound, index) => index === 0 || bound > bounds[index - 1]!))
    for (const bound of SHOWN[unit]) t.ok(bounds.includes(bound), `${unit} ${bound}`)
  }
})

t.test('a value falls into the bucket whose bound it does not exceed', async (t) => {
  const bounds = [1, 2, 4]
  const cases = [
    [0, 0],
    [1, 0],
    [1.5, 1],
    [2, 1],
    [4, 2],
    [5, 3]
  ] as const
  for (const [value, bucket] of cases) t.equal(bucketOf(bounds, value), bucket, `${value}`)
})

t.test('what is shown of a bound is how many values were at most that', async (t) => {
  const counts = counted('seconds', [0.001, 0.0011, 0.2, 5000])
  t.equal(countUpTo(BOUNDS.seconds, counts, 0.001), 1)
  t.equal(countUpTo(BOUNDS.seconds, counts, 0.0025), 2)
  t.equal(countUpTo(BOUNDS.seconds, counts, 1000), 3)
})

t.test('a quantile is off by a tenth at most', async (t) => {
  const values = Array.from({ length: 1000 }, (_, index) => 0.001 * (index + 1))
  const counts = counted('seconds', values)
  for (const [part, exact] of [
    [0.5, 0.5],
    [0.9, 0.9],
    [0.99, 0.99]
  ] as const) {
    const told = quantile(BOUNDS.seconds, counts, part)
    t.ok(Math.abs(told - exact) <= exact / 10, `${part}: ${told}`)
  }
})

t.test(
  'of nothing there is no quantile, of empty bodies it is 0, and beyond the last bound the last',
  async (t) => {
    t.same(quantile(BOUNDS.bytes, counted('bytes', []), 0.5), Number.NaN)
    t.equal(quantile(BOUNDS.bytes, counted('bytes', [0, 0]), 0.5), 0)
    t.equal(quantile(BOUNDS.seconds, counted('seconds', [5000]), 0.5), 1000)
  }
)
