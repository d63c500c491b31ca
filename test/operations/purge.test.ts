import { mock } from 'node:test'
import t, { type Test } from 'tap'
import { type MayRemove, type PurgeOptions, schedulePurge } from '../../src/operations/purge.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const START = Date.parse('2026-01-31T12:00:00Z')

/** Lets what is due, and what follows from it, happen, minute by minute. */
async function pass(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= MINUTE_MS) {
    mock.timers.tick(Math.min(left, MINUTE_MS))
    for (let turn = 0; turn < 20; turn++) await null
  }
}

function scheduled(t: Test, given: Partial<PurgeOptions> = {}) {
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: START })
  t.teardown(() => mock.timers.reset())
  const it = { ages: [] as number[], turns: [] as number[], lines: [] as string[], readOnly: false, old: 0 }
  let due = 0
  const write =
    (level: string) =>
    (what: unknown, text = what): void =>
      void it.lines.push(`${level} ${text}`)
  schedulePurge({
    async purge(before, mayRemove: MayRemove) {
      it.ages.push((Date.now() - before.getTime()) / HOUR_MS)
      return Array.from({ length: it.old }, (_, index) => mayRemove(`upload ${index}`)).filter(Boolean).length
    },
    async takeTurn(everyMs, work) {
      it.turns.push(Date.now() - START)
      if (Date.now() < due) return due
      await work()
      due = Date.now() + everyMs
      return due
    },
    ageMs: 168 * HOUR_MS,
    intervalMs: 24 * HOUR_MS,
    dryrun: false,
    isReadOnly: () => it.readOnly,
    log: { debug: write('debug'), info: write('info'), error: write('error') },
    ...given
  })
  return it
}

t.test('old uploads go soon after the start, and then once in each interval', async (t) => {
  const it = scheduled(t)
  it.old = 2
  await pass(MINUTE_MS / 60)
  await pass(10 * MINUTE_MS)
  t.strictSame(it.ages, [168])
  await pass(72 * HOUR_MS)
  t.strictSame(it.ages, [168, 168, 168, 168].slice(0, it.ages.length))
  t.ok(it.ages.length >= 3 && it.ages.length <= 4)
  t.match(it.lines.slice(0, 3), [
    'debug removes upload 0',
    'debug removes upload 1',
    /info removed 2 uploads.*168 h/
  ])
})

t.test('whatever fails, it is tried again within the hour', async (t) => {
  let tries = 0
  const it = scheduled(t, {
    takeTurn: async () => {
      tries++
      throw new Error('the disk is gone')
    }
  })
  await pass(3 * HOUR_MS)
  t.ok(tries >= 2)
  t.match(it.lines[0], /error .* tries again within an hour/)
})

t.test('a turn that is far away is looked for every hour, since its holder may be gone', async (t) => {
  let looks = 0
  scheduled(t, {
    takeTurn: async () => {
      looks++
      return START + 576 * HOUR_MS
    }
  })
  await pass(6 * HOUR_MS)
  t.ok(looks >= 5)
})

t.test('a dry run names what is old, and removes nothing', async (t) => {
  const it = scheduled(t, { dryrun: true })
  it.old = 2
  await pass(11 * MINUTE_MS)
  t.match(it.lines, [
    'debug would remove upload 0',
    'debug would remove upload 1',
    /^info dry run: would remove 2 uploads/
  ])
  t.equal(it.lines.length, 3)
})

t.test('a time that is no number of hours, and a single upload, are told as they are', async (t) => {
  const it = scheduled(t, { ageMs: 1.5 * HOUR_MS })
  it.old = 1
  await pass(11 * MINUTE_MS)
  t.strictSame(it.lines.slice(1), ['info removed 1 upload that nobody had gone on with for 90 min'])
  mock.timers.reset()
  const dry = scheduled(t, { ageMs: 1.5 * HOUR_MS, dryrun: true })
  dry.old = 1
  await pass(11 * MINUTE_MS)
  t.match(dry.lines.slice(1), [/would remove 1 upload or temporary file that .* for 90 min$/])
})

t.test('nothing is done while the registry is read-only, nor any more once it is', async (t) => {
  const it = scheduled(t)
  it.readOnly = true
  await pass(3 * HOUR_MS)
  t.strictSame(it.turns, [])
  it.readOnly = false
  await pass(2 * HOUR_MS)
  t.equal(it.ages.length, 1)

  mock.timers.reset()
  const later = scheduled(t, {
    async purge(_before, mayRemove) {
      later.readOnly = true
      mayRemove('upload')
      return 1
    }
  })
  await pass(11 * MINUTE_MS)
  t.equal(later.turns.length, 1)
  t.strictSame(later.lines, [], 'it is no fault')
})
