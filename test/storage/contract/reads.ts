import { existsSync, readdirSync } from 'node:fs'
import type { Test } from 'tap'
import { bytes, gather, noise, pieces, text } from '../bodies.ts'
import type { Fresh } from '../contract.ts'

const HANDLES = '/proc/self/fd'
/** A store behind a network keeps some connections for the next call, and closes others. */
const AT_REST = 5

export function readsContract(t: Test, fresh: Fresh): void {
  t.test('case 11: a range may begin anywhere up to the end, and not beyond', async (t) => {
    const storage = fresh(t)()
    await storage.write('k', [bytes('0123456789')])
    const from = (start: number) => text(storage.read('k', { start, end: 9 }))
    t.equal(await from(0), '0123456789')
    t.equal(await from(5), '56789')
    t.equal(await from(9), '9')
    t.equal(await from(10), '', 'nothing is left at the end')
    await t.rejects(from(11), RangeError)
    await t.rejects(from(-1), RangeError)
  })

  t.test('case 12: a range includes its end, and is cut at that of the object', async (t) => {
    const storage = fresh(t)()
    await storage.write('k', [bytes('0123456789')])
    t.equal(await text(storage.read('k', { start: 2, end: 2 })), '2')
    t.equal(await text(storage.read('k', { start: 2, end: 5 })), '2345')
    t.equal(await text(storage.read('k', { start: 2, end: 100 })), '23456789')
  })

  t.test('a range gives its own bytes, however it lies to the chunks', async (t) => {
    const storage = fresh(t)()
    const whole = noise(3 << 20)
    await storage.write('k', [whole])
    const edges = [0, 1, 65_535, 65_536, 65_537, 262_143, 262_144, 262_145, 524_288, 1_000_000, 3 << 20]
    for (const start of edges) {
      for (const length of edges) {
        if (length === 0) continue
        const part = await gather(storage.read('k', { start, end: start + length - 1 }))
        if (!part.equals(whole.subarray(start, start + length))) t.fail(`${length} bytes from ${start}`)
      }
    }
  })

  t.test('case 13: 32 readers of 64 MiB at once each get the same bytes', async (t) => {
    const storage = fresh(t)()
    const whole = noise(64 << 20)
    await storage.write('k', pieces(whole, 1 << 20))
    const readers = Array.from({ length: 32 }, async () => {
      let position = 0
      for await (const chunk of storage.read('k')) {
        if (whole.compare(chunk, 0, chunk.length, position, position + chunk.length) !== 0) return position
        position += chunk.length
        chunk.fill(0xaa)
      }
      return position
    })
    t.ok((await Promise.all(readers)).every((position) => position === whole.length))
  })

  t.test('case 14: a reader that stops early frees its handle at once', async (t) => {
    const storage = fresh(t)()
    await storage.write('small', [noise(1000)])
    await storage.write('large', [noise(2 << 20)])
    const handles = () => (existsSync(HANDLES) ? readdirSync(HANDLES).length : 0)
    const before = handles()
    for (let round = 0; round < 1000; round++) {
      for await (const _ of storage.read(round % 2 === 0 ? 'large' : 'small')) break
    }
    t.ok(handles() <= before + AT_REST)
  })

  t.test('case 14: a reader that throws, or ends before it began, frees its handle too', async (t) => {
    const storage = fresh(t)()
    await storage.write('k', [noise(2 << 20)])
    const handles = () => (existsSync(HANDLES) ? readdirSync(HANDLES).length : 0)
    const before = handles()
    async function failing() {
      for await (const _ of storage.read('k')) throw new Error('client left')
    }
    for (let round = 0; round < 20; round++) {
      await t.rejects(failing(), { message: 'client left' })
      await storage.read('k')[Symbol.asyncIterator]().return?.()
    }
    t.ok(handles() <= before + AT_REST)
  })

  t.test('a chunk stays as it is until the next is asked for', async (t) => {
    const storage = fresh(t)()
    const whole = noise(2 << 20)
    await storage.write('k', [whole])
    let position = 0
    for await (const chunk of storage.read('k')) {
      await new Promise((resolve) => setTimeout(resolve, 2))
      t.ok(whole.subarray(position, position + chunk.length).equals(chunk), `at ${position}`)
      position += chunk.length
    }
  })

  for (const [what, change] of [
    ['case 16: of an object replaced', 'write'],
    ['case 42: of an object deleted', 'delete']
  ] as const) {
    t.test(`${what} while it is read, a reader gets the old bytes or an error, no mix`, async (t) => {
      const storage = fresh(t)()
      const former = noise(2 << 20, 1)
      await storage.write('a/k', [former])
      const reader = storage.read('a/k')[Symbol.asyncIterator]()
      const parts = [Buffer.from((await reader.next()).value)]
      if (change === 'write') await storage.write('a/k', [noise(2 << 20, 2)])
      else await storage.delete('a/k')
      try {
        for (let next = await reader.next(); !next.done; next = await reader.next()) {
          parts.push(Buffer.from(next.value))
        }
      } catch {
        return
      }
      t.ok(Buffer.concat(parts).equals(former))
    })
  }
}
