import { mock } from 'node:test'
import t from 'tap'
import { schedulePurge } from '../../src/operations/purge.ts'

const HOUR_MS = 60 * 60 * 1000
const START = Date.parse('2026-01-31T12:00:00Z')

/** Lets what is due, and what follows from it, happen. */
async function pass(ms: number): Promise<void> {
  mock.timers.tick(ms)
  for (let turn = 0; turn < 10; turn++) await null
}

t.test('uploads of more than a week go within the first hour, then daily, whatever fails', async (t) => {
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: START })
  t.teardown(() => mock.timers.reset())
  const ages: number[] = []
  const lines: string[] = []
  const log = {
    info: (text: unknown) => lines.push(`info ${text}`),
    error: (_error: unknown, text?: string) => lines.push(`error ${text}`)
  }
  schedulePurge(async (before) => {
    ages.push((Date.now() - before.getTime()) / HOUR_MS)
    if (ages.length === 2) throw new Error('the disk is gone')
    return ages.length
  }, log)
  t.strictSame(ages, [], 'not at once')
  await pass(HOUR_MS)
  t.strictSame(ages, [168])
  await pass(24 * HOUR_MS)
  await pass(24 * HOUR_MS)
  t.strictSame(ages, [168, 168, 168])
  t.match(lines, [/info removed 1 uploads/, /error .* tries again in a day/, /info removed 3 uploads/])
})
