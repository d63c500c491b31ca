import type { Test } from 'tap'
import { ObjectNotFound, OffsetConflict } from '../../../storage/driver.ts'
import { bytes, gather, noise, pieces, stalled, text } from '../bodies.ts'
import type { Fresh } from '../contract.ts'

const MIB = 1 << 20

/** Several that work on one object in the making: in one process, and in two that share the store. */
export function rivalsContract(t: Test, fresh: Fresh): void {
  t.test('case 20: of two that append at one offset one wins, and its bytes are there', async (t) => {
    for (const processes of [1, 2]) {
      const open = fresh(t)
      const one = open()
      const two = processes === 2 ? open() : one
      await one.begin('u/data')
      let whole = Buffer.alloc(0)
      for (let round = 0; round < 20; round++) {
        const bodies = [noise(MIB + 70_000, 2 * round), noise(MIB + 50_000, 2 * round + 1)] as const
        const offset = whole.length
        const [first, second] = await Promise.allSettled([
          one.append('u/data', offset, pieces(bodies[0], 65_536), () => 'first'),
          two.append('u/data', offset, pieces(bodies[1], 65_536), () => 'second')
        ])
        t.not(first.status, second.status, `${processes} processes: just one wins`)
        const winner = first.status === 'fulfilled' ? 0 : 1
        const loser = ([second, first][winner] as PromiseRejectedResult).reason
        whole = Buffer.concat([whole, bodies[winner]])
        t.type(loser, OffsetConflict)
        t.ok([offset, whole.length].includes(loser.size), 'told what was durable when it lost')
        t.same(await one.appended('u/data'), { size: whole.length, mark: ['first', 'second'][winner] })
      }
      t.ok((await gather(two.readAppended('u/data'))).equals(whole))
      await two.commit('u/data', whole.length, 'k')
      t.ok((await gather(one.read('k'))).equals(whole))
    }
  })

  t.test('case 20: of 16 that append at one offset one wins', async (t) => {
    const open = fresh(t)
    await open().begin('u/data')
    await open().append('u/data', 0, [bytes('abc')])
    const results = await Promise.allSettled(
      Array.from({ length: 16 }, (_, i) => open().append('u/data', 3, [bytes(`-${i}`)], () => `m${i}`))
    )
    const winners = results.flatMap((result, i) => (result.status === 'fulfilled' ? [i] : []))
    t.equal(winners.length, 1)
    for (const result of results) {
      if (result.status === 'rejected') t.type(result.reason, OffsetConflict)
    }
    t.equal(await text(open().readAppended('u/data')), `abc-${winners[0]}`)
    t.equal((await open().appended('u/data'))?.mark, `m${winners[0]}`)
  })

  t.test('one takes over from another that came no further, whose later bytes never appear', async (t) => {
    for (const [processes, written] of [
      [1, 100],
      [2, 100],
      [2, 2 * MIB]
    ] as const) {
      const open = fresh(t)
      const dead = open()
      const next = processes === 2 ? open() : dead
      await dead.begin('u/data', 'm0')
      await dead.append('u/data', 0, [bytes('abc')], () => 'm3')
      const { body, waits, goOn } = stalled([noise(written, 1)], [noise(2 * MIB, 2)])
      const zombie = t.rejects(
        dead.append('u/data', 3, body, () => 'zombie'),
        OffsetConflict
      )
      await waits
      t.same(await next.appended('u/data'), { size: 3, mark: 'm3' }, 'what it did not finish is not there')
      t.equal(await text(next.readAppended('u/data')), 'abc')
      t.equal(await next.append('u/data', 3, [bytes('def')], () => 'm6'), 6)
      goOn()
      await zombie
      t.same(await next.appended('u/data'), { size: 6, mark: 'm6' })
      t.equal(await text(dead.readAppended('u/data')), 'abcdef')
      await next.commit('u/data', 6, 'k')
      t.equal(await text(dead.read('k')), 'abcdef')
    }
  })

  t.test('one may take over in the middle of another takeover', async (t) => {
    const open = fresh(t)
    const storage = open()
    await storage.begin('u/data')
    await storage.append('u/data', 0, [bytes('abc')])
    const zombies = []
    for (let i = 0; i < 5; i++) {
      const { body, waits, goOn } = stalled([noise(MIB, i)], [noise(MIB, i)])
      zombies.push({ goOn, ended: Promise.allSettled([open().append('u/data', 3, body)]) })
      await waits
    }
    for (const { goOn } of zombies.slice(0, 2)) goOn()
    const early = await Promise.all(zombies.slice(0, 2).map(({ ended }) => ended))
    // Whether the first or the last to begin wins is the driver's choice, as long as it is one.
    const won = early.findIndex(([result]) => result?.status === 'fulfilled')
    const whole = [bytes('abc'), ...(won < 0 ? [] : [noise(MIB, won), noise(MIB, won)]), bytes('def')]
    const size = Buffer.concat(whole).length
    t.equal(await open().append('u/data', size - 3, [bytes('def')]), size)
    for (const { goOn } of zombies) goOn()
    for (const { ended } of zombies.slice(2)) {
      const [result] = await ended
      t.type(result.status === 'rejected' && result.reason, OffsetConflict)
    }
    t.equal(early.filter(([result]) => result?.status === 'fulfilled').length, won < 0 ? 0 : 1)
    t.ok((await gather(storage.readAppended('u/data'))).equals(Buffer.concat(whole)))
  })

  t.test('a commit takes over as well, and nothing is added to the object afterwards', async (t) => {
    for (const [processes, written] of [
      [1, 100],
      [2, 100],
      [2, 2 * MIB]
    ] as const) {
      const open = fresh(t)
      const dead = open()
      const next = processes === 2 ? open() : dead
      await dead.begin('u/data')
      await dead.append('u/data', 0, [bytes('abc')])
      const { body, waits, goOn } = stalled([noise(written, 1)], [noise(2 * MIB, 2)])
      const zombie = t.rejects(dead.append('u/data', 3, body), ObjectNotFound)
      await waits
      await next.commit('u/data', 3, 'k')
      t.equal(await text(next.read('k')), 'abc')
      goOn()
      await zombie
      t.equal(await text(next.read('k')), 'abc')
      t.equal(await next.size('k'), 3)
    }
  })

  t.test('an append to what is abandoned meanwhile brings nothing back', async (t) => {
    const storage = fresh(t)()
    await storage.begin('u/data')
    const { body, waits, goOn } = stalled([noise(MIB, 1)], [noise(MIB, 2)])
    const zombie = t.rejects(storage.append('u/data', 0, body), ObjectNotFound)
    await waits
    await storage.abandon('u/data')
    goOn()
    await zombie
    t.equal(await storage.appended('u/data'), undefined)
  })

  t.test('of several commits at once some succeed, and what they made is whole', async (t) => {
    const open = fresh(t)
    await open().begin('u/data')
    await open().append('u/data', 0, [bytes('abc')])
    const results = await Promise.allSettled(
      Array.from({ length: 8 }, (_, i) => open().commit('u/data', 3, `k${i}`))
    )
    const won = results.flatMap((result, i) => (result.status === 'fulfilled' ? [`k${i}`] : []))
    t.ok(won.length > 0)
    for (const key of won) t.equal(await text(open().read(key)), 'abc')
    t.equal(await open().appended('u/data'), undefined)
  })

  t.test('the bytes of an object in the making can be read while more are appended', async (t) => {
    const open = fresh(t)
    const whole = noise(4 * MIB)
    await open().begin('u/data')
    let offset = 0
    for (const piece of pieces(whole, MIB)) {
      const [seen, size] = await Promise.all([
        gather(open().readAppended('u/data')),
        open().append('u/data', offset, pieces(piece, 65_536))
      ])
      t.ok([offset, size].includes(seen.length), 'before or after')
      t.ok(whole.subarray(0, seen.length).equals(seen))
      offset = size
    }
  })
}
