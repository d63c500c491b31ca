import t from 'tap'
import type { Body } from '../../../storage/driver.ts'
import { objectStorage } from '../../../storage/objects/object-storage.ts'
import { bytes, gather, noise, pieces, text } from '../bodies.ts'
import { MIB } from './driver-contract.ts'
import { type MemoryStoreOptions, memoryStore } from './memory-store.ts'

const PART = MIB

/** A driver, another one on the same store, and which calls of the store something costs before it is answered. */
function scene(options: MemoryStoreOptions = {}) {
  const store = memoryStore(options)
  const open = (mine = store) => {
    return objectStorage(mine, { chunkSize: PART, memory: 8 * MIB, log: { warn: () => {} }, now: () => 0 })
  }
  const storage = open()
  /** Such as `2 put, 1 list`. What is cleaned up after the answer does not count. */
  async function costOf(work: () => Promise<unknown>): Promise<string> {
    await storage.idle()
    store.calls.length = 0
    await work()
    const counts = new Map<string, number>()
    for (const { operation } of store.calls) counts.set(operation, (counts.get(operation) ?? 0) + 1)
    await storage.idle()
    return [...counts].map(([operation, count]) => `${count} ${operation}`).join(', ')
  }
  return { store, storage, costOf, another: () => open(store.sharing()) }
}

async function* slowly(whole: Buffer): AsyncGenerator<Uint8Array> {
  yield* pieces(whole, 65_536)
}

t.test('a small object costs one call, whatever is done with it', async (t) => {
  const { storage, costOf } = scene()
  t.equal(await costOf(() => storage.write('a/k', [bytes('k')])), '1 put')
  t.equal(await costOf(() => storage.write('a/l', slowly(noise(PART - 1)))), '1 put')
  t.equal(await costOf(() => storage.size('a/k')), '1 head')
  t.equal(await costOf(() => text(storage.read('a/k'))), '1 get')
  t.equal(await costOf(() => gather(storage.read('a/l', { start: 5, end: 9 }))), '1 get')
  t.equal(await costOf(() => storage.probe()), '1 list')
})

t.test('a large object costs a call for each part, one before and one after', async (t) => {
  for (const [size, calls] of [
    [PART, '1 startParts, 1 putPart, 1 complete'],
    [PART + 1, '1 startParts, 2 putPart, 1 complete'],
    [4 * PART, '1 startParts, 4 putPart, 1 complete']
  ] as const) {
    const { storage, costOf } = scene()
    t.equal(await costOf(() => storage.write('k', slowly(noise(size)))), calls)
  }
  const { store, storage, costOf } = scene({ hasParts: false })
  t.equal(await costOf(() => storage.write('k', slowly(noise(2 * PART + 1)))), '3 put, 1 assemble')
  t.same(store.keys(), ['k'])
})

t.test('a small upload costs one call to begin, two to append and one to commit', async (t) => {
  const { store, storage, costOf } = scene()
  t.equal(await costOf(() => storage.begin('u/data', 'm')), '1 put')
  t.equal(await costOf(() => storage.append('u/data', 0, slowly(noise(1000)))), '2 put')
  t.equal(await costOf(() => storage.commit('u/data', 1000, 'k')), '1 assemble')
  t.same(store.keys(), ['k'], 'and nothing stays behind')
})

t.test('what an upload leaves is removed in three calls, after the answer', async (t) => {
  const { store, storage, costOf } = scene()
  await storage.begin('u/data')
  await storage.append('u/data', 0, slowly(noise(1000)))
  await costOf(() => storage.commit('u/data', 1000, 'k'))
  const after = store.calls.map(({ operation }) => operation)
  t.same(after, ['assemble', 'delete', 'list', 'deleteAll'])
})

t.test('an upload of one append costs a call for each part and one more', async (t) => {
  const { storage, costOf } = scene()
  await storage.begin('u/data')
  t.equal(await costOf(() => storage.append('u/data', 0, slowly(noise(3 * PART)))), '4 put')
  await storage.begin('v/data')
  t.equal(await costOf(() => storage.append('v/data', 0, slowly(noise(3 * PART + 1)))), '5 put')
  t.equal(await costOf(() => storage.commit('v/data', 3 * PART + 1, 'k')), '1 assemble')
})

t.test('later appends cost a list more, and what is read back once a part is full', async (t) => {
  const { storage, costOf } = scene()
  await storage.begin('u/data')
  const whole = noise(PART + 200_000)
  let offset = 0
  async function append(size: number): Promise<void> {
    offset = await storage.append('u/data', offset, slowly(whole.subarray(offset, offset + size)))
  }
  t.equal(await costOf(() => append(100_000)), '2 put')
  for (let i = 0; i < 2; i++) t.equal(await costOf(() => append(100_000)), '1 list, 2 put')
  const more = await costOf(() => append(PART - 200_000))
  t.equal(more, '1 list, 3 get, 3 put', 'the rest of the part, and some more')
  t.equal(await costOf(() => append(100_000)), '1 list, 2 put')
  t.equal(await costOf(() => storage.commit('u/data', offset, 'k')), '2 get, 1 put, 1 assemble')
  t.ok((await gather(storage.read('k'))).equals(whole))
})

