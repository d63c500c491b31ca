import t from 'tap'
import { createKeyRing, deriveKeys, LEEWAY_MS } from '../../src/auth/keys.ts'

const tokenLifeMs = 300_000
const settleMs = 90_000

t.test('the same secret gives the same keys, and everything else gives others', async (t) => {
  const inputs: [string, Buffer?][] = [
    ['secret'],
    ['secre'],
    ['secret', Buffer.from('key')],
    ['secretkey'],
    ['secretk', Buffer.from('ey')],
    ['secret', Buffer.from('kez')]
  ]
  const all = inputs.map(([secret, tlsKey]) => deriveKeys(secret, tlsKey))
  t.strictSame(
    inputs.map(([secret, tlsKey]) => deriveKeys(secret, tlsKey)),
    all
  )
  const texts = all.flatMap(({ id, signing, sealing, hashing }) => [
    id,
    ...[signing, sealing, hashing.export()].map((key) => key.toString('hex'))
  ])
  t.equal(new Set(texts).size, texts.length)
  for (const { id, signing, sealing, hashing } of all) {
    t.match(id, /^berth-[\w-]{12}$/)
    t.strictSame([signing.length, sealing.length, hashing.symmetricKeySize], [32, 32, 32])
  }
})

t.test('an empty secret is refused', async (t) => {
  t.throws(() => deriveKeys(''), { message: /http\.secret/ })
  t.throws(() => deriveKeys('', Buffer.from('key')), { message: /http\.secret/ })
})

const [one, two, three] = [deriveKeys('1'), deriveKeys('2'), deriveKeys('3')]

function createBed() {
  const clock = { now: 1_000_000 }
  const ring = createKeyRing(one, { tokenLifeMs, settleMs, now: () => clock.now })
  const known = () => [one, two, three].map(({ id }) => ring.find(id) !== undefined)
  return { ring, clock, known }
}

t.test('new keys verify at once and sign once all have noticed', async (t) => {
  const { ring, clock, known } = createBed()
  t.strictSame(known(), [true, false, false])
  ring.replace(two)
  t.equal(ring.current(), one)
  t.strictSame(known(), [true, true, false])
  t.equal(ring.find(two.id), two)
  clock.now += settleMs - 1
  t.equal(ring.current(), one)
  clock.now += 1
  t.equal(ring.current(), two)
})

t.test('former keys are good until the last of their tokens has expired, and no longer', async (t) => {
  const { ring, clock, known } = createBed()
  ring.replace(two)
  clock.now += settleMs // from now on this process signs with the new ones; the slowest, as long again later
  clock.now += settleMs + tokenLifeMs + LEEWAY_MS - 1
  t.strictSame(known(), [true, true, false])
  clock.now += 1
  t.strictSame(known(), [false, true, false])
  t.equal(ring.current(), two)
})

t.test('a change to the same keys is none', async (t) => {
  const { ring, clock } = createBed()
  ring.replace(deriveKeys('1'))
  clock.now += settleMs
  t.equal(ring.current(), one)
  ring.replace(two)
  clock.now += settleMs - 1
  ring.replace(deriveKeys('2'))
  clock.now += 1
  t.equal(ring.current(), two)
})

t.test('keys that change again before they settled never sign', async (t) => {
  const { ring, clock, known } = createBed()
  ring.replace(two)
  clock.now += settleMs - 1
  ring.replace(three)
  t.strictSame(known(), [true, true, true])
  clock.now += settleMs - 1
  t.equal(ring.current(), one)
  clock.now += 1
  t.equal(ring.current(), three)
  t.strictSame(known(), [true, true, true])
  clock.now += settleMs + tokenLifeMs + LEEWAY_MS
  t.strictSame(known(), [false, false, true])
})

t.test('keys that come back are no longer former ones', async (t) => {
  const { ring, clock, known } = createBed()
  ring.replace(two)
  ring.replace(one)
  t.equal(ring.current(), one)
  clock.now += settleMs + tokenLifeMs + LEEWAY_MS
  t.strictSame([ring.current(), known()], [one, [true, false, false]])

  ring.replace(two)
  clock.now += settleMs
  t.equal(ring.current(), two)
  ring.replace(one)
  clock.now += settleMs
  t.equal(ring.current(), one)
  clock.now += 10 * tokenLifeMs
  t.strictSame(known(), [true, false, false])
})
