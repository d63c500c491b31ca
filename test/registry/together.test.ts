import t from 'tap'
import { createTogether } from '../../src/registry/together.ts'
import { A, digestOf, imageOf, push, V1, world } from './support.ts'

/** Looks that end when they are told to. */
function looks() {
  const begun: { key: string; end: PromiseWithResolvers<string> }[] = []
  const together = createTogether<string>()
  const ask = (key: string): Promise<string> =>
    together.ask(key, () => {
      const end = Promise.withResolvers<string>()
      begun.push({ key, end })
      return end.promise
    })
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
  return { ask, begun, settle }
}

t.test('nobody is given a look that had begun before they asked', async (t) => {
  const { ask, begun, settle } = looks()
  const first = ask('k')
  const [second, third] = [ask('k'), ask('k')]
  t.equal(begun.length, 1)
  begun[0]?.end.resolve('old')
  t.equal(await first, 'old')
  await settle()
  t.equal(begun.length, 2, 'one look for all who came during the first')
  const fourth = ask('k')
  begun[1]?.end.resolve('new')
  t.strictSame(await Promise.all([second, third]), ['new', 'new'])
  await settle()
  t.equal(begun.length, 3)
  begun[2]?.end.resolve('newest')
  t.equal(await fourth, 'newest')
  await settle()
  ask('k')
  t.equal(begun.length, 4, 'and nothing is kept')
})

t.test('keys do not wait for one another', async (t) => {
  const { ask, begun } = looks()
  ask('a')
  ask('b')
  t.strictSame(
    begun.map(({ key }) => key),
    ['a', 'b']
  )
})

t.test('a look that fails is told to those who shared it, and the next begins all the same', async (t) => {
  const { ask, begun, settle } = looks()
  const [first, second] = [ask('k'), ask('k')]
  begun[0]?.end.reject(new Error('disk on fire'))
  await t.rejects(first, { message: 'disk on fire' })
  await settle()
  begun[1]?.end.resolve('fine')
  t.equal(await second, 'fine')
})

t.test('many who pull one image at the same moment cost storage as much as two', async (t) => {
  const it = world()
  const image = await imageOf(it.registry, A, 'layer')
  await push(it.registry, A, image, V1)
  const { manifests, blobs } = it.fresh()
  const calls: string[] = []
  it.before((call) => {
    calls.push(call)
  })
  const many = Array.from({ length: 100 })
  const pulled = await Promise.all(many.map(() => manifests.get(A, V1)))
  t.strictSame(new Set(pulled.map(({ digest }) => digest)), new Set([digestOf(image)]))
  const found = await Promise.all(many.map(() => blobs.get(A, digestOf('layer'))))
  t.strictSame(new Set(found.map(({ size }) => size)), new Set([5]))
  for (const call of calls) t.ok(calls.filter((other) => other === call).length <= 2, call)
})
