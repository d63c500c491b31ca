import t from 'tap'
import { inParallel } from '../../storage/parallel.ts'

t.test('some are mapped at once, and none is under way when it has ended', async (t) => {
  let [running, most] = [0, 0]
  const map = async (i: number): Promise<number> => {
    most = Math.max(most, ++running)
    await new Promise((resolve) => setImmediate(resolve))
    running--
    if (i === 7) throw new Error('seven')
    return i * 2
  }
  t.strictSame(await inParallel([1, 2, 3, 4, 5], 2, map), [2, 4, 6, 8, 10])
  t.equal(most, 2)
  await t.rejects(inParallel([6, 7, 8, 9, 10, 11], 3, map), { message: 'seven' })
  t.equal(running, 0)
  let begun = 0
  const failing = async (i: number): Promise<number> => {
    begun++
    return map(i)
  }
  await t.rejects(inParallel([7, ...Array(100).keys()], 3, failing))
  t.ok(begun < 10, 'and none is begun after one has failed')
  t.strictSame(await inParallel([], 3, map), [])
})
