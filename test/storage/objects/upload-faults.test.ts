import t from 'tap'
import { ObjectNotFound, OffsetConflict } from '../../../storage/driver.ts'
import { ConditionFailed } from '../../../storage/objects/store.ts'
import { bytes, gather, noise, text } from '../bodies.ts'
import { tidyStorage } from './driver-contract.ts'
import { memoryStore } from './memory-store.ts'
import { DOWN, isData, isState, PART, scene, slowly } from './scene.ts'

t.test('an upload is read, and gone on with, over connections that break', async (t) => {
  const { storage, judge } = scene()
  const whole = noise(2 * PART + 500_000)
  await storage.begin('u/data')
  await storage.append('u/data', 0, slowly(whole.subarray(0, 2 * PART - 100_000)))
  judge(({ operation }) => (operation === 'get' ? { cut: 200_000 } : undefined))
  await storage.append('u/data', 2 * PART - 100_000, slowly(whole.subarray(2 * PART - 100_000)))
  t.ok((await gather(storage.readAppended('u/data'))).equals(whole))
  await storage.commit('u/data', whole.length, 'k')
  t.ok((await gather(storage.read('k'))).equals(whole))
})

t.test('case 27: an append that cannot store a part adds nothing, and can be tried again', async (t) => {
  const whole = noise(4 * PART + 9)
  for (let failing = 1; failing <= 6; failing++) {
    const { storage, judge, store } = scene()
    await storage.begin('u/data')
    let puts = 0
    judge((call) => (call.operation === 'put' && ++puts === failing ? { refuse: DOWN } : undefined))
    await t.rejects(storage.append('u/data', 0, slowly(whole)), DOWN, `put ${failing}`)
    t.same(await storage.appended('u/data'), { size: 0, mark: '' })
    t.equal(await storage.append('u/data', 0, slowly(whole)), whole.length)
    await storage.commit('u/data', whole.length, 'k')
    t.ok((await gather(storage.read('k'))).equals(whole))
    await storage.idle()
    t.same(store.keys(), ['k'])
  }
})

t.test('case 28: what was stored, and tried again since the answer was lost, is there once', async (t) => {
  const { storage, judge, another } = scene()
  // So a store sees its own second try: the first has made the object.
  judge((call) => (isState(call) ? { lose: new ConditionFailed(call.key) } : undefined))
  await storage.begin('u/data')
  t.equal(await storage.append('u/data', 0, [bytes('abc')]), 3)
  t.equal(await storage.append('u/data', 3, [bytes('def')]), 6)
  t.same(await another().appended('u/data'), { size: 6, mark: '' })
  t.equal(await text(another().readAppended('u/data')), 'abcdef')
})

t.test('case 28: who does not learn that an append was stored is told where to go on', async (t) => {
  const { storage, judge } = scene()
  await storage.begin('u/data')
  judge((call) => (isState(call) ? { lose: DOWN } : undefined))
  await t.rejects(storage.append('u/data', 0, [bytes('abc')]), DOWN)
  judge()
  await t.rejects(storage.append('u/data', 0, [bytes('abc')]), new OffsetConflict('u/data', 3))
  t.equal(await storage.append('u/data', 3, [bytes('def')]), 6)
  await storage.commit('u/data', 6, 'k')
  t.equal(await text(storage.read('k')), 'abcdef')
})

t.test('case 38: a commit that fails leaves its target as it was, and can be tried again', async (t) => {
  const { storage, judge } = scene()
  await storage.write('k', [bytes('former')])
  await storage.begin('u/data')
  await storage.append('u/data', 0, slowly(noise(2 * PART + 9)))
  judge(({ operation }) => (operation === 'assemble' ? { refuse: DOWN } : undefined))
  await t.rejects(storage.commit('u/data', 2 * PART + 9, 'k'), DOWN)
  t.equal(await text(storage.read('k')), 'former')
  judge()
  await storage.commit('u/data', 2 * PART + 9, 'k')
  t.equal(await storage.size('k'), 2 * PART + 9)
})

t.test('case 39: a commit whose clean-up fails is done, and the next purge cleans up', async (t) => {
  for (const operation of ['delete', 'list', 'deleteAll']) {
    const { storage, judge, store, warnings } = scene()
    await storage.begin('u/data')
    await storage.append('u/data', 0, [bytes('abc')])
    judge((call) => (call.operation === operation ? { refuse: DOWN } : undefined))
    await storage.commit('u/data', 3, 'k')
    await storage.idle()
    t.equal(warnings.length, 1)
    judge()
    t.equal(await text(storage.read('k')), 'abc')
    const later = new Date(Date.now() + 60_000)
    t.equal(await storage.tidy(later), operation === 'delete' ? 1 : 0, 'what was ended is no upload')
    t.same(store.keys(), ['k'])
  }
})

t.test('an upload of which a lifecycle rule has removed something is not there any more', async (t) => {
  for (const isAll of [false, true]) {
    const { store } = scene()
    const open = () => tidyStorage(store.sharing(), { chunkSize: PART })
    const storage = open()
    await storage.begin('u/data')
    await storage.append('u/data', 0, slowly(noise(PART + 9)))
    const data = store.keys().filter((key) => key.includes('/d/'))
    await store.deleteAll(isAll ? store.keys() : data.slice(-1))
    for (const client of [open(), storage]) {
      await t.rejects(gather(client.readAppended('u/data')), ObjectNotFound)
      await t.rejects(client.commit('u/data', PART + 9, 'k'), ObjectNotFound)
      if (isAll) await t.rejects(client.append('u/data', PART + 9, [bytes('x')]), ObjectNotFound)
      else await t.rejects(client.append('u/data', PART + 9, [noise(PART)]), ObjectNotFound)
    }
    t.equal(await storage.size('k'), undefined)
  }
})

