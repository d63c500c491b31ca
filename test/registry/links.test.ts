import t from 'tap'
import { createLinks, createMemory } from '../../src/registry/links.ts'
import { alone } from '../../src/registry/siblings.ts'
import { memoryStorage } from '../../storage/memory.ts'
import { digestOf } from './support.ts'

const DIGEST = digestOf('x')

t.test('a link is the digest and nothing else, and is read also with a newline', async (t) => {
  const storage = memoryStorage()
  const links = createLinks(storage)
  await links.write('k', DIGEST)
  t.equal(await storage.size('k'), 71)
  t.equal(await links.read('k'), DIGEST)
  await storage.write('k', [Buffer.from(`${DIGEST}\n`)])
  t.equal(await links.read('k'), DIGEST)
})

t.test('an empty, garbled or endless link counts as none', async (t) => {
  const storage = memoryStorage()
  const links = createLinks(storage)
  for (const content of [
    '',
    '\n',
    'sha256:',
    DIGEST.slice(0, -1),
    `${DIGEST} ${DIGEST}`,
    'x'.repeat(100_000)
  ]) {
    await storage.write('k', [Buffer.from(content)])
    t.equal(await links.read('k'), undefined, content.slice(0, 20))
  }
  t.equal(await links.read('nothing'), undefined)
})

t.test('what was found is remembered, what was not is asked for again', async (t) => {
  const memory = createMemory<{ size: number }>(alone, 'thing')
  let looks = 0
  const look = (found: { size: number } | undefined) => async () => {
    looks++
    return found
  }
  t.equal(await memory.recall('k', look(undefined)), undefined)
  t.strictSame(await memory.recall('k', look({ size: 1 })), { size: 1 })
  t.strictSame(await memory.recall('k', look({ size: 2 })), { size: 1 })
  t.equal(looks, 2)
  await memory.forget('k')
  t.equal(await memory.recall('k', look(undefined)), undefined)
})

t.test('after 5 seconds existence is asked for again', async (t) => {
  let now = 1000
  t.intercept(performance, 'now', { value: () => now })
  const memory = createMemory<{ size: number }>(alone, 'thing')
  await memory.recall('k', async () => ({ size: 1 }))
  now += 4990
  await new Promise((resolve) => setTimeout(resolve, 5)) // the cache asks the clock once in a millisecond
  t.strictSame(await memory.recall('k', async () => undefined), { size: 1 })
  now += 20
  await new Promise((resolve) => setTimeout(resolve, 5))
  t.equal(await memory.recall('k', async () => undefined), undefined)
})

t.test('an answer that storage gave before a deletion is not remembered after it', async (t) => {
  const memory = createMemory<{ size: number }>(alone, 'thing')
  const slow = Promise.withResolvers<{ size: number }>()
  const recalled = memory.recall('k', () => slow.promise)
  memory.forget('k')
  slow.resolve({ size: 1 })
  t.strictSame(await recalled, { size: 1 })
  t.equal(await memory.recall('k', async () => undefined), undefined)
})
