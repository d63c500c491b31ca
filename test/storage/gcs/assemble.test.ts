import t from 'tap'
import { ObjectNotFound } from '../../../storage/driver.ts'
import type { ObjectStore } from '../../../storage/objects/store.ts'
import { inParallel } from '../../../storage/parallel.ts'
import { bytes } from '../bodies.ts'
import { textOf } from '../objects/contract/whole-objects.ts'
import { fakeStore, refusal } from './support.ts'

async function putPieces(store: ObjectStore, count: number) {
  const texts = Array.from({ length: count }, (_, i) => `${i}.`)
  const pieces = texts.map((text, i) => ({ key: `@p/${i}`, size: text.length }))
  await inParallel(texts, 16, async (text) => store.put(`@p/${Number.parseInt(text, 10)}`, [bytes(text)]))
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
