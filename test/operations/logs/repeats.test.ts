import { setTimeout as pause } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { createRepeats } from '../../../src/operations/logs/repeats.ts'
import { StorageUnavailable } from '../../../storage/driver.ts'
import { fileLogger } from './support.ts'

function told(t: Test, periodMs: number) {
  let ms = 0
  const lines: string[] = []
  const repeats = createRepeats((level, message) => lines.push(`${level} ${message}`), {
    periodMs,
    now: () => ms
  })
  t.teardown(repeats.flush)
  return {
    ...repeats,
    lines,
    pass(more: number) {
      ms += more
    }
  }
}

t.test(
  'the first failure of a kind is written, and how many followed is told when the period is over',
  async (t) => {
    const { isFirst, lines, pass } = told(t, 50)
    t.ok(isFirst('a', 'error', 'the disk is gone'))
    for (let times = 0; times < 241; times++) t.notOk(isFirst('a', 'error', 'the disk is gone'))
    t.ok(isFirst('b', 'warn', 'another'))
    pass(10_000)
    t.strictSame(lines, [])
    while (lines.length === 0) await pause(5)
    t.strictSame(lines, ['error the disk is gone (241 more times in 10 s)'], 'the other came once')
    t.ok(isFirst('a', 'error', 'the disk is gone'), 'then it is written again')
  }
)

t.test(
  'however many kinds there are, so many are remembered, and the others are counted together',
  async (t) => {
    const { isFirst, lines, flush } = told(t, 60_000)
    const written = Array.from({ length: 5000 }, (_, index) =>
      isFirst(`${index}`, 'error', `message ${index}`)
    )
    t.equal(written.filter((isWritten) => isWritten).length, 101)
    flush()
    t.strictSame(lines, ['error other failures (4899 more times in 0 s)'])
  }
)

t.test('failures are told apart by what they are, not by what they are about', async (t) => {
  const { logger, lines } = fileLogger(t)
  const fails = (path: string): void =>
    logger.error(
      new StorageUnavailable(`the disk is gone: ${path}`, { cause: new Error(`EIO, open '${path}'`) })
    )
  for (let index = 0; index < 50; index++)
    fails(`/srv/repositories/a${index}/sha256:${`${index}`.repeat(32)}`)
  logger.error(new StorageUnavailable('the disk is full'))
  for (const place of [1, 2]) logger.error(`process ${place} ended`)
  for (let times = 0; times < 3; times++) logger.warn('it does not answer')
  for (let times = 0; times < 2; times++) logger.info('this is no failure')
  const written = lines()
  t.match(
    written.map(({ level, msg }) => `${level} ${msg}`),
    [
      /^error the disk is gone: \/srv\/repositories\/a0\//,
      'error the disk is full',
      'error process 1 ended',
      'error process 2 ended',
      'warn it does not answer',
      'info this is no failure',
      'info this is no failure',
      /^error the disk is gone: .* \(49 more times in \d s\)$/,
      /^warn it does not answer \(2 more times in \d s\)$/
    ]
  )
  t.equal(written.length, 9)
})
