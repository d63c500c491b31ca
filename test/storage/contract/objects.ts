import type { Test } from 'tap'
import { InvalidKey, ObjectNotFound } from '../../../storage/driver.ts'
import { bytes, gather, interrupted, noise, pieces, text } from '../bodies.ts'
import type { Fresh } from '../contract.ts'

const KEYS = [
  'a',
  '2',
  'a.a',
  '0-9/abcdefg',
  'abc/1.2.3.4.5-6_zyx/123.z/4',
  '.abc',
  'a--b',
  'a-.b',
  '_.abc',
  '...',
  'Mixed/CASE',
  'p'.repeat(200),
  Array(18).fill('q'.repeat(49)).join('/')
]

const NOT_KEYS = ['', '/', '/a', '//b', 'a/', 'a//b', 'a/../b', '..', './a', 'a\0', 'a b', 'é', 'a\n', 'a@b']

export function objectsContract(t: Test, fresh: Fresh): void {
  t.test('case 2: a key has parts of letters, digits, dots, underscores and dashes', async (t) => {
    const storage = fresh(t)()
    for (const key of KEYS) {
      await storage.write(key, [bytes(key)])
      t.equal(await text(storage.read(key)), key)
    }
  })

  t.test('case 3: every method refuses any other key', async (t) => {
    const storage = fresh(t)()
    for (const key of NOT_KEYS) {
      await t.rejects(storage.size(key), InvalidKey, JSON.stringify(key))
      await t.rejects(text(storage.read(key)), InvalidKey)
      await t.rejects(storage.write(key, []), InvalidKey)
      await t.rejects(storage.begin(key), InvalidKey)
      await t.rejects(storage.append(key, 0, []), InvalidKey)
      await t.rejects(storage.appended(key), InvalidKey)
      await t.rejects(text(storage.readAppended(key)), InvalidKey)
      await t.rejects(storage.commit(key, 0, 'k'), InvalidKey)
      await t.rejects(storage.commit('k', 0, key), InvalidKey)
      await t.rejects(storage.delete(key), InvalidKey)
      await t.rejects(storage.delete('k', { within: key }), InvalidKey)
      await t.rejects(storage.abandon(key), InvalidKey)
      await t.rejects(storage.deleteFolder(key), InvalidKey)
      await t.rejects(storage.list(key), InvalidKey)
    }
  })

  t.test('case 4: an object of any size comes back as it was written', async (t) => {
    const storage = fresh(t)()
    for (const size of [0, 1, 71, 4096, 1 << 20, 10 << 20]) {
      const whole = noise(size)
      t.equal(await storage.write('k', pieces(whole, 65_536)), size)
      t.equal(await storage.size('k'), size)
      t.ok((await gather(storage.read('k'))).equals(whole), `${size} bytes, the first time`)
      t.ok(
        (await gather(storage.read('k'))).equals(whole),
        `${size} bytes, after the chunks were overwritten`
      )
    }
  })

  t.test('a body may come in chunks of any size, empty ones too', async (t) => {
    const storage = fresh(t)()
    const whole = noise(200_000)
    for (const size of [7, 4096, 100_000, 200_000]) {
      async function* body() {
        for (const piece of pieces(whole, size)) {
          yield piece
          yield new Uint8Array()
        }
      }
      t.equal(await storage.write('k', body()), whole.length)
      t.ok((await gather(storage.read('k'))).equals(whole), `in pieces of ${size}`)
    }
    t.equal(await storage.write('k', [whole]), whole.length)
    t.ok((await gather(storage.read('k'))).equals(whole), 'as an array of one')
  })

  t.test('case 5: a shorter object leaves nothing of the longer one it replaces', async (t) => {
    const storage = fresh(t)()
    await storage.write('k', [bytes('a longer text')])
    await storage.write('k', [bytes('short')])
    t.equal(await text(storage.read('k')), 'short')
    t.equal(await storage.size('k'), 5)
  })

  t.test('case 6: of 100 writes at once to one key, readers see whole ones and the last stays', async (t) => {
    const open = fresh(t)
    const storages = [open(), open()] as const
    const contents = Array.from({ length: 100 }, (_, i) => `${i} `.repeat(20_000 + i))
    const known = new Set(contents)
    await storages[0].write('a/k', [bytes(contents[0]!)])
    const writes = Promise.all(
      contents.map((content, i) => storages[i % 2]!.write('a/k', pieces(bytes(content), 10_000)))
    )
    for (let i = 0; i < 50; i++) t.ok(known.has(await text(storages[i % 2]!.read('a/k'))), 'whole')
    await writes
    t.ok(known.has(await text(storages[0].read('a/k'))))
    t.same(await storages[0].list('a'), ['k'])
  })

  t.test('a write whose body throws rejects with just that, and changes nothing', async (t) => {
    const storage = fresh(t)()
    await storage.write('a/k', [bytes('former')])
    await t.rejects(storage.write('a/k', interrupted('par')), { message: 'line cut' })
    await t.rejects(storage.write('a/new', interrupted('par')), { message: 'line cut' })
    t.equal(await text(storage.read('a/k')), 'former')
    t.same(await storage.list('a'), ['k'])
  })

  t.test('case 7: of what is missing there is no size, no byte and nothing to append to', async (t) => {
    const storage = fresh(t)()
    await storage.write('there', [bytes('k')])
    for (const key of ['k', 'a/b/k', 'there/k']) {
      t.equal(await storage.size(key), undefined)
      t.equal(await storage.appended(key), undefined)
      t.same(await storage.list(key), [])
      t.equal(await storage.delete(key), false)
      await storage.abandon(key)
      await storage.deleteFolder(key)
      await t.rejects(text(storage.read(key)), ObjectNotFound)
      await t.rejects(text(storage.readAppended(key)), ObjectNotFound)
      await t.rejects(storage.append(key, 0, []), ObjectNotFound)
      await t.rejects(storage.commit(key, 0, 'to'), ObjectNotFound)
    }
    await t.rejects(text(storage.read('a/b/k')), { message: /a\/b\/k/ }, 'the error names the key')
  })

  t.test('case 9: a folder is no object, and shares nothing with a name it begins', async (t) => {
    const storage = fresh(t)()
    await storage.write('ab/c', [bytes('k')])
    t.equal(await storage.size('ab'), undefined)
    await t.rejects(text(storage.read('ab')), ObjectNotFound)
    await t.rejects(text(storage.read('ab', { start: 0, end: 3 })), ObjectNotFound)
    t.equal(await storage.size('a'), undefined)
    t.same(await storage.list('a'), [])
  })
}
