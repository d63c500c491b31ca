import type { Test } from 'tap'
import { ObjectNotFound } from '../../../../storage/driver.ts'
import type { ObjectStore } from '../../../../storage/objects/store.ts'
import { bytes, noise } from '../../bodies.ts'
import type { FreshStore } from '../store-contract.ts'
import { contentOf, textOf } from './whole-objects.ts'

/** The smallest that S3 takes for any part but the last. */
const PART = 5 << 20

async function keysOf(store: ObjectStore): Promise<string[]> {
  return (await store.list('', { byFolder: false })).objects.map(({ key }) => key)
}

export function partsContract(t: Test, fresh: FreshStore): void {
  t.test('pieces are joined in their order, and stay', async (t) => {
    const store = await fresh(t)
    const whole = noise(2 * PART + 7)
    const sizes = [PART, PART, 7]
    const pieces = sizes.map((size, i) => ({ key: `@p/${i}`, size }))
    await Promise.all(
      pieces.map(async ({ key, size }, i) => store.put(key, [whole.subarray(i * PART, i * PART + size)]))
    )
    await store.put('target', [bytes('a former object')])
    await store.assemble('target', pieces)
    t.ok((await contentOf(store, 'target'))?.equals(whole))
    t.equal((await store.head('target'))?.size, whole.length)
    t.strictSame(await keysOf(store), ['@p/0', '@p/1', '@p/2', 'target'])
  })

  t.test('one piece is copied, however small', async (t) => {
    const store = await fresh(t)
    for (const size of [0, 1, PART + 1]) {
      await store.put('p', [noise(size)])
      await store.assemble('target', [{ key: 'p', size }])
      t.ok((await contentOf(store, 'target'))?.equals(noise(size)), `${size} bytes`)
    }
  })

  t.test('a piece that is gone leaves the target as it was', async (t) => {
    const store = await fresh(t)
    await store.put('p/0', [noise(PART)])
    await store.put('target', [bytes('former')])
    const gone = { key: 'p/1', size: 7 }
    await t.rejects(store.assemble('target', [{ key: 'p/0', size: PART }, gone]), ObjectNotFound)
    await t.rejects(store.assemble('target', [gone]), ObjectNotFound)
    t.equal(await textOf(store, 'target'), 'former')
    t.strictSame(await keysOf(store), ['p/0', 'target'])
  })

  t.test('parts become the object when they are complete, and not before', async (t) => {
    const store = await fresh(t)
    const parts = await store.parts?.('k')
    if (parts === undefined) return
    const whole = noise(2 * PART + 9)
    await store.put('k', [bytes('former')])
    await Promise.all([
      parts.put(3, [whole.subarray(2 * PART)]),
      parts.put(1, [whole.subarray(0, PART)]),
      parts.put(2, [whole.subarray(PART, 2 * PART)])
    ])
    t.equal(await textOf(store, 'k'), 'former')
    t.strictSame(await keysOf(store), ['k'])
    await parts.complete()
    t.ok((await contentOf(store, 'k'))?.equals(whole))
  })

  t.test('aborted parts leave nothing', async (t) => {
    const store = await fresh(t)
    const parts = await store.parts?.('k')
    if (parts === undefined) return
    await parts.put(1, [noise(PART)])
    await parts.abort()
    await parts.abort()
    t.strictSame(await keysOf(store), [])
    await t.rejects(parts.complete())
    t.equal(await store.head('k'), undefined)
  })

  t.test('what stays of parts can be ended once it is old, and nothing younger', async (t) => {
    const store = await fresh(t)
    const parts = await store.parts?.('k')
    if (parts === undefined || store.abortParts === undefined) return
    await parts.put(1, [noise(9)])
    t.equal(await store.abortParts(new Date(Date.now() - 3_600_000)), 0)
    // How many it finds depends on what the store lists.
    t.type(await store.abortParts(new Date(Date.now() + 3_600_000)), 'number')
    await parts.abort()
  })
}
