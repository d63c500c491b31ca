import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { createLine } from '../../src/kubernetes/line.ts'

/** Tasks that end when told to. */
function tasks() {
  const begun: string[] = []
  const ends = new Map<string, () => void>()
  return {
    begun,
    task: (name: string) => () => {
      begun.push(name)
      return new Promise<string>((resolve) => ends.set(name, () => resolve(name)))
    },
    end: (name: string) => ends.get(name)?.()
  }
}

t.test('so many run at once, the rest in the order in which they came', async (t) => {
  const line = createLine(2, 10)
  const { begun, task, end } = tasks()
  const all = ['a', 'b', 'c', 'd'].map((name) => line.run(task(name), 60_000))
  await setImmediate()
  t.strictSame(begun, ['a', 'b'])
  end('b')
  end('a')
  await setImmediate()
  t.strictSame(begun, ['a', 'b', 'c', 'd'])
  end('c')
  end('d')
  t.strictSame(await Promise.all(all), ['a', 'b', 'c', 'd'])
})

t.test('who comes as a place becomes free does not slip in before who waited', async (t) => {
  const line = createLine(1, 10)
  const { begun, task, end } = tasks()
  const first = line.run(task('a'), 60_000).then(() => line.run(task('late'), 60_000))
  const second = line.run(task('b'), 60_000)
  await setImmediate()
  end('a')
  await setImmediate()
  t.strictSame(begun, ['a', 'b'])
  end('b')
  await setImmediate()
  end('late')
  await Promise.all([first, second])
})

t.test('a task that fails gives its place on', async (t) => {
  const line = createLine(1, 10)
  const failing = line.run(() => Promise.reject(new Error('broken')), 60_000)
  const next = line.run(async () => 'next', 60_000)
  await t.rejects(failing, { message: 'broken' })
  t.equal(await next, 'next')
})

t.test('a full line turns away at once, a slow one after a while', async (t) => {
  const line = createLine(1, 1)
  const { task, end } = tasks()
  const running = line.run(task('a'), 60_000)
  const waiting = line.run(task('b'), 1)
  await t.rejects(line.run(task('c'), 60_000), {
    name: 'LineError',
    message: 'too many calls: 1 run and 1 wait already'
  })
  await t.rejects(waiting, { name: 'LineError', message: /no turn within 1 ms/ })
  const other = line.run(task('d'), 60_000)
  end('a')
  await setImmediate()
  end('d')
  t.strictSame(await Promise.all([running, other]), ['a', 'd'])
})

t.test('closing turns away who waits and who comes', async (t) => {
  const line = createLine(1, 10)
  const { task, end } = tasks()
  const running = line.run(task('a'), 60_000)
  const waiting = line.run(task('b'), 60_000)
  await setImmediate()
  line.close()
  await t.rejects(waiting, { name: 'LineError' })
  end('a')
  t.equal(await running, 'a')
  await t.rejects(line.run(task('c'), 60_000), { name: 'LineError' })
})
