import t from 'tap'
import { createLatest } from '../../../storage/gcs/latest.ts'
import { bytes } from '../bodies.ts'
import { textOf } from '../objects/contract/whole-objects.ts'
import { fakeStore, faultsFor, isPut, refusal } from './support.ts'

/** Puts that end when they are told to. */
function slowPuts() {
  const begun: { key: string; value: number; end: PromiseWithResolvers<void> }[] = []
  const put = createLatest<number>(async (key, value) => {
    const end = Promise.withResolvers<void>()
    begun.push({ key, value, end })
    return end.promise
  })
  const turn = async () => new Promise((resolve) => setImmediate(resolve))
  return { begun, put, turn, values: () => begun.map(({ key, value }) => `${key}${value}`) }
}

t.test('of what waits for one key only the last is put', async (t) => {
  const { begun, put, turn, values } = slowPuts()
  const ended: number[] = []
  const puts = [1, 2, 3, 4].map(async (value) => put('a', value).then(() => ended.push(value)))
  void put('b', 9)
  await turn()
  t.strictSame(values(), ['a1', 'b9'], 'other keys do not wait')
  begun[0]?.end.resolve()
  await turn()
  t.strictSame([values(), ended], [['a1', 'b9', 'a4'], [1]])
  const later = put('a', 5)
  begun[2]?.end.resolve()
  await Promise.all(puts)
  t.strictSame(ended, [1, 2, 3, 4])
  await turn()
  begun[3]?.end.resolve()
  await later
  t.strictSame(values(), ['a1', 'b9', 'a4', 'a5'])
})

t.test('a put that fails, fails for those only that it was for', async (t) => {
  const { begun, put, turn } = slowPuts()
  const first = t.rejects(put('a', 1), { message: 'one' })
  const [second, third] = [put('a', 2), put('a', 3)]
  await turn()
  begun[0]?.end.reject(new Error('one'))
  await first
  await turn()
  begun[1]?.end.resolve()
  await Promise.all([second, third])
  const fourth = t.rejects(put('a', 4), { message: 'four' })
  await turn()
  begun[2]?.end.reject(new Error('four'))
  await fourth
  t.equal(begun.length, 3)
})

t.test('a hundred that put one object at once take two calls', async (t) => {
  const { store, fake } = await fakeStore(t)
  await Promise.all(Array.from({ length: 100 }, async (_, i) => store.put('tag', [bytes(`${i}`)])))
  t.equal(await textOf(store, 'tag'), '99')
  t.equal(fake.requests.filter(isPut).length, 2)
})

t.test('an object that others put all the time is asked for longer, and then given up', async (t) => {
  const { store, fake } = await fakeStore(t)
  const busy = refusal(429, 'The object images/tag exceeded the rate limit', 'rateLimitExceeded')
  fake.fault = faultsFor(isPut, 12, busy)
  await store.put('tag', [bytes('x')])
  t.equal(fake.requests.length, 13)
  fake.fault = () => busy
  fake.requests.length = 0
  await t.rejects(store.put('tag', [bytes('x')]), { name: 'StorageUnavailable', message: /429/ })
  t.equal(fake.requests.length, 15)
})
