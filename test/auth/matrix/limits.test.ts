import t, { type Test } from 'tap'
import { type Answer, refusal } from '../../http/support.ts'
import { basic, bearer, type WorldOptions } from '../world.ts'
import { type Scene, scene } from './scene.ts'

/** So many may fail in a minute. */
const MOST = 5

interface Limited extends Scene {
  /** Comes through a proxy that says from where. */
  from(address: string, authorization: string | undefined, url?: string): Promise<Answer>
}

async function limited(t: Test, options: WorldOptions = {}): Promise<Limited> {
  const it = await scene(t, { maxFailedLogins: MOST, trustedProxies: ['127.0.0.1'], ...options })
  await it.fill('team/app')
  return {
    ...it,
    from: (address, authorization, url = '/v2/team/app/tags/list') =>
      it.ask('GET', url, {
        headers: { 'x-forwarded-for': address, ...(authorization !== undefined && { authorization }) }
      })
  }
}

const wrong = (number: number): string => basic(`wrong-${number}`)

/** So many different ones that no more are allowed. */
async function exhaust(t: Test, { from }: Limited, address: string): Promise<void> {
  for (let number = 0; number < MOST; number++) {
    t.equal(refusal(await from(address, wrong(number))), '401 UNAUTHORIZED')
  }
}

const TOO_MANY = '429 TOOMANYREQUESTS'

t.test('whoever tries many credentials must wait, and the API server is spared', async (t) => {
  const it = await limited(t)
  await exhaust(t, it, '192.0.2.1')
  it.cluster.reset()
  const urls = [
    '/v2/',
    '/v2/_catalog',
    '/v2/team/app/tags/list',
    '/openshift/token?scope=repository:a/b:pull'
  ]
  for (const url of urls) {
    const answer = await it.from('192.0.2.1', wrong(99), url)
    t.equal(refusal(answer), TOO_MANY, url)
    const wait = Number(answer.headers['retry-after'])
    t.ok(wait >= 1 && wait <= 60, `${wait} s`)
    t.match(answer.body, 'too many wrong credentials')
  }
  const headers = { 'x-forwarded-for': '192.0.2.1' }
  const body = 'grant_type=password&username=me&password=wrong-98'
  t.equal(refusal(await it.ask('POST', '/openshift/token', { headers, body })), TOO_MANY)
  t.same(it.cluster.calls(), {})
  it.pass(60_000)
  t.equal(refusal(await it.from('192.0.2.1', wrong(99))), '401 UNAUTHORIZED', 'a minute later')
})

t.test(
  'a credential known to be good is never limited, nor is a token of the registry, nor nobody',
  async (t) => {
    const it = await limited(t)
    const good = it.tokens.viewer as string
    const jwt = bearer(await it.exchange(basic(good), 'repository:team/app:pull'))
    t.equal((await it.from('192.0.2.1', basic(good))).statusCode, 200)
    await exhaust(t, it, '192.0.2.1')
    for (let turn = 0; turn < 3 * MOST; turn++) {
      t.equal((await it.from('192.0.2.1', basic(good))).statusCode, 200)
      t.equal((await it.from('192.0.2.1', jwt)).statusCode, 200)
      t.equal(refusal(await it.from('192.0.2.1', undefined)), '401 UNAUTHORIZED')
      t.equal((await it.from('192.0.2.1', undefined, '/openshift/token')).statusCode, 200)
      t.equal(refusal(await it.from('192.0.2.1', wrong(turn))), TOO_MANY)
    }
    it.cluster.revokeToken(good)
    it.pass(10_000)
    for (let turn = 0; turn < 3 * MOST; turn++) {
      t.equal(refusal(await it.from('192.0.2.1', basic(good))), '401 UNAUTHORIZED', 'also once it is over')
    }
  }
)

t.test('many failures of one credential are its own affair', async (t) => {
  const it = await limited(t)
  for (let turn = 0; turn < MOST; turn++) {
    t.equal(refusal(await it.from('192.0.2.1', wrong(1))), '401 UNAUTHORIZED')
  }
  t.equal(refusal(await it.from('192.0.2.1', wrong(1))), TOO_MANY)
  t.equal(refusal(await it.from('198.51.100.7', wrong(1))), TOO_MANY, 'wherever it comes from')
  t.equal(refusal(await it.from('192.0.2.1', wrong(2))), '401 UNAUTHORIZED', 'but no other')
  t.equal((await it.from('192.0.2.1', basic(it.tokens.viewer as string))).statusCode, 200)
})

