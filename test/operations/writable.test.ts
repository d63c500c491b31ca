import { mock } from 'node:test'
import t, { type Test } from 'tap'
import { type Writable, watchWritable } from '../../src/operations/writable.ts'
import { relatives } from '../registry/family.ts'

mock.timers.enable({ apis: ['setTimeout'] })

/** The processes of a pod, the first of which leads. */
async function pod(
  t: Test,
  processes: number,
  given: { problem?: string; readOnly?: boolean; hang?: () => boolean } = {}
) {
  const it = { problem: given.problem, readOnly: given.readOnly ?? false, tries: 0 }
  const lines: string[] = []
  const told: boolean[] = []
  const processesOf = relatives(processes).map((siblings, index) =>
    watchWritable({
      probe: async () => {
        it.tries++
        if (given.hang?.()) return new Promise(() => {})
        if (it.problem !== undefined) throw new Error(it.problem)
      },
      intervalMs: 10_000,
      leads: index === 0,
      siblings,
      isReadOnly: () => it.readOnly,
      logger: {
        info: (text) => void lines.push(`info ${text}`),
        error: (text) => void lines.push(`error ${text}`)
      },
      onChange: (isWritable) => void told.push(isWritable)
    })
  )
  t.teardown(() => {
    for (const one of processesOf) one.stop()
  })
  await pass(0)
  return { it, lines, told, processes: processesOf as [Writable, ...Writable[]] }
}

/** Lets what is due, and what follows from it, happen. */
async function pass(ms: number): Promise<void> {
  mock.timers.tick(ms)
  for (let turn = 0; turn < 20; turn++) await null
}

t.test('a storage that takes writes is tried once, by one process', async (t) => {
  const { it, lines, told } = await pod(t, 3)
  await pass(60_000)
  t.equal(it.tries, 1)
  t.strictSame(told, [true])
  t.strictSame(lines, [])
})

t.test('one that does not is told of at the start, and tried until it does', async (t) => {
  const { it, lines, told } = await pod(t, 3, { problem: 'it is mounted read-only (EROFS)' })
  await pass(10_000)
  await pass(10_000)
  t.equal(it.tries, 3)
  it.problem = undefined
  await pass(10_000)
  await pass(60_000)
  t.equal(it.tries, 4)
  t.strictSame(told, [false, true])
  t.match(lines, [
    /^error the storage takes no writes.* again every 10 s: it is mounted read-only \(EROFS\)/,
    /^info the storage takes writes again/
  ])
})

t.test('a write that fails in any process has it tried', async (t) => {
  for (const index of [0, 2]) {
    const { it, lines, told, processes } = await pod(t, 3)
    it.problem = 'no space is left'
    for (let count = 0; count < 100; count++) processes[index]?.onFault()
    await pass(500)
    t.equal(it.tries, 2)
    t.strictSame(told, [true, false])
    it.problem = undefined
    await pass(10_000)
    t.strictSame(told, [true, false, true])
    t.equal(lines.length, 2)
  }
})

t.test('so does one that fails right after a try that succeeded', async (t) => {
  const { it, told, processes } = await pod(t, 1)
  processes[0].onFault()
  await pass(500)
  it.problem = 'it is mounted read-only'
  processes[0].onFault()
  await pass(500)
  t.strictSame(told, [true, false])
})

t.test('a write that fails while others do not is no trouble of the storage', async (t) => {
  const { it, lines, processes } = await pod(t, 1)
  processes[0].onFault()
  await pass(60_000)
  t.equal(it.tries, 2)
  t.strictSame(lines, [])
})

t.test('nothing is written while the registry is read-only', async (t) => {
  const { it, told, processes } = await pod(t, 1, { readOnly: true, problem: 'no' })
  processes[0].onFault()
  await pass(60_000)
  t.equal(it.tries, 0)
  t.strictSame(told, [])
  it.readOnly = false
  await pass(10_000)
  t.strictSame(told, [false], 'what could not be tried at the start')

  const later = await pod(t, 1, { problem: 'no' })
  later.it.readOnly = true
  await pass(60_000)
  t.equal(later.it.tries, 1)
  later.it.readOnly = false
  later.it.problem = undefined
  await pass(10_000)
  t.strictSame(later.told, [false, true])
})

t.test('a storage that hangs takes no writes either, until it does again', async (t) => {
  let isHanging = true
  const { it, lines, told } = await pod(t, 1, { hang: () => isHanging })
  await pass(30_000)
  t.match(lines, [/^error .*no answer within 30 s/])
  isHanging = false
  await pass(10_000)
  t.equal(it.tries, 2)
  t.strictSame(told, [false, true])
})
