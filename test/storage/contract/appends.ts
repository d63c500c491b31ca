import type { Test } from 'tap'
import { ObjectNotFound, OffsetConflict } from '../../../storage/driver.ts'
import { bytes, gather, interrupted, noise, pieces, text } from '../bodies.ts'
import type { Fresh } from '../contract.ts'

const MIB = 1 << 20

export function appendsContract(t: Test, fresh: Fresh): void {
  t.test('case 17: what was appended in one go becomes an object, of any size', async (t) => {
    const storage = fresh(t)()
    for (const size of [1, MIB - 1, MIB, MIB + 1, 3 * MIB, 3 * MIB + 1]) {
      const whole = noise(size)
      await storage.begin(`u/${size}/data`)
      t.equal(await storage.append(`u/${size}/data`, 0, pieces(whole, 65_536)), size)
      await storage.commit(`u/${size}/data`, size, `b/${size}/data`)
      t.ok((await gather(storage.read(`b/${size}/data`))).equals(whole), `${size} bytes`)
    }
  })

  t.test('case 18: what was appended bit by bit is there each time, and comes out whole', async (t) => {
    const storage = fresh(t)()
    for (const size of [1, 4096, MIB, 5 * MIB - 1, 5 * MIB + 1]) {
      const whole = noise(3 * size + 1)
      const key = `u/${size}/data`
      await storage.begin(key)
      let offset = 0
      for (const piece of pieces(whole, size)) {
        offset = await storage.append(key, offset, pieces(piece, 65_536))
        t.same(await storage.appended(key), { size: offset, mark: '' })
      }
      t.ok((await gather(storage.readAppended(key))).equals(whole), `${size} at a time, in the making`)
      const range = { start: size, end: 2 * size }
      const middle = await gather(storage.readAppended(key, range))
      t.ok(middle.equals(whole.subarray(range.start, range.end + 1)), `${size} at a time, a range of it`)
      t.equal((await gather(storage.readAppended(key, { start: offset, end: offset }))).length, 0, 'its end')
      await t.rejects(gather(storage.readAppended(key, { start: offset + 1, end: offset + 1 })), RangeError)
      await storage.commit(key, offset, 'b')
      t.ok((await gather(storage.read('b'))).equals(whole), `${size} at a time, done`)
    }
  })

  t.test('case 19: each append may come through another process', async (t) => {
    const open = fresh(t)
    const whole = noise(300_000)
    await open().begin('u/data')
    let offset = 0
    for (const piece of pieces(whole, 70_000)) offset = await open().append('u/data', offset, [piece])
    t.ok((await gather(open().readAppended('u/data'))).equals(whole))
    await open().commit('u/data', offset, 'b')
    t.ok((await gather(open().read('b'))).equals(whole))
  })

  t.test('a mark is kept with the size it was made for, and asked for once the body has ended', async (t) => {
    const open = fresh(t)
    const storage = open()
    await storage.begin('u/data', 'sha256-e3b0.+_')
    t.same(await storage.appended('u/data'), { size: 0, mark: 'sha256-e3b0.+_' })
    let ended = false
    async function* body() {
      yield bytes('abc')
      ended = true
    }
    await storage.append('u/data', 0, body(), (size) => `${ended}-${size}`)
    t.same(await open().appended('u/data'), { size: 3, mark: 'true-3' })
    await storage.append('u/data', 3, [bytes('d')], () => 'm'.repeat(160))
    t.same(await storage.appended('u/data'), { size: 4, mark: 'm'.repeat(160) })
    await storage.append('u/data', 4, [bytes('e')])
    t.same(await storage.appended('u/data'), { size: 5, mark: '' })
    await t.rejects(storage.begin('v/data', 'a/b'), TypeError)
    await t.rejects(
      storage.append('u/data', 5, [bytes('f')], () => 'a@b'),
      TypeError
    )
    t.same(await storage.appended('u/data'), { size: 5, mark: '' }, 'a mark that is none keeps nothing')
  })

  t.test('an append whose body throws keeps what came, and rejects with just that', async (t) => {
    const storage = fresh(t)()
    await storage.begin('u/data')
    await storage.append('u/data', 0, [bytes('abc')])
    await t.rejects(
      storage.append('u/data', 3, interrupted('def'), (size) => `mark-${size}`),
      {
        message: 'line cut'
      }
    )
    t.same(await storage.appended('u/data'), { size: 6, mark: 'mark-6' })
    await storage.append('u/data', 6, [bytes('ghi')])
    await storage.commit('u/data', 9, 'k')
    t.equal(await text(storage.read('k')), 'abcdefghi')
  })

  t.test('an append or a commit that knows another size is told the true one', async (t) => {
    const storage = fresh(t)()
    await storage.begin('u/data')
    await storage.append('u/data', 0, [bytes('abc')])
    for (const offset of [0, 2, 4]) {
      await t.rejects(storage.append('u/data', offset, [bytes('x')]), new OffsetConflict('u/data', 3))
      await t.rejects(storage.commit('u/data', offset, 'k'), new OffsetConflict('u/data', 3))
    }
    t.equal(await text(storage.readAppended('u/data')), 'abc')
    t.equal(await storage.size('k'), undefined)
  })

  t.test('case 21: an object of no bytes can be made, and cannot be appended to', async (t) => {
    const storage = fresh(t)()
    await storage.begin('u/data')
    await storage.commit('u/data', 0, 'k')
    t.equal(await storage.size('k'), 0)
    await storage.begin('v/data')
    t.equal(await storage.append('v/data', 0, []), 0)
    await storage.commit('v/data', 0, 'l')
    t.equal(await text(storage.read('l')), '')
    await t.rejects(storage.append('k', 0, [bytes('x')]), ObjectNotFound)
  })

  t.test('case 22: what is in the making is not to be read, sized or listed', async (t) => {
    const storage = fresh(t)()
    await storage.begin('u/data')
    await storage.append('u/data', 0, [bytes('abc')])
    t.equal(await storage.size('u/data'), undefined)
    t.same(await storage.list('u'), [])
    await t.rejects(text(storage.read('u/data')), ObjectNotFound)
  })

  t.test('case 23: what is abandoned leaves nothing, and its key can be used again', async (t) => {
    const storage = fresh(t)()
    for (let round = 0; round < 2; round++) {
      await storage.begin('u/data')
      await storage.append('u/data', 0, [bytes('abc')])
      await storage.abandon('u/data')
      t.equal(await storage.appended('u/data'), undefined)
      await t.rejects(storage.append('u/data', 3, [bytes('x')]), ObjectNotFound)
      await t.rejects(storage.commit('u/data', 3, 'k'), ObjectNotFound)
      t.same(await storage.list('u'), [])
    }
  })

  t.test('what is in the making is counted', async (t) => {
    const storage = fresh(t)()
    if ((await storage.countMaking()) === undefined) return
    t.equal(await storage.countMaking(), 0)
    for (const key of ['a/data', 'b/data', 'c/data', 'd/data']) await storage.begin(key)
    await storage.append('b/data', 0, [bytes('abc')])
    await storage.append('c/data', 0, [bytes('abc')])
    t.equal(await storage.countMaking(), 4)
    await storage.commit('b/data', 3, 'k')
    await storage.abandon('d/data')
    t.equal(await storage.countMaking(), 2)
  })

  t.test('what was added to since is not abandoned as old', async (t) => {
    const storage = fresh(t)()
    const before = new Date(Date.now() - 60_000)
    await storage.begin('u/data')
    await storage.append('u/data', 0, [bytes('abc')])
    t.equal(await storage.tidy(before), 0)
    t.same(await storage.appended('u/data'), { size: 3, mark: '' })
    t.equal(await storage.tidy(new Date(Date.now() + 60_000)), 1)
    t.equal(await storage.appended('u/data'), undefined)
  })

  t.test('of what is old only that is abandoned of which it is said so', async (t) => {
    const storage = fresh(t)()
    const later = new Date(Date.now() + 60_000)
    for (const key of ['u/data', 'v/data']) {
      await storage.begin(key)
      await storage.append(key, 0, [bytes('abc')])
    }
    const named: string[] = []
    const isNew = (name: string): boolean => !named.includes(name) && named.push(name) === 1
    t.equal(await storage.tidy(later, isNew), 1)
    t.equal(named.length, 2)
    const left = [await storage.appended('u/data'), await storage.appended('v/data')]
    t.equal(left.filter((state) => state === undefined).length, 1)
    t.equal(await storage.tidy(later, () => false), 0)
    t.equal(await storage.tidy(later), 1)
  })

  t.test(
    'who begins what another has begun and added to at the same moment takes nothing away',
    async (t) => {
      const another = fresh(t)
      const [one, other] = [another(), another()]
      await one.begin('u/data', 'm0')
      await one.append('u/data', 0, [bytes('abc')], () => 'm3')
      await other.begin('u/data', 'm0').catch(() => {})
      t.same(await other.appended('u/data'), { size: 3, mark: 'm3' })
      t.same(await one.appended('u/data'), { size: 3, mark: 'm3' })
      t.equal(await one.append('u/data', 3, [bytes('d')]), 4)
      await other.abandon('u/data')
      t.equal(await one.appended('u/data'), undefined)
    }
  )

  t.test('case 24: a second commit, and an append after it, find nothing in the making', async (t) => {
    const storage = fresh(t)()
    await storage.begin('u/data')
    await storage.append('u/data', 0, [bytes('abc')])
    await storage.commit('u/data', 3, 'k')
    t.equal(await storage.appended('u/data'), undefined)
    await t.rejects(storage.commit('u/data', 3, 'k'), ObjectNotFound)
    await t.rejects(storage.append('u/data', 3, [bytes('x')]), ObjectNotFound)
    t.equal(await text(storage.read('k')), 'abc')
  })

  t.test('case 25: a finished object cannot be appended to', async (t) => {
    const storage = fresh(t)()
    await storage.write('b/data', [bytes('abc')])
    t.equal(await storage.appended('b/data'), undefined)
    await t.rejects(storage.append('b/data', 3, [bytes('x')]), ObjectNotFound)
    await t.rejects(storage.commit('b/data', 3, 'k'), ObjectNotFound)
    t.equal(await text(storage.read('b/data')), 'abc')
  })

  t.test('case 37: a commit replaces what was at its target, and may go to its own key', async (t) => {
    const storage = fresh(t)()
    await storage.write('b/k', [bytes('a longer former object')])
    await storage.begin('u/data')
    await storage.append('u/data', 0, [bytes('abc')])
    await storage.commit('u/data', 3, 'b/k')
    t.equal(await text(storage.read('b/k')), 'abc')
    await storage.begin('v/data')
    await storage.append('v/data', 0, [bytes('def')])
    await storage.commit('v/data', 3, 'v/data')
    t.equal(await text(storage.read('v/data')), 'def')
    t.equal(await storage.appended('v/data'), undefined)
  })
}
