import t from 'tap'
import { StorageUnavailable } from '../../../storage/driver.ts'
import { readObject } from '../../../storage/objects/reading.ts'
import type { Opened } from '../../../storage/objects/store.ts'
import { bytes, gather, noise, text } from '../bodies.ts'
import { DOWN, PART, scene, slowly } from './scene.ts'

t.test('case 8: a store that is down is never "not found"', async (t) => {
  const { storage, judge } = scene()
  judge(() => ({ refuse: DOWN }))
  const works: (() => Promise<unknown>)[] = [
    () => storage.size('k'),
    () => text(storage.read('k')),
    () => storage.write('k', [bytes('k')]),
    () => storage.write('k', slowly(noise(3 * PART))),
    () => storage.begin('u/data'),
    () => storage.append('u/data', 0, [bytes('x')]),
    () => storage.appended('u/data'),
    () => text(storage.readAppended('u/data')),
    () => storage.commit('u/data', 0, 'k'),
    () => storage.abandon('u/data'),
    () => storage.delete('k'),
    () => storage.delete('k', { expected: 'k' }),
    () => storage.deleteFolder('k'),
    () => storage.list('k'),
    () => storage.tidy(new Date()),
    () => storage.probe(),
    () => storage.probeWrite()
  ]
  for (const work of works) await t.rejects(work(), DOWN, String(work))
})

t.test('case 15: a read goes on where its connection broke or ended too early', async (t) => {
  const whole = noise(3 * PART)
  for (const isSilent of [false, true]) {
    const { storage, store, judge } = scene()
    await storage.write('k', [whole])
    store.calls.length = 0
    judge(({ operation }) => (operation === 'get' ? { cut: 700_000, isSilent } : undefined))
    t.ok((await gather(storage.read('k'))).equals(whole))
    t.equal(store.calls.length, 5)
    const range = { start: 12_345, end: 2_000_000 }
    t.ok((await gather(storage.read('k', range))).equals(whole.subarray(12_345, 2_000_001)))
  }
})

t.test('case 15: a read whose connections bring nothing ends, and says why', async (t) => {
  const { storage, store, judge } = scene()
  await storage.write('k', [noise(PART)])
  store.calls.length = 0
  judge(() => ({ cut: 0 }))
  const error = await gather(storage.read('k')).catch((error) => error)
  t.type(error, StorageUnavailable)
  t.match(error.cause, { code: 'ECONNRESET' })
  t.equal(store.calls.length, 5)
})

t.test('a conditional removal whose look breaks off removes nothing, and is an outage', async (t) => {
  const { storage, judge } = scene()
  await storage.write('k', [bytes('former')])
  judge(({ operation }) => (operation === 'get' ? { cut: 3 } : undefined))
  await t.rejects(storage.delete('k', { expected: 'former' }), StorageUnavailable)
  judge()
  t.equal(await text(storage.read('k')), 'former')
})

t.test('case 16: a read does not go on with another object', async (t) => {
  for (const change of ['write', 'delete'] as const) {
    const { storage, judge } = scene()
    await storage.write('k', [noise(PART, 1)])
    judge(({ operation }) => (operation === 'get' ? { cut: 300_000 } : undefined))
    const reader = storage.read('k')[Symbol.asyncIterator]()
    await reader.next()
    if (change === 'write') await storage.write('k', [noise(PART, 2)])
    else await storage.delete('k')
    async function rest() {
      while (!(await reader.next()).done);
    }
    await t.rejects(rest(), StorageUnavailable)
  }
})

t.test('a read leaves a store that gives another object than the one that was asked for', async (t) => {
  const { store } = scene()
  let [left, count] = [0, 0]
  async function* chunks() {
    try {
      yield bytes('one')
      if (count > 1) yield bytes('two')
      throw new Error('cut')
    } finally {
      left++
    }
  }
  const get = async (): Promise<Opened> => ({ size: 6, version: `v${++count}`, chunks: chunks() })
  await t.rejects(gather(readObject({ ...store, get }, 'k')), { message: /was replaced or deleted/ })
  t.strictSame([count, left], [2, 2])
})

t.test('an object that is replaced whenever it is to be deleted is an outage', async (t) => {
  const { storage, store, judge } = scene()
  await storage.write('k', [bytes('former')])
  const others = store.sharing({})
  judge(({ operation }) =>
    operation === 'delete' ? { after: others.put('k', [bytes('newer')]) } : undefined
  )
  await t.rejects(storage.delete('k'), StorageUnavailable)
  t.equal(await text(storage.read('k')), 'newer')
})

t.test('case 27: a write that cannot store a part changes nothing, and leaves nothing', async (t) => {
  for (const hasParts of [true, false]) {
    for (let failing = 1; failing <= 5; failing++) {
      const { storage, judge, store } = scene(hasParts)
      await storage.write('k', [bytes('former')])
      let calls = 0
      const parts = ['startParts', 'putPart', 'complete', 'put', 'assemble']
      judge(({ operation }) =>
        parts.includes(operation) && ++calls === failing ? { refuse: DOWN } : undefined
      )
      await t.rejects(storage.write('k', slowly(noise(3 * PART + 9))), DOWN)
      await storage.idle()
      t.same(store.keys(), ['k'])
      t.equal(store.pendingParts(), 0)
      t.equal(await text(storage.read('k')), 'former')
    }
  }
})

t.test('case 41: a folder of which not all could be deleted can be deleted again', async (t) => {
  const { storage, judge } = scene()
  await Promise.all(Array.from({ length: 1_200 }, (_, i) => storage.write(`a/${i}`, [])))
  let batches = 0
  judge(({ operation }) => (operation === 'deleteAll' && ++batches === 2 ? { refuse: DOWN } : undefined))
  await t.rejects(storage.deleteFolder('a'), DOWN)
  t.equal((await storage.list('a')).length, 200)
  await storage.deleteFolder('a')
  t.same(await storage.list('a'), [])
})