t.test('whoever tries many credentials at once gets no further', async (t) => {
  const it = await limited(t)
  it.cluster.reset()
  const all = await Promise.all(
    Array.from({ length: 200 }, (_, number) => it.from('192.0.2.1', wrong(number)))
  )
  const refused = all.filter((answer) => refusal(answer) === TOO_MANY)
  const tried = it.cluster.calls().tokenreviews ?? 0
  t.equal(refused.length, 200 - tried)
  t.ok(tried < MOST + 10, `${tried} tried`)
})

t.test('a crowd that logs in at once is let in', async (t) => {
  const it = await limited(t)
  const tokens = Array.from({ length: 100 }, () => it.cluster.addUser('vera'))
  const all = await Promise.all(tokens.map((token) => it.from('192.0.2.1', basic(token), '/v2/')))
  t.same(new Set(all.map(({ statusCode }) => statusCode)), new Set([200]))
})

t.test('an IPv6 client has a /64, and another one has another', async (t) => {
  const cases: [string, string, string][] = [
    ['2001:db8:1:2::1', '2001:db8:1:2:ffff:ffff:ffff:ffff', TOO_MANY],
    ['2001:db8:1:2::1', '2001:0DB8:0001:0002::9', TOO_MANY],
    ['2001:db8:1:2::1', '2001:db8:1:3::1', '401 UNAUTHORIZED'],
    ['2001:db8::1', '2001:db8:0:1::1', '401 UNAUTHORIZED'],
    ['192.0.2.1', '::ffff:192.0.2.1', TOO_MANY],
    ['::ffff:192.0.2.1', '::ffff:192.0.2.2', '401 UNAUTHORIZED'],
    ['192.0.2.1', '192.0.2.2', '401 UNAUTHORIZED']
  ]
  for (const [address, other, code] of cases) {
    const it = await limited(t)
    await exhaust(t, it, address)
    t.equal(refusal(await it.from(other, wrong(99))), code, `${address} and ${other}`)
  }
})

t.test('an address is believed of a trusted proxy only, and the nearest one counts', async (t) => {
  const direct = await limited(t, { trustedProxies: [] })
  await exhaust(t, direct, '192.0.2.1')
  t.equal(refusal(await direct.from('198.51.100.7', wrong(99))), TOO_MANY, 'the header is the client’s')
  const it = await limited(t)
  for (let number = 0; number < MOST; number++) await it.from(`10.0.0.${number}, 192.0.2.1`, wrong(number))
  t.equal(refusal(await it.from('10.9.9.9, 192.0.2.1', wrong(99))), TOO_MANY)
})

t.test('what the API server does not answer is no failure of the client', async (t) => {
  const transport = { sleep: async () => {} }
  const it = await limited(t, { transport })
  await it.cluster.stop()
  for (let number = 0; number < 2 * MOST; number++) {
    t.equal(refusal(await it.from('192.0.2.1', wrong(number))), '503 UNAVAILABLE')
    t.equal(refusal(await it.from('192.0.2.1', wrong(0))), '503 UNAVAILABLE')
  }
  await it.cluster.start()
  t.equal(refusal(await it.from('192.0.2.1', wrong(0))), '401 UNAUTHORIZED')
  t.equal((await it.from('192.0.2.1', basic(it.tokens.viewer as string))).statusCode, 200)
})

t.test(
  'many machines with one stale credential go on with what is public, and guess nothing by it',
  async (t) => {
    const it = await limited(t)
    it.cluster.grant({ group: 'system:unauthenticated' }, 'system:image-puller', 'team')
    const url = '/openshift/token?scope=repository:team/app:pull'
    for (let machine = 0; machine < 3 * MOST; machine++) {
      const answer = await it.from(`192.0.2.${machine}`, basic(it.tokens.expired as string), url)
      t.equal(answer.statusCode, 200, `machine ${machine}`)
    }
    for (let number = 0; number < MOST; number++) {
      t.equal((await it.from('198.51.100.7', wrong(number), url)).statusCode, 200)
    }
    t.equal(refusal(await it.from('198.51.100.7', wrong(99), url)), TOO_MANY)
  }
)
