import t from 'tap'
import { BLOCK, createBudget } from '../../../storage/objects/budget.ts'
import { pour } from '../../../storage/objects/pouring.ts'
import { noise, pieces } from '../bodies.ts'

const PART = 8 * BLOCK

async function* slowly(whole: Buffer): AsyncGenerator<Uint8Array> {
  for (const piece of pieces(whole, 65_536)) {
    await new Promise(setImmediate)
    yield piece
  }
}

/** Pours a body of so many parts, and gives back what was sent and what was left. */
async function pourAll(budget: ReturnType<typeof createBudget>, whole: Buffer, sendMs: () => number) {
  const parts: Buffer[] = []
  const { rest, size } = await pour(slowly(whole), {
    budget,
    partSize: PART,
    async send(index, bytes) {
      await new Promise((resolve) => setTimeout(resolve, sendMs()))
      parts[index] = Buffer.concat(bytes)
    }
  })
  const all = Buffer.concat([...parts, ...rest.bytes])
  rest.free()
  return { all, size }
}

t.test('case 34: 50 bodies at once hold no more than the budget, and all come through', async (t) => {
  for (const memory of [PART, 3 * PART, 20 * PART]) {
    const budget = createBudget(memory)
    let most = 0
    const whole = noise(3 * PART + 77_777)
    const bodies = Array.from({ length: 50 }, async () => {
      return pourAll(budget, whole, () => {
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
