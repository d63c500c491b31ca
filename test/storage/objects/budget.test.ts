import t from 'tap'
import type { Body } from '../../../storage/driver.ts'
import { BLOCK, type Budget, createBudget } from '../../../storage/objects/budget.ts'
import { pour } from '../../../storage/objects/pouring.ts'
import { noise, pieces } from '../bodies.ts'

const PART = 8 * BLOCK

// Bodies come from sockets, which hold a process. Who waits for memory does not.
const holding = setInterval(() => {}, 60_000)
t.teardown(() => clearInterval(holding))

/** Nothing is put aside. */
const NONE = { most: 0, nameOf: String, put: async () => {}, get: async function* () {} }

async function* slowly(whole: Buffer): AsyncGenerator<Uint8Array> {
  for (const piece of pieces(whole, 65_536)) {
    await new Promise(setImmediate)
    yield piece
  }
}

/** Pours a body, and gives back what was sent, what was put aside on the way, and what was left. */
async function pourAll(budget: Budget, body: Body, sendMs: () => number = () => 1) {
  const parts: Buffer[] = []
  const aside: Buffer[] = []
  const { rest, size } = await pour(body, {
    budget,
    partSize: PART,
    aside: {
      most: 0,
      nameOf: String,
      async put(name, bytes) {
        await new Promise((resolve) => setTimeout(resolve, 1))
        aside[Number(name)] = Buffer.concat(bytes)
      },
      async *get(name) {
        yield* pieces(aside[Number(name)]!, 65_536)
      }
    },
    async send(index, bytes) {
      await new Promise((resolve) => setTimeout(resolve, sendMs()))
      parts[index] = Buffer.concat(bytes)
    }
  })
  const all = Buffer.concat([...parts, ...rest.bytes])
  rest.free()
  return { all, size, aside }
}

t.test('case 34: 50 bodies at once hold no more than the budget, and all come through', async (t) => {
  for (const memory of [PART + BLOCK, 9 * PART]) {
    const budget = createBudget(memory)
    let most = 0
    const whole = noise(3 * PART + 77_777)
    const bodies = Array.from({ length: 50 }, async () => {
      return pourAll(budget, slowly(whole), () => {
        most = Math.max(most, budget.held())
        return Math.random() * 3
      })
    })
    for (const { all, size } of await Promise.all(bodies)) {
      if (size !== whole.length || !all.equals(whole)) t.fail('other bytes')
    }
    t.ok(most <= memory, `${most} of ${memory}`)
    t.ok(most > memory / 2, 'and make use of it')
    t.equal(budget.held(), 0)
  }
})

t.test('case 35: fast clients do not wait for slow ones, whose bytes wait in the store', async (t) => {
  const budget = createBudget(3 * PART, { slowMs: 20, lookMs: 5 })
  const whole = noise(2 * PART + 77_777)
  const goOn = Promise.withResolvers<void>()
  async function* stalling(index: number): AsyncGenerator<Uint8Array> {
    const cut = 3 * BLOCK + 1000 * index
    yield* slowly(whole.subarray(0, cut))
    await goOn.promise
    yield* slowly(whole.subarray(cut))
  }
  const slow = Array.from({ length: 12 }, (_, i) => pourAll(budget, stalling(i)))
  // All of them hold more than there is.
  const fast = await Promise.all(Array.from({ length: 4 }, () => pourAll(budget, slowly(whole))))
  for (const { all } of fast) t.ok(all.equals(whole))
  goOn.resolve()
  const poured = await Promise.all(slow)
  for (const { all } of poured) t.ok(all.equals(whole))
  const aside = poured.filter(({ aside }) => aside.length > 0).length
  t.ok(aside > 0, `${aside} were put aside`)
  t.equal(budget.held(), 0)
})

t.test('a body that comes slowly piece by piece is put aside in pieces, and comes out whole', async (t) => {
  const budget = createBudget(PART, { slowMs: 0, lookMs: 0 })
  const whole = noise(PART + 3 * BLOCK)
  async function* dripping(): AsyncGenerator<Uint8Array> {
    for (const piece of pieces(whole, BLOCK - 1000)) {
      await new Promise((resolve) => setTimeout(resolve, 3))
      yield piece
    }
  }
  const poured = await Promise.all(Array.from({ length: 6 }, () => pourAll(budget, dripping())))
  for (const { all } of poured) t.ok(all.equals(whole))
  const most = Math.max(...poured.map(({ aside }) => aside.length))
  t.ok(most > 2, `up to ${most} pieces of one`)
})

t.test('a part that waits itself is not put aside', async (t) => {
  const budget = createBudget(PART, { slowMs: 0, lookMs: 0 })
  const lender = { waitedMs: () => 0, putAside: () => t.fail('it is not waited for') }
  const [first, second] = [budget.startPart(PART, lender), budget.startPart(PART, lender)]
  await first.add(noise(5 * BLOCK))
  const adding = second.add(noise(5 * BLOCK))
  await new Promise((resolve) => setTimeout(resolve, 20))
  first.free()
  await adding
  second.free()
  t.equal(budget.held(), 0)
})

t.test('what cannot be put aside ends its body, and no other', async (t) => {
  const budget = createBudget(PART, { slowMs: 0, lookMs: 0 })
  const goOn = Promise.withResolvers<void>()
  async function* stalling(): AsyncGenerator<Uint8Array> {
    yield noise(5 * BLOCK)
    await goOn.promise
    yield noise(BLOCK)
  }
  const failing = pour(stalling(), {
    budget,
    partSize: PART,
    send: async () => {},
    aside: { ...NONE, put: async () => Promise.reject(new Error('down')) }
  })
  const failed = t.rejects(failing, { message: 'down' })
  const whole = noise(2 * PART)
  t.ok((await pourAll(budget, slowly(whole))).all.equals(whole))
  goOn.resolve()
  await failed
  t.equal(budget.held(), 0)
})

t.test('a body that throws, and a store that fails, give back what they held', async (t) => {
  const budget = createBudget(2 * PART)
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield noise(PART + 10)
    throw new Error('line cut')
  }
  const { all, size } = await pourAll(budget, broken())
  t.equal(size, PART + 10)
  t.ok(all.equals(noise(PART + 10)))
  const send = async () => Promise.reject(new Error('down'))
  const failing = pour(slowly(noise(5 * PART)), { budget, partSize: PART, send, aside: NONE })
  await t.rejects(failing, { message: 'down' })
  t.equal(budget.held(), 0)
})
