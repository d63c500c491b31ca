import type { Test } from 'tap'
import { bytes, text } from '../bodies.ts'
import type { Fresh } from '../contract.ts'

/** Removing single objects: what it says, on which condition, and what becomes of the folders above. */
export function removalContract(t: Test, fresh: Fresh, hasConditionalDelete = true): void {
  const conditional = { skip: !hasConditionalDelete && 'the store deletes unconditionally' }

  t.test('a removal says whether the object was there', async (t) => {
    const storage = fresh(t)()
    await storage.write('a/k', [bytes('k')])
    t.equal(await storage.delete('a'), false, 'a folder is no object')
    t.equal(await storage.delete('a/k'), true)
    t.equal(await storage.delete('a/k'), false)
  })

  t.test(
    'of an object that several remove at once, one is told that it was there',
    conditional,
    async (t) => {
      for (const options of [{}, { expected: 'k' }, { within: 'a' }, { expected: 'k', within: 'a' }]) {
        const open = fresh(t)
        await open().write('a/b/k', [bytes('k')])
        const told = await Promise.all(Array.from({ length: 8 }, () => open().delete('a/b/k', options)))
        t.same(told.filter(Boolean), [true])
        t.equal(await open().size('a/b/k'), undefined)
      }
    }
  )

  t.test('an object that is not the expected one stays', async (t) => {
    const storage = fresh(t)()
    for (const content of ['', 'new', 'form', 'former2']) {
      await storage.write('a/k', [bytes(content)])
      t.equal(await storage.delete('a/k', { expected: 'former' }), false)
      t.equal(await text(storage.read('a/k')), content)
    }
    await storage.write('a/k', [bytes('former')])
    t.equal(await storage.delete('a/k', { expected: '' }), false)
    t.equal(await storage.delete('a/k', { expected: 'former' }), true)
    t.equal(await storage.size('a/k'), undefined)
    t.equal(await storage.delete('a/k', { expected: 'former' }), false)
    await storage.write('a/k', [])
    t.equal(await storage.delete('a/k', { expected: '' }), true, 'the empty one, too')
  })

  t.test('who replaces an object wins over those who remove the former one', conditional, async (t) => {
    const open = fresh(t)
    for (let round = 0; round < 40; round++) {
      await open().write('a/b/k', [bytes('former')])
      const remove = () => open().delete('a/b/k', { expected: 'former', within: 'a' })
      await Promise.all([remove(), open().write('a/b/k', [bytes('new')]), remove()])
      t.equal(await text(open().read('a/b/k')), 'new')
    }
  })

  t.test('the folders that a removal leaves empty vanish, up to the one within which it was', async (t) => {
    const storage = fresh(t)()
    await storage.write('a/b/c/d/k', [bytes('k')])
    await storage.write('a/b/l', [bytes('l')])
    await storage.delete('a/b/c/d/k', { within: 'a/b' })
    t.same(await storage.list('a/b'), ['l'])
    await storage.delete('a/b/l', { expected: 'another', within: 'a' })
    t.same(await storage.list('a/b'), ['l'])
    await storage.delete('a/b/l', { expected: 'l', within: 'a' })
    t.same(await storage.list('a'), [])
    await storage.write('a/b/k', [bytes('k')])
    t.equal(await text(storage.read('a/b/k')), 'k')
    await storage.delete('a/b/k', { within: 'a/b/k/c' })
    t.equal(await storage.size('a/b/k'), undefined)
  })

  t.test('no writer fails because of folders that vanish', async (t) => {
    const open = fresh(t)
    const keys = Array.from({ length: 8 }, (_, i) => `a/b${i % 2}/c/k${i}`)
    async function writeAndRemove(key: string): Promise<void> {
      const storage = open()
      for (let round = 0; round < 10; round++) {
        await storage.write(key, [bytes(key)])
        t.equal(await text(storage.read(key)), key)
        t.equal(await storage.delete(key, { within: 'a' }), true)
      }
    }
    await Promise.all(keys.map(writeAndRemove))
    for (const key of keys) t.equal(await open().size(key), undefined)
  })
}
