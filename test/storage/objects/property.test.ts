import t from 'tap'
import type { StorageDriver } from '../../../storage/driver.ts'
import { memoryStorage } from '../../../storage/memory.ts'
import { gather, noise, pieces } from '../bodies.ts'
import { MIB, tidyStorage } from './driver-contract.ts'
import { memoryStore } from './memory-store.ts'

const STEPS = 400
const NAMES = ['v', 'v1', 'v1-', 'v1-0', 'v1-0.x', 'v1.', 'v1.0', 'v1.0-rc', 'v10', '-', '.a', 'V', '_']
const KEYS = NAMES.flatMap((name) => [`f/${name}`, `f/${name}/k`, `g/${name}/a-b/k`])
const UPLOADS = ['u/1/data', 'u/2/data', 'u/3/data']

/** Numbers from 0 to below 1 that are the same for the same seed. */
function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

type Work = (storage: StorageDriver) => Promise<unknown>

/** One thing that a client may do, and what it is called. */
function createSteps(seed: number): () => [name: string, work: Work] {
  const random = createRandom(seed)
  const below = (limit: number): number => Math.floor(random() * limit)
  const oneOf = <T>(all: readonly T[]): T => all[below(all.length)] as T
  const sizes = [0, 1, 10, 99_999, 100_000, 100_001, 250_000]

  function body(size: number, isBroken = false) {
    const whole = noise(size, below(1000))
    const length = 1 + below(70_000)
    return async function* () {
      yield* pieces(whole, length)
      if (isBroken) throw new Error('line cut')
    }
  }

  const steps: Record<string, () => Work> = {
    write() {
      const [key, bytes] = [oneOf(KEYS), body(oneOf(sizes), below(5) === 0)]
      return (storage) => storage.write(key, bytes())
    },
    note() {
      const [key, text] = [oneOf(KEYS), oneOf(['a', 'b'])]
      return (storage) => storage.write(key, [Buffer.from(text)])
    },
    size() {
      const key = oneOf(KEYS)
      return (storage) => storage.size(key)
    },
    read() {
      const [key, start, length] = [oneOf(KEYS), below(3) * 50_000, 1 + below(200_000)]
      const range = below(2) === 0 ? undefined : { start, end: start + length }
      return (storage) => gather(storage.read(key, range))
    },
    delete() {
      const options = below(2) === 0 ? { expected: oneOf(['a', 'b', '']) } : {}
      const key = oneOf(KEYS)
      return (storage) => storage.delete(key, options)
    },
    deleteFolder() {
      const key = oneOf(['f/v1', 'g/v1.0', 'f/v', 'g/-'])
      return (storage) => storage.deleteFolder(key)
    },
    list() {
      const page = { ...(below(2) && { after: oneOf(NAMES) }), ...(below(3) && { limit: below(8) }) }
      const key = oneOf(['f', 'f', 'g', 'g', 'g/v1', 'h'])
      return (storage) => storage.list(key, page)
    },
    begin() {
      const key = oneOf(UPLOADS)
      return (storage) => storage.begin(key, 'begun')
    },
    append() {
      const [key, bytes, isWrong] = [oneOf(UPLOADS), body(oneOf(sizes), below(5) === 0), below(6) === 0]
      return async (storage) => {
        const { size = 0 } = (await storage.appended(key)) ?? {}
        return storage.append(key, isWrong ? size + 1 : size, bytes(), (end) => `at-${end}`)
      }
    },
    appended() {
      const key = oneOf(UPLOADS)
      return (storage) => storage.appended(key)
    },
    readAppended() {
      const [key, start] = [oneOf(UPLOADS), below(4) * 60_000]
      const range = below(2) === 0 ? undefined : { start, end: start + below(150_000) }
      return (storage) => gather(storage.readAppended(key, range))
    },
    commit() {
      const [key, to] = [oneOf(UPLOADS), oneOf(KEYS)]
      return async (storage) => {
        const { size = 0 } = (await storage.appended(key)) ?? {}
        return storage.commit(key, size, to)
      }
    },
    abandon() {
      const key = oneOf(UPLOADS)
      return (storage) => storage.abandon(key)
    }
  }
  const often = ['write', 'note', 'list', 'append', 'append', 'append', 'readAppended']
  const names = [...Object.keys(steps), ...often]
  return () => {
    const name = oneOf(names)
    return [name, steps[name]!()]
  }
}

async function outcomeOf(work: Promise<unknown>): Promise<unknown> {
  try {
    const result = await work
    return Buffer.isBuffer(result) ? result.toString('base64') : result
  } catch (error) {
    const { name, message, size } = error as Error & { size?: number }
    // What is said of a range is the driver's choice.
    return { failed: name, ...(name !== 'RangeError' && { message }), size }
  }
}

for (const hasParts of [true, false]) {
  t.test(`whatever clients do, ${hasParts ? 'with' : 'without'} parts, it is as in memory`, async (t) => {
    for (let seed = 1; seed <= 8; seed++) {
      const store = memoryStore({ hasParts, hasAfter: seed % 2 === 0, pageSize: 1 + (seed % 4) * 3 })
      const clients = [1, 2, 3].map(() => {
        return tidyStorage(store.sharing(), { chunkSize: 100_000, memory: MIB })
      })
      const model = memoryStorage()
      const next = createSteps(seed)
      for (let step = 0; step < STEPS; step++) {
        const [name, work] = next()
        const [expected, found] = [
          await outcomeOf(work(model)),
          await outcomeOf(work(clients[step % clients.length]!))
        ]
        if (JSON.stringify(expected) === JSON.stringify(found)) continue
        t.same(found, expected, `seed ${seed}, step ${step}: ${name} ${work}`)
        return
      }
      for (const key of UPLOADS) await clients[0]!.abandon(key)
      t.same(
        store.keys().filter((key) => key.startsWith('@')),
        [],
        `seed ${seed} leaves nothing`
      )
    }
  })
}