t.test('many tiny appends are put together now and then, and at the end', async (t) => {
  const { storage, costOf } = scene()
  await storage.begin('u/data')
  const costs = new Set<string>()
  for (let i = 0; i < 100; i++) {
    costs.add(await costOf(() => storage.append('u/data', i * 10, [noise(10, i)])))
  }
  t.same([...costs], ['2 put', '1 list, 2 put', '1 list, 32 get, 2 put'])
  t.equal(await costOf(() => storage.commit('u/data', 1000, 'k')), '4 get, 1 put')
  t.ok(
    (await gather(storage.read('k'))).equals(
      Buffer.concat(Array.from({ length: 100 }, (_, i) => noise(10, i)))
    )
  )
})

t.test('another process finds an upload with a list and a read, and the same with a list', async (t) => {
  const { storage, costOf, another, store } = scene()
  await storage.begin('u/data')
  await storage.append('u/data', 0, [bytes('abc')])
  t.equal(await costOf(() => storage.appended('u/data')), '1 list')
  const other = another()
  t.same(await other.appended('u/data'), { size: 3, mark: '' })
  t.equal(await costOf(() => storage.appended('never')), '1 list')
  t.equal(store.calls.length, 1)
})

t.test('a removal costs a look and a call', async (t) => {
  const { storage, costOf } = scene()
  await storage.write('a/k', [bytes('k')])
  t.equal(await costOf(() => storage.delete('a/k')), '1 head, 1 delete')
  t.equal(await costOf(() => storage.delete('a/k')), '1 head')
  await storage.write('a/k', [bytes('k')])
  t.equal(await costOf(() => storage.delete('a/k', { expected: 'other' })), '1 get')
  t.equal(await costOf(() => storage.delete('a/k', { expected: 'k', within: 'a' })), '1 get, 1 delete')
})

t.test('a folder is deleted by the thousand', async (t) => {
  const { store, storage, costOf } = scene()
  await Promise.all(Array.from({ length: 2_500 }, (_, i) => store.put(`a/${i}/k`, [])))
  t.equal(await costOf(() => storage.deleteFolder('a')), '3 list, 3 deleteAll')
})

t.test('a page of a list costs one call, wherever it begins and whatever lies below', async (t) => {
  const { store, storage, costOf } = scene()
  const names = Array.from({ length: 5_000 }, (_, i) => `n${10_000 + i}`)
  await Promise.all(names.flatMap((name) => [1, 2].map((i) => store.put(`a/${name}/${i}/link`, []))))
  for (const after of [undefined, 'n10500', 'n12344', 'n14000']) {
    t.equal(await costOf(() => storage.list('a', { limit: 100, ...(after && { after }) })), '1 list')
  }
  t.equal(await costOf(() => storage.list('a', { limit: 2_000 })), '2 list')
  t.equal(await costOf(() => storage.list('a')), '5 list')
})

t.test('a store whose lists cannot begin after a key is read through by the thousand', async (t) => {
  const { store, storage, costOf } = scene({ hasAfter: false })
  const names = Array.from({ length: 5_000 }, (_, i) => `n${10_000 + i}`)
  await Promise.all(names.map((name) => store.put(`a/${name}/link`, [])))
  t.equal(await costOf(() => storage.list('a', { limit: 10, after: 'n14000' })), '5 list')
  t.same(await storage.list('a', { limit: 10, after: 'n14000' }), names.slice(4_001, 4_011))
  t.equal(await costOf(() => storage.list('a', { limit: 10 })), '1 list')
})

t.test(
  'a page that ends in the middle of names with dashes and dots asks for those that begin them',
  async (t) => {
    const { store, storage, costOf } = scene()
    const names = ['v1', ...Array.from({ length: 3_000 }, (_, i) => `v1.${10_000 + i}-x`)]
    await Promise.all(names.map((name) => store.put(`a/${name}/link`, [])))
    t.equal(await costOf(() => storage.list('a', { limit: 100 })), '2 list')
    t.same(await storage.list('a', { limit: 3 }), names.slice(0, 3))
    t.same(await storage.list('a', { limit: 2, after: 'v1' }), names.slice(1, 3))
    t.same(await storage.list('a', { limit: 2, after: 'v' }), names.slice(0, 2))
  }
)

t.test('what is refused costs no call', async (t) => {
  const { storage, costOf } = scene()
  await storage.begin('u/data')
  const body: Body = [bytes('x')]
  for (const work of [
    () => storage.write('a@b', body),
    () => storage.size(''),
    () => storage.list('a//b'),
    () => text(storage.read('../a')),
    () => storage.commit('u/data', 0, 'a b')
  ]) {
    t.equal(await costOf(() => work().catch(() => {})), '')
  }
})
