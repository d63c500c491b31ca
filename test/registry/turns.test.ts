import { mock } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { purgeTurnKey } from '../../src/registry/layout.ts'
import { createTurns, type Turns } from '../../src/registry/turns.ts'
import type { StorageDriver } from '../../storage/driver.ts'
import { filesystemStorage } from '../../storage/filesystem.ts'
import { memoryStorage } from '../../storage/memory.ts'
import { objectStorage } from '../../storage/objects/object-storage.ts'
import { memoryStore } from '../storage/objects/memory-store.ts'
import { interposed } from './interposed.ts'

/** The disk of a test is fast. */
const SETTLE_MS = 100

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
const START = Date.parse('2026-01-31T12:00:00Z')

/** Per driver: a store that every replica opens for itself. */
const STORES: Record<string, (t: Test) => () => StorageDriver> = {
  filesystem: (t) => {
    const root = t.testdir()
    return () => filesystemStorage({ root })
  },
  memory: () => {
    const storage = memoryStorage()
    return () => storage
  },
  'object storage': () => {
    const store = memoryStore()
    return () => objectStorage(store.sharing(), { chunkSize: 1 << 20, memory: 1 << 22, log: console })
  }
}

for (const [driver, store] of Object.entries(STORES)) {
  function replicas(t: Test, count: number) {
    const open = store(t)
    const it = { now: START }
    const make = (): Turns =>
      createTurns(
        open(),
        purgeTurnKey,
        () => it.now,
        () => pause(SETTLE_MS)
      )
    return { it, make, open, turns: Array.from({ length: count }, make) as [Turns, ...Turns[]] }
  }

  t.test(`${driver}: of replicas that come together one has each turn, the first as well`, async (t) => {
    for (let round = 0; round < 5; round++) {
      const { it, turns } = replicas(t, 8)
      for (let day = 0; day < 6; day++) {
        let atWork = 0
        let works = 0
        const next = await Promise.all(
          turns.map(({ take }) =>
            take(DAY_MS, async () => {
              works++
              t.equal(++atWork, 1)
              await new Promise((resolve) => setImmediate(resolve))
              atWork--
            })
          )
        )
        t.equal(works, 1, `round ${round}, day ${day}`)
        t.ok(next.every((moment) => moment > it.now))
        it.now += DAY_MS + 1
      }
    }
  })

  t.test(`${driver}: starting again neither puts a turn off nor repeats it`, async (t) => {
    const { it, make } = replicas(t, 0)
    let works = 0
    const restart = (): Promise<number> =>
      make().take(DAY_MS, async () => {
        works++
      })
    for (let start = 0; start < 48; start++) {
      const next = await restart()
      t.equal(next, START + (Math.floor(start / 24) + 1) * DAY_MS)
      it.now += HOUR_MS
    }
    t.equal(works, 2)
  })

  t.test(`${driver}: who works keeps the turn, and who dies loses it`, async (t) => {
    const { it, turns, make } = replicas(t, 2)
    mock.timers.enable({ apis: ['setInterval'] })
    t.teardown(() => mock.timers.reset())
    const [one, other] = turns as [Turns, Turns]
    const end = Promise.withResolvers<void>()
    await one.take(0, async () => {})
    const working = one.take(DAY_MS, () => end.promise)
    let works = 0
    const look = (): Promise<number> =>
      other.take(DAY_MS, async () => {
        works++
      })
    for (let passed = 0; passed < 30; passed++) {
      await settle()
      await look()
      it.now += MINUTE_MS
      mock.timers.tick(MINUTE_MS)
    }
    t.equal(works, 0)
    // No timer runs in what is dead.
    mock.timers.reset()
    await settle()
    it.now += 9 * MINUTE_MS
    await look()
    t.equal(works, 0)
    it.now += 2 * MINUTE_MS
    await look()
    t.equal(works, 1)
    // It was not dead after all: it must not take away what the other has done.
    end.resolve()
    await working
    const next = await make().take(DAY_MS, async () => {
      t.fail('it is nobody’s turn')
    })
    t.equal(next, it.now + DAY_MS)
  })

  t.test(`${driver}: work that fails is due again within the hour`, async (t) => {
    const { it, turns } = replicas(t, 1)
    const failing = async (): Promise<void> => {
      throw new Error('the disk is gone')
    }
    await t.rejects(turns[0].take(DAY_MS, failing), { message: 'the disk is gone' })
    t.equal(await turns[0].take(DAY_MS, failing), START + HOUR_MS)
    it.now += HOUR_MS
    await t.rejects(turns[0].take(DAY_MS, failing))
  })

  t.test(`${driver}: a moment that nobody can have meant counts for nothing`, async (t) => {
    const { it, turns } = replicas(t, 1)
    it.now = START + 400 * DAY_MS
    await turns[0].take(DAY_MS, async () => {})
    it.now = START
    let works = 0
    await turns[0].take(DAY_MS, async () => void works++)
    t.equal(works, 1)
    // Clocks that differ a little are not that.
    it.now -= HOUR_MS
    await turns[0].take(DAY_MS, async () => void works++)
    t.equal(works, 1)
  })

  t.test(`${driver}: what may not write any more lets the turn end by itself`, async (t) => {
    const { it, turns, open } = replicas(t, 1)
    let mayWrite = true
    await turns[0].take(
      DAY_MS,
      async () => {
        mayWrite = false
      },
      () => mayWrite
    )
    t.equal((await open().appended(purgeTurnKey))?.size, 1)
    t.equal(await turns[0].take(DAY_MS, async () => {}), START + 10 * MINUTE_MS)
    it.now += 10 * MINUTE_MS
    await turns[0].take(DAY_MS, async () => {})
    t.equal((await open().appended(purgeTurnKey))?.size, 3)
  })
}

