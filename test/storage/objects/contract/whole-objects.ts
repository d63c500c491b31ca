import type { Test } from 'tap'
import type { ByteRange } from '../../../../storage/driver.ts'
import { ConditionFailed, type ObjectStore } from '../../../../storage/objects/store.ts'
import { bytes, gather, noise } from '../../bodies.ts'
import type { FreshStore } from '../store-contract.ts'

/** All bytes of an object, or undefined when there is none. */
export async function contentOf(
  store: ObjectStore,
  key: string,
  range?: ByteRange
): Promise<Buffer | undefined> {
  const opened = await store.get(key, range)
  return opened && gather(opened.chunks)
}

export async function textOf(store: ObjectStore, key: string): Promise<string | undefined> {
  return (await contentOf(store, key))?.toString()
}

const KEYS = [
  'a',
  '.abc',
  'a-.b',
  '...',
  'Mixed/CASE',
  'b/b.c/d-e_f',
  '@uploads/0123456789abcdef/s/00000001',
  'p'.repeat(200),
  Array(16).fill('q'.repeat(49)).join('/')
]

export function wholeObjectsContract(t: Test, fresh: FreshStore): void {
  t.test('an object has any key of the registry, and private ones with @', async (t) => {
    const store = await fresh(t)
    for (const key of KEYS) {
      await store.put(key, [bytes(key)])
      t.equal(await textOf(store, key), key)
      t.equal((await store.head(key))?.key, key)
    }
  })

  t.test('an object of any size comes back as it was put', async (t) => {
    const store = await fresh(t)
    for (const size of [0, 1, 71, 4096, 1 << 20, 10 << 20]) {
      const whole = noise(size)
      await store.put('k', [whole])
      const head = await store.head('k')
      t.equal(head?.size, size)
      t.ok(head && Math.abs(head.modified.getTime() - Date.now()) < 900_000, 'it was just modified')
      const opened = await store.get('k')
      t.equal(opened?.size, size)
      t.ok(opened && (await gather(opened.chunks)).equals(whole), `${size} bytes`)
    }
  })

  t.test('a put replaces the whole object', async (t) => {
    const store = await fresh(t)
    await store.put('k', [bytes('a long former text')])
    await store.put('k', [bytes('short')])
    t.equal(await textOf(store, 'k'), 'short')
  })

  t.test(
    'an object that several put at once is that of one of them, and then of who comes later',
    async (t) => {
      const store = await fresh(t)
      const put = async (text: string) => store.put('k', [bytes(text)], { isContested: true })
      const texts = ['one', 'two', 'three', 'four']
      await put('former')
      await Promise.all(texts.map(put))
      t.ok(texts.includes((await textOf(store, 'k')) ?? ''))
      await put('later')
      t.equal(await textOf(store, 'k'), 'later')
    }
  )

  t.test('what is not there is undefined, as a folder is', async (t) => {
    const store = await fresh(t)
    await store.put('a/b', [bytes('x')])
    for (const key of ['a', 'a/b/c', 'b', 'a/bb']) {
      t.equal(await store.head(key), undefined, key)
      t.equal(await store.get(key), undefined, key)
      t.equal(await store.get(key, { start: 0, end: 1 }), undefined, key)
    }
  })

  t.test('an object can be beside a folder whose name is alike', async (t) => {
    const store = await fresh(t)
    await store.put('a/b', [bytes('below')])
    await store.put('a.b', [bytes('beside')])
    t.equal(await textOf(store, 'a/b'), 'below')
    t.equal(await textOf(store, 'a.b'), 'beside')
  })

  t.test('of several that put a new object, one succeeds and the others learn it', async (t) => {
    const store = await fresh(t)
    const texts = Array.from({ length: 8 }, (_, i) => `writer ${i}`)
    const outcomes = await Promise.allSettled(
      texts.map(async (text) => store.put('k', [bytes(text)], { isNew: true }))
    )
    const winners = texts.filter((_, i) => outcomes[i]?.status === 'fulfilled')
    t.equal(winners.length, 1)
    t.equal(await textOf(store, 'k'), winners[0])
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') t.type(outcome.reason, ConditionFailed)
    }
    await t.rejects(store.put('k', [bytes('late')], { isNew: true }), ConditionFailed)
    await store.delete('k')
    await store.put('k', [bytes('again')], { isNew: true })
    t.equal(await textOf(store, 'k'), 'again')
  })

  t.test('a range gives its bytes, and ends at the end of the object', async (t) => {
    const store = await fresh(t)
    const whole = noise(100_000)
    await store.put('k', [whole])
    const ranges: [number, number][] = [
      [0, 0],
      [0, 99_999],
      [50_000, 50_009],
      [99_999, 99_999],
      [99_990, 200_000]
    ]
    for (const [start, end] of ranges) {
      const opened = await store.get('k', { start, end })
      t.equal(opened?.size, 100_000, 'the size is that of the whole object')
      t.ok(opened && (await gather(opened.chunks)).equals(whole.subarray(start, end + 1)), `${start}-${end}`)
    }
  })

  t.test('a range that begins at the end of the object or behind it is an error', async (t) => {
    const store = await fresh(t)
    await store.put('k', [bytes('123')])
    await store.put('empty', [bytes('')])
    await t.rejects(store.get('k', { start: 3, end: 10 }), RangeError)
    await t.rejects(store.get('k', { start: 4, end: 10 }), RangeError)
    await t.rejects(store.get('empty', { start: 1, end: 1 }), RangeError)
  })

  t.test('a version names one content, and no other is given for it', async (t) => {
    const store = await fresh(t)
    await store.put('k', [bytes('former')])
    const former = await store.get('k')
    t.equal(former && (await gather(former.chunks)).toString(), 'former')
    const again = await store.get('k', { start: 2, end: 9 }, former?.version)
    t.equal(again && (await gather(again.chunks)).toString(), 'rmer')
    t.equal(again?.version, former?.version)
    await store.put('k', [bytes('latter')])
    await t.rejects(store.get('k', undefined, former?.version), ConditionFailed)
    await t.rejects(store.get('k', { start: 2, end: 9 }, former?.version), ConditionFailed)
  })

  t.test('a delete removes one object, and of what is not there it is a success', async (t) => {
    const store = await fresh(t)
    for (const key of ['a', 'a-b', 'ab', 'b/a']) await store.put(key, [bytes(key)])
    await store.delete('a')
    await store.delete('a')
    await store.delete('never')
    t.equal(await store.head('a'), undefined)
    for (const key of ['a-b', 'ab', 'b/a']) t.equal(await textOf(store, key), key)
  })

  t.test('a delete of a version removes no other', async (t) => {
    const store = await fresh(t)
    await store.put('k', [bytes('former')])
    const former = await store.get('k')
    t.ok(former && (await gather(former.chunks)))
    await store.put('k', [bytes('latter')])
    await t.rejects(store.delete('k', former?.version), ConditionFailed)
    t.equal(await textOf(store, 'k'), 'latter')
    const latter = await store.get('k')
    t.ok(latter && (await gather(latter.chunks)))
    await store.delete('k', latter?.version)
    t.equal(await store.head('k'), undefined)
  })

  t.test('many are deleted at once, those that are not there too', async (t) => {
    const store = await fresh(t)
    await store.deleteAll([])
    const keys = Array.from({ length: 12 }, (_, i) => `f/${i}`)
    for (const key of [...keys, 'ff', 'f-']) await store.put(key, [bytes(key)])
    await store.deleteAll([...keys, 'f/never', 'f', 'never'])
    for (const key of keys) t.equal(await store.head(key), undefined, key)
    t.equal(await textOf(store, 'f-'), 'f-')
    await store.deleteAll(keys)
  })

  t.test('more are deleted at once than one call takes', async (t) => {
    const store = await fresh(t)
    const keys = Array.from({ length: 2_100 }, (_, i) => `many/${i}`)
    await store.put('many/2099', [bytes('x')])
    await store.put('many/3', [bytes('x')])
    await store.deleteAll(keys)
    t.strictSame((await store.list('many/', { byFolder: false })).objects, [])
  })

  t.test('objects are read side by side', async (t) => {
    const store = await fresh(t)
    const whole = noise(3 << 20)
    await store.put('k', [whole])
    const reads = Array.from({ length: 32 }, async () => contentOf(store, 'k'))
    for (const read of await Promise.all(reads)) t.ok(read?.equals(whole))
  })

  t.test('a reader that stops early holds nothing', async (t) => {
    const store = await fresh(t)
    await store.put('k', [noise(2 << 20)])
    for (let round = 0; round < 150; round++) {
      const opened = await store.get('k')
      for await (const _ of opened?.chunks ?? []) break
    }
    t.equal((await contentOf(store, 'k'))?.length, 2 << 20)
  })

  t.test('an address that can be signed gives the object to whoever has it', async (t) => {
    const store = await fresh(t)
    const whole = noise(100_000)
    await store.put('a/b.c', [whole])
    const url = await store.sign?.('a/b.c', 60)
    if (url === undefined) return
    const answer = await fetch(url)
    t.equal(answer.status, 200)
    t.ok(Buffer.from(await answer.arrayBuffer()).equals(whole))
    const part = await fetch(url, { headers: { range: 'bytes=10-19' } })
    t.equal(part.status, 206)
    t.ok(Buffer.from(await part.arrayBuffer()).equals(whole.subarray(10, 20)))
    const other = new URL(url)
    other.pathname = other.pathname.replace(/b\.c$/, 'b.d')
    const refused = await fetch(other)
    t.equal(refused.status, 403, 'of no other object')
    await refused.text()
  })
}
