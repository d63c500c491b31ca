import t from 'tap'
import { ObjectNotFound, OffsetConflict } from '../../../storage/driver.ts'
import { type ObjectStorage, objectStorage } from '../../../storage/objects/object-storage.ts'
import { gather, noise, pieces } from '../bodies.ts'
import { MIB } from './driver-contract.ts'
import { type MemoryStore, memoryStore } from './memory-store.ts'

/** So small that a body takes several. */
const PART = 100_000

const open = (store: MemoryStore): ObjectStorage =>
  objectStorage(store, { chunkSize: PART, memory: MIB, log: { warn: () => {} } })

async function* slowly(whole: Buffer): AsyncGenerator<Uint8Array> {
  yield* pieces(whole, 30_000)
}

/**
 * Does the work once for each call that it makes, and kills the process just before that call. Those under way at that
 * moment are done, as the store has them already.
 */
async function atEachCall(
  hasParts: boolean,
  work: (storage: ObjectStorage) => Promise<unknown>,
  look: (store: MemoryStore, at: string) => Promise<void>
): Promise<number> {
  for (let last = 1; ; last++) {
    const store = memoryStore({ hasParts })
    const dead = Promise.withResolvers<string>()
    const mine = store.sharing({
      hasParts,
      judge({ number, operation, key }) {
        if (number < last) return undefined
        dead.resolve(`killed before call ${number}, ${operation} ${key}`)
        return 'forget'
      }
    })
    const storage = open(mine)
    const done = work(storage).then(() => storage.idle())
    const at = await Promise.race([dead.promise, done])
    if (at === undefined) return last - 1
    for (let i = 0; i < 5; i++) await new Promise(setImmediate)
    await look(store, at)
  }
}

t.test('case 26: an upload killed at any call is absent, exact, or complete', async (t) => {
  const whole = noise(8 * PART + 5)
  const cuts = [0, 10, 2 * PART, 2 * PART + 40_000, 6 * PART + 70_000, whole.length]
  async function push(storage: ObjectStorage): Promise<void> {
    await storage.begin('u/data', 'm0')
    for (const [i, end] of cuts.slice(1).entries()) {
      const start = cuts[i]!
      await storage.append('u/data', start, slowly(whole.subarray(start, end)), (size) => `m${size}`)
    }
    await storage.commit('u/data', whole.length, 'k')
  }
  for (const hasParts of [true, false]) {
    const calls = await atEachCall(hasParts, push, async (store, at) => {
      const storage = open(store)
      const made = await storage.size('k')
      if (made !== undefined) {
        t.ok((await gather(storage.read('k'))).equals(whole), at)
      }
      const state = await storage.appended('u/data')
      if (state === undefined) {
        await t.rejects(storage.append('u/data', 0, []), ObjectNotFound)
      } else if (made === undefined) {
        t.ok(cuts.includes(state.size) && state.mark === `m${state.size}`, `${at}: ${state.size} bytes`)
        t.ok((await gather(storage.readAppended('u/data'))).equals(whole.subarray(0, state.size)))
        await t.rejects(storage.append('u/data', state.size + 1, []), OffsetConflict)
        await storage.append('u/data', state.size, slowly(whole.subarray(state.size)))
        await storage.commit('u/data', whole.length, 'k')
        t.ok((await gather(storage.read('k'))).equals(whole), at)
      }
      await storage.idle()
      await storage.tidy(new Date(Date.now() + 60_000))
      t.same(store.keys(), made === undefined && state === undefined ? [] : ['k'], at)
      t.equal(store.pendingParts(), 0)
    })
    t.ok(calls > 20, `${calls} calls`)
  }
})

t.test('case 26: a write killed at any call leaves the former object or the new one', async (t) => {
  const [former, latter] = [noise(3 * PART, 1), noise(4 * PART + 5, 2)]
  for (const hasParts of [true, false]) {
    const calls = await atEachCall(
      hasParts,
      async (storage) => {
        await storage.write('k', [former])
        await storage.write('k', slowly(latter))
      },
      async (store, at) => {
        const storage = open(store)
        const size = await storage.size('k')
        if (size !== undefined) {
          const content = await gather(storage.read('k'))
          t.ok(content.equals(former) || content.equals(latter), at)
        }
        await storage.tidy(new Date(Date.now() + 60_000))
        t.same(store.keys(), size === undefined ? [] : ['k'], at)
        t.equal(store.pendingParts(), 0)
      }
    )
    t.ok(calls > 6, `${calls} calls`)
  }
})

t.test('case 26: an abandonment killed at any call is not begun, or cannot be undone', async (t) => {
  const calls = await atEachCall(
    true,
    async (storage) => {
      await storage.begin('u/data')
      await storage.append('u/data', 0, slowly(noise(2 * PART + 5)))
      await storage.append('u/data', 2 * PART + 5, slowly(noise(100)))
      await storage.abandon('u/data')
    },
    async (store, at) => {
      const storage = open(store)
      const state = await storage.appended('u/data')
      if (state !== undefined) {
        t.equal((await gather(storage.readAppended('u/data'))).length, state.size, at)
      }
      await storage.abandon('u/data')
      t.same(store.keys(), [], at)
    }
  )
  t.ok(calls >= 10, `${calls} calls`)
})