t.test('who goes on at an old offset is told so before its body is read', async (t) => {
  const { storage, another } = scene()
  await storage.begin('u/data')
  await storage.append('u/data', 0, [bytes('abc')])
  await another().append('u/data', 3, [bytes('def')])
  let isRead = false
  async function* body() {
    isRead = true
    yield bytes('x')
  }
  await t.rejects(storage.append('u/data', 3, body()), new OffsetConflict('u/data', 6))
  t.notOk(isRead)
})

t.test('case 20: whoever is late at an offset has put its bytes where nobody looks', async (t) => {
  const { storage, judge, another, store } = scene()
  await storage.begin('u/data')
  const held = Promise.withResolvers<void>()
  let isFirst = true
  judge((call) => {
    if (!isFirst || !isData(call)) return undefined
    isFirst = false
    return { after: held.promise }
  })
  const late = t.rejects(
    storage.append('u/data', 0, slowly(noise(2 * PART))),
    new OffsetConflict('u/data', 3)
  )
  while (!store.calls.some(isData)) await new Promise(setImmediate)
  t.equal(await another().append('u/data', 0, [bytes('abc')]), 3)
  held.resolve()
  await late
  t.equal(await text(storage.readAppended('u/data')), 'abc')
  await storage.commit('u/data', 3, 'k')
  await storage.idle()
  t.same(store.keys(), ['k'])
})

t.test('case 23, 26: uploads, drafts and parts that nobody finished are gone after a purge', async (t) => {
  const { storage, store, another } = scene()
  for (let i = 0; i < 40; i++) {
    await storage.begin(`u/${i}`)
    await storage.append(`u/${i}`, 0, [bytes('abc')])
  }
  await store.put('@drafts/some/1', [bytes('x')])
  await store.parts?.('k')
  await storage.write('k', [bytes('k')])
  t.equal(await another().tidy(new Date(Date.now() - 60_000)), 0)
  t.equal(store.keys().length, 122)
  t.equal(await another().tidy(new Date(Date.now() + 60_000)), 40)
  t.same(store.keys(), ['k'])
  t.equal(store.pendingParts(), 0)
})

t.test(
  'an append that ends while its upload is abandoned elsewhere is told so, and leaves nothing',
  async (t) => {
    const { store, judge } = scene()
    const open = () => tidyStorage(store.sharing(), { chunkSize: PART })
    const [storage, another] = [open(), open()]
    await storage.begin('u/data')
    await storage.append('u/data', 0, [bytes('abc')])
    const removal = Promise.withResolvers<void>()
    const listed = Promise.withResolvers<void>()
    judge(({ operation }) => {
      if (operation !== 'deleteAll') return undefined
      listed.resolve()
      return { after: removal.promise }
    })
    const abandoned = another.abandon('u/data')
    await listed.promise
    await t.rejects(storage.append('u/data', 3, [bytes('def')]), ObjectNotFound)
    removal.resolve()
    await abandoned
    await storage.begin('u/data')
    t.same(store.keys().length, 1, 'but the new one')
  }
)

t.test('an upload that goes on for ever keeps what it needs, and no more', async (t) => {
  let now = 0
  const store = memoryStore({ now: () => new Date(now) })
  const storage = tidyStorage(store, { chunkSize: 100 })
  const whole = noise(450)
  await storage.begin('u/data')
  for (let size = 0; size < whole.length; size++) {
    now += 1000
    await storage.append('u/data', size, [whole.subarray(size, size + 1)], (size) => `m${size}`)
  }
  const all = store.keys().length
  t.equal(await storage.tidy(new Date(now - 10_000), () => false), 0)
  t.equal(store.keys().length, all)
  t.equal(await storage.tidy(new Date(now - 10_000)), 0)
  t.ok(store.keys().length < 60, `${store.keys().length} of ${all}`)
  t.same(await tidyStorage(store.sharing()).appended('u/data'), { size: 450, mark: 'm450' })
  t.ok((await gather(storage.readAppended('u/data'))).equals(whole))
  t.equal(await storage.append('u/data', 450, [bytes('!')]), 451)
  await storage.commit('u/data', 451, 'k')
  t.equal(await storage.size('k'), 451)
  t.same(store.keys(), ['k'])
})

t.test('a body that comes for longer than the age of what is purged loses nothing', async (t) => {
  let now = 0
  const store = memoryStore({ now: () => new Date(now) })
  const storage = tidyStorage(store, { chunkSize: 100 })
  const whole = noise(40_000)
  await storage.begin('u/data')
  async function* body(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < whole.length; at += 100) {
      now += 1000
      yield Buffer.from(whole.subarray(at, at + 100))
    }
    t.equal(await tidyStorage(store.sharing()).tidy(new Date(now - 60_000)), 0)
    yield bytes('the end')
  }
  await storage.append('u/data', 0, body())
  await storage.commit('u/data', 40_007, 'k')
  t.ok((await gather(storage.read('k'))).subarray(0, 40_000).equals(whole))
})
