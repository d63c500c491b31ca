import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { type Answers, createAnswers } from '../../src/auth/answers.ts'
import { relatives } from '../registry/family.ts'

interface Bed {
  processes: Answers<string>[]
  /** What came to the API server. */
  asked: string[]
  pass(ms: number): void
  /** Asks as this process; the answer is `<question> <n>`, where n counts what was asked. */
  ask(process: number, question: string, maxAgeMs?: number): Promise<string>
}

function bed({ processes: count = 1, slow = 0 } = {}): Bed {
  let now = 1_000_000
  const asked: string[] = []
  const processes = relatives(count).map((siblings) =>
    createAnswers<string>({
      topic: 'test',
      siblings,
      lifeMs: (value) => (value.startsWith('no') ? 2000 : 10_000),
      now: () => now
    })
  )
  return {
    processes,
    asked,
    pass(ms) {
      now += ms
    },
    ask: (process, question, maxAgeMs) =>
      (processes[process] as Answers<string>).get(
        question,
        async () => {
          const answer = `${question} ${asked.push(question)}`
          for (let turn = 0; turn < slow; turn++) await setImmediate()
          return answer
        },
        maxAgeMs
      )
  }
}

t.test('an answer is good for as long as it lives, a refusal shorter', async (t) => {
  const it = bed()
  t.equal(await it.ask(0, 'yes'), 'yes 1')
  t.equal(await it.ask(0, 'no'), 'no 2')
  it.pass(1999)
  t.equal(await it.ask(0, 'yes'), 'yes 1')
  t.equal(await it.ask(0, 'no'), 'no 2')
  it.pass(1)
  t.equal(await it.ask(0, 'no'), 'no 3')
  it.pass(7999)
  t.equal(await it.ask(0, 'yes'), 'yes 1')
  it.pass(1)
  t.equal(it.processes[0]?.peek('yes'), undefined)
  t.equal(await it.ask(0, 'yes'), 'yes 4')
})

t.test('who wants a younger answer gets one', async (t) => {
  const it = bed({ processes: 2 })
  t.equal(await it.ask(0, 'yes'), 'yes 1')
  it.pass(500)
  t.equal(await it.ask(0, 'yes', 501), 'yes 1')
  t.equal(await it.ask(0, 'yes', 500), 'yes 2')
  t.equal(await it.ask(1, 'yes', 100), 'yes 2', 'its sibling just asked')
  t.equal(await it.ask(1, 'yes', 0), 'yes 3')
})

t.test('many who want one that is asked after they came share it', async (t) => {
  const it = bed({ slow: 20 })
  const before = it.ask(0, 'yes', 0)
  await setImmediate()
  it.pass(1)
  const all = await Promise.all(Array.from({ length: 100 }, () => it.ask(0, 'yes', 0)))
  t.equal(await before, 'yes 1')
  t.strictSame(new Set(all), new Set(['yes 2']))
})

t.test('who wants one of this moment does not wait for siblings', async (t) => {
  const { promise: never } = Promise.withResolvers<string[]>()
  const siblings = { ask: () => never, onQuestion: () => {} }
  const answers = createAnswers<string>({ topic: 'test', siblings, lifeMs: () => 10_000 })
  t.equal(await answers.get('q', async () => 'yes', 0), 'yes')
})

async function everybodyAsks(t: Test, processes: number): Promise<void> {
  const it = bed({ processes, slow: 20 })
  const all = Array.from({ length: 100 }, (_, index) => it.ask(index % processes, 'yes'))
  t.strictSame(await Promise.all(all), Array(100).fill('yes 1'))
  t.equal(it.asked.length, 1, `${processes} processes`)
}

t.test('equal questions asked at once are one call, over all processes', async (t) => {
  for (const processes of [1, 2, 3, 4, 8]) await everybodyAsks(t, processes)
})

t.test('what one process knows, its siblings need not ask, and it is no younger for them', async (t) => {
  const it = bed({ processes: 3 })
  await it.ask(2, 'yes')
  it.pass(6000)
  t.equal(await it.ask(0, 'yes'), 'yes 1')
  it.pass(4000)
  t.equal(await it.ask(0, 'yes'), 'yes 2')
})

t.test('a failure is told to all who wait, and not kept', async (t) => {
  const [answers] = bed().processes as [Answers<string>]
  const fail = async (): Promise<string> => {
    await setImmediate()
    throw new Error('API server down')
  }
  const both = await Promise.allSettled([answers.get('q', fail), answers.get('q', fail)])
  t.match(both, [{ status: 'rejected' }, { status: 'rejected' }])
  t.equal(await answers.get('q', async () => 'yes'), 'yes')
})

t.test('a sibling whose own call fails does not stop the one that waits for it', async (t) => {
  const [first, second] = bed({ processes: 2 }).processes as [Answers<string>, Answers<string>]
  const fail = async (): Promise<string> => {
    await setImmediate()
    throw new Error('down')
  }
  const failed = [first.get('q', fail), second.get('q', async () => 'yes')]
  const outcomes = await Promise.allSettled(failed)
  t.match(outcomes[1], { status: 'fulfilled', value: 'yes' })
})
