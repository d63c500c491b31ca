import t from 'tap'
import { ObjectNotFound } from '../../../storage/driver.ts'
import { mapSome } from '../../../storage/gcs/assemble.ts'
import type { ObjectStore } from '../../../storage/objects/store.ts'
import { bytes } from '../bodies.ts'
import { textOf } from '../objects/contract/whole-objects.ts'
import { fakeStore, refusal } from './support.ts'

async function putPieces(store: ObjectStore, count: number) {
  const texts = Array.from({ length: count }, (_, i) => `${i}.`)
  const pieces = texts.map((text, i) => ({ key: `@p/${i}`, size: text.length }))
  await mapSome(texts, 16, async (text) => store.put(`@p/${Number.parseInt(text, 10)}`, [bytes(text)]))
  return { pieces, whole: texts.join('') }
}

t.test('any number of pieces is joined in their order, and nothing else stays', async (t) => {
  for (const [count, calls] of [
    [32, 1],
    [33, 2],
    [65, 3],
    [1024, 33],
    [1025, 34]
  ] as const) {
    const { store, fake, told } = await fakeStore(t)
    const { pieces, whole } = await putPieces(store, count)
    await store.assemble('k', pieces)
    t.equal(await textOf(store, 'k'), whole, `${count} pieces`)
    t.strictSame([...fake.objects.keys()].sort(), [...pieces.map(({ key }) => key), 'k'].sort())
    t.equal(told.calls.filter((call) => call === 'compose').length, calls, `${calls} calls compose them`)
  }
})

t.test('case 38: a composing that fails leaves the target as it was, and no intermediate', async (t) => {
  const { store, fake } = await fakeStore(t)
  const { pieces } = await putPieces(store, 100)
  await store.put('k', [bytes('former')])
  let composed = 0
  fake.fault = ({ path }) =>
    path.endsWith('/compose') && ++composed === 3 ? refusal(400, 'no', 'invalid') : undefined
  await t.rejects(store.assemble('k', pieces), { name: 'StorageUnavailable' })
  await store.delete('@p/77')
  await t.rejects(store.assemble('k', pieces), ObjectNotFound)
  t.equal(await textOf(store, 'k'), 'former')
  t.strictSame(
    [...fake.objects.keys()].filter((key) => !key.startsWith('@p/')),
    ['k']
  )
})

t.test('a whole of another size than its pieces is an error', async (t) => {
  const { store } = await fakeStore(t)
  await store.put('a', [bytes('12345')])
  await t.rejects(store.assemble('k', [{ key: 'a', size: 4 }]), {
    name: 'StorageUnavailable',
    message: /k of 5 bytes, and its pieces have 4/
  })
})

t.test('some are mapped at once, and none is under way when it has ended', async (t) => {
  let [running, most] = [0, 0]
  const map = async (i: number): Promise<number> => {
    most = Math.max(most, ++running)
    await new Promise((resolve) => setImmediate(resolve))
    running--
    if (i === 7) throw new Error('seven')
    return i * 2
  }
  t.strictSame(await mapSome([1, 2, 3, 4, 5], 2, map), [2, 4, 6, 8, 10])
  t.equal(most, 2)
  await t.rejects(mapSome([6, 7, 8, 9, 10, 11], 3, map), { message: 'seven' })
  t.equal(running, 0)
  let begun = 0
  const failing = async (i: number): Promise<number> => {
    begun++
    return map(i)
  }
  await t.rejects(mapSome([7, ...Array(100).keys()], 3, failing))
  t.ok(begun < 10, 'and none is begun after one has failed')
  t.strictSame(await mapSome([], 3, map), [])
})
