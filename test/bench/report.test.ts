import t from 'tap'
import type { Result } from '../../bench/alternate.ts'
import type { Sample } from '../../bench/measure.ts'
import { judge, promiseTable } from '../../bench/promises.ts'
import { columns, figure, summarize, table } from '../../bench/report.ts'
import { PLAIN, setupName, TLS } from '../../bench/setup.ts'
import { percentiles, spread } from '../../bench/statistics.ts'

const IDLE = { seconds: 2, serverCpu: 0, clientCpu: 0, otherCpu: 0, peakMemory: 0 }

function sampled(
  name: string,
  values: Record<string, number[]>,
  more: Partial<Sample> = {},
  setup = PLAIN
): Result {
  return {
    ...{ name, title: name, unit: 'requests/s', better: 'higher', setup: setupName(setup) },
    contenders: Object.entries(values).map(([name, each]) => ({
      name,
      samples: each.map((value) => ({ ...IDLE, value, ...more })),
      voids: each.length === 0 ? ['the line was cut'] : []
    }))
  }
}

t.test('a median lies in the middle, or between the two that do', async (t) => {
  t.strictSame(spread([3, 1, 20]), { median: 3, min: 1, max: 20 })
  t.strictSame(spread([4, 1, 2, 20]), { median: 3, min: 1, max: 20 })
  t.strictSame(spread([7]), { median: 7, min: 7, max: 7 })
  t.throws(() => spread([]), RangeError)
})

t.test('a percentile is the least value that so many percent do not exceed', async (t) => {
  const hundred = Array.from({ length: 100 }, (_, at) => 100 - at)
  t.strictSame(percentiles(hundred), { p50: 50, p90: 90, p99: 99 })
  t.strictSame(percentiles([5]), { p50: 5, p90: 5, p99: 5 })
  t.throws(() => percentiles([]), RangeError)
})

t.test('processor time is counted for 1,000 requests, or for a GiB', async (t) => {
  const [requests] = sampled('a', { x: [1] }, { serverCpu: 3, requests: 6000, bytes: 5 }).contenders
  t.equal(requests && summarize(requests)?.cpu, 0.5)
  const [bytes] = sampled('a', { x: [1] }, { serverCpu: 3, bytes: 2 ** 31 }).contenders
  t.equal(bytes && summarize(bytes)?.cpu, 1.5)
})

t.test('a promise is met or missed by the ratio to the reference', async (t) => {
  const results = [
    sampled('manifest-get-tag', { 'berth-1': [90, 110, 400], 'berth-2': [99], reference: [10, 5, 20] }),
    sampled('manifest-get-tag', { 'berth-1': [1], reference: [1] }, { serverCpu: 1, requests: 10 }, TLS)
  ]
  const verdicts = judge(results, 'reference')
  const measured = (text: string) => verdicts.find(({ promise }) => promise === text)?.measured
  t.strictSame(measured('manifest-get-tag, × reference'), {
    'berth-1': { figure: '11.0', met: true },
    'berth-2': { figure: '9.90', met: false }
  })
  t.strictSame(measured('manifest-get-tag, CPU × reference, TLS'), {
    'berth-1': { figure: '1.00', met: false },
    'berth-2': undefined
  })
  t.strictSame(measured('start, ms'), { 'berth-1': undefined, 'berth-2': undefined })
  const text = promiseTable(verdicts)
  t.match(text, /manifest-get-tag, × reference +≥ 10 +11\.0 met +9\.90 MISSED\n/)
  t.match(text, `${verdicts.length - 2} promises were not measured`)
})

t.test('what a token costs is judged beside the same berth without logins', async (t) => {
  const results = [
    sampled('manifest-get-token', {
      ...{ 'berth-1': [100], 'berth-2': [200], 'berth-1-login': [80], 'berth-2-login': [159] }
    })
  ]
  const verdict = judge(results, undefined).find(({ promise }) => /^manifest-get-token/.test(promise))
  t.strictSame(verdict?.measured, {
    'berth-1': { figure: '0.800', met: true },
    'berth-2': { figure: '0.795', met: false }
  })
})

t.test('a storm with an error breaks its promise, whatever its figures', async (t) => {
  const storm = sampled('storm', { 'berth-1': [200], 'berth-2': [] })
  const judged = () => judge([storm], undefined).find((each) => /^storm/.test(each.promise))
  t.match(judged()?.measured, { 'berth-1': { met: true }, 'berth-2': { met: false } })
  storm.contenders[0]?.voids.push('GET /: 503, not 200')
  t.match(judged()?.measured, { 'berth-1': { met: false } })
})

t.test('without a reference nothing is measured by it', async (t) => {
  const results = [sampled('manifest-get-tag', { 'berth-1': [90] }), sampled('start', { 'berth-1': [499] })]
  const found = judge(results, undefined).filter(({ measured }) => measured['berth-1'] !== undefined)
  t.strictSame(found, [
    {
      promise: 'start, ms',
      promised: '< 500',
      measured: { 'berth-1': { figure: '499', met: true }, 'berth-2': undefined }
    }
  ])
})

t.test('a table has a line for each contender, and says why one has no figures', async (t) => {
  const text = table(sampled('m', { a: [20, 10, 30], reference: [10, 10, 10], c: [] }), 'reference')
  t.match(text, /^ {2}a +20\.0 +10\.0\.\.30\.0 +2\.00/m)
  t.match(text, /^ {2}reference +10\.0 +10\.0\.\.10\.0 +1\.00/m)
  const [, headings = '', first = ''] = text.trimStart().split('\n')
  t.match(headings, /load CPUs {2}other CPUs +peak PSS$/)
  t.equal(headings.length, first.length)
  t.match(text, /^ {2}c +void: the line was cut$/m)
  t.equal(
    columns([
      ['', 'n'.repeat(3), ''],
      ['long', '1', '2'],
      ['x', 'a remark']
    ]),
    '        nnn\n  long    1  2\n  x     a remark\n'
  )
  t.strictSame([0, 0.01234, 9.999, 123.4].map(figure), ['0', '0.0123', '10.0', '123'])
})

t.test('what a sample says beside its figures follows the table, words on lines of their own', async (t) => {
  const more = { 'p50 ms': 1.5, a: '2: 1 PutObject, 1 GetObject', 'a longer one': '0' }
  t.match(
    table(sampled('m', { x: [1] }, { more }), undefined),
    /\n {2}x: p50 ms 1\.50\n {4}a {13}2: 1 PutObject, 1 GetObject\n {4}a longer one {2}0\n$/
  )
})