t.test('who works keeps the turn also when the storage has failed once', async (t) => {
  let fails = false
  const storage = interposed(memoryStorage(), (call) => {
    if (fails && call.startsWith('append ')) throw new Error('the disk is gone')
  })
  const it = { now: START }
  const [one, other] = [0, 1].map(() =>
    createTurns(
      storage,
      purgeTurnKey,
      () => it.now,
      async () => {}
    )
  ) as [Turns, Turns]
  await one.take(0, async () => {})
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => mock.timers.reset())
  const end = Promise.withResolvers<void>()
  const working = one.take(DAY_MS, () => end.promise)
  await settle()
  for (let passed = 0; passed < 8; passed++) {
    fails = passed === 1
    it.now += 4 * MINUTE_MS
    mock.timers.tick(4 * MINUTE_MS)
    await settle()
    await other.take(DAY_MS, async () => void t.fail('it is not its turn'))
  }
  end.resolve()
  t.equal(await working, it.now + DAY_MS)
  t.equal(await other.take(DAY_MS, async () => void t.fail('it is not due')), it.now + DAY_MS)
})

/** Lets file calls that were begun come to their end. */
async function settle(): Promise<void> {
  await pause(20)
}

t.test('turns go on although the lifecycle rule of a bucket removes what is old', async (t) => {
  let now = START
  const store = memoryStore({ now: () => new Date(now) })
  let works = 0
  const days = 60
  for (let day = 0; day < days; day++) {
    const storage = objectStorage(store, { chunkSize: 1 << 20, memory: 1 << 22, log: console })
    const turns = createTurns(
      storage,
      purgeTurnKey,
      () => now,
      async () => {}
    )
    const take = () => turns.take(DAY_MS - HOUR_MS, async () => void works++)
    await take()
    now += HOUR_MS
    await take()
    now += DAY_MS - HOUR_MS
    const { objects } = await store.list('', { byFolder: false })
    const old = objects.filter(({ modified }) => modified.getTime() < now - 8 * DAY_MS)
    await store.deleteAll(old.map(({ key }) => key))
  }
  t.ok(works >= days - days / 8, `${works} of ${days}`)
  t.ok(works <= days)
})
