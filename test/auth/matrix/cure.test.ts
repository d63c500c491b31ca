import t, { type Test } from 'tap'
import { type Answer, refusal } from '../../http/support.ts'
import { basic, bearer, type WorldOptions } from '../world.ts'
import { type Scene, scene } from './scene.ts'

const QUICK = { connectMs: 2000, answerMs: 500, totalMs: 4000, sleep: async () => {} }

/** `other/app` is public, `team/app` is not. */
async function half(t: Test, options: WorldOptions = {}): Promise<Scene> {
  const it = await scene(t, { transport: QUICK, ...options })
  it.cluster.grant({ group: 'system:unauthenticated' }, 'system:image-puller', 'other')
  for (const name of ['team/app', 'other/app', 'other/lib']) await it.fill(name)
  it.cluster.reset()
  return it
}

type Way = (it: Scene, secret: string, scopes: readonly string[]) => Promise<Answer>

/** All the ways to the token endpoint. */
const WAYS: Record<string, Way> = {
  'GET with Basic': ({ ask }, secret, scopes) => {
    const query = new URLSearchParams(scopes.map((scope): [string, string] => ['scope', scope]))
    return ask('GET', `/openshift/token?service=berth&${query}`, {
      headers: { authorization: basic(secret) }
    })
  },
  'GET with Bearer': ({ ask }, secret, scopes) =>
    ask('GET', `/openshift/token?scope=${encodeURIComponent(scopes.join(' '))}`, {
      headers: { authorization: bearer(secret) }
    }),
  POST: ({ ask }, secret, scopes) => {
    const form = new URLSearchParams({ grant_type: 'password', username: 'me', password: secret })
    for (const scope of scopes) form.append('scope', scope)
    return ask('POST', '/openshift/token', { body: `${form}` })
  }
}

const bodyOf = (token: string) =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as {
    sub: string
    exp: number
    iat: number
  }

const PUBLIC = 'repository:other/app:pull'
const PRIVATE = 'repository:team/app:pull'

t.test('a stale credential does not stand in the way of a public pull', async (t) => {
  for (const [way, exchange] of Object.entries(WAYS)) {
    const it = await half(t)
    for (const secret of ['expired', 'bad'] as const) {
      const answer = await exchange(it, it.tokens[secret] as string, [PUBLIC, 'repository:other/lib:pull'])
      t.equal(answer.statusCode, 200, `${way}, ${secret}`)
      const { token, expires_in } = answer.json()
      const { sub, exp, iat } = bodyOf(token)
      t.same([sub, exp - iat, expires_in], ['system:anonymous', 60, 60])
      const headers = { authorization: bearer(token) }
      t.equal((await it.ask('GET', '/v2/other/app/tags/list', { headers })).statusCode, 200)
      t.equal(refusal(await it.ask('GET', '/v2/team/app/tags/list', { headers })), '401 UNAUTHORIZED')
      t.equal(refusal(await it.ask('POST', '/v2/other/app/blobs/uploads/', { headers })), '401 UNAUTHORIZED')
    }
    const told = it.lines.filter((line) => line.includes('is let in as anonymous'))
    t.equal(told.length, 2, 'it is logged')
    t.match(told[0], /^stale credential [\w-]{12}: .*other\/app, other\/lib .*\(1 so far\)/)
    t.match(told[1], '(2 so far)')
    t.not(told[0]?.slice(0, 30), told[1]?.slice(0, 30), 'credentials are told apart')
  }
})

t.test('in the way of anything else it does', async (t) => {
  const it = await half(t)
  it.cluster.grant({ group: 'system:unauthenticated' }, 'registry-editor', 'open')
  const refused: string[][] = [
    [],
    [PRIVATE],
    [PUBLIC, PRIVATE],
    ['repository:other/app:pull,push'],
    ['repository:other/app:push'],
    ['repository:other/app:*'],
    ['repository:open/app:push'],
    ['repository:open/app:pull,push'],
    [PUBLIC, 'repository:open/app:push'],
    [PUBLIC, 'repository:open/app:delete'],
    ['registry:catalog:*'],
    [PUBLIC, 'registry:catalog:*'],
    ['repository:other:pull'],
    ['nonsense']
  ]
  for (const [way, exchange] of Object.entries(WAYS)) {
    for (const scopes of refused) {
      for (const secret of ['expired', 'bad'] as const) {
        const answer = await exchange(it, it.tokens[secret] as string, scopes)
        t.equal(refusal(answer), '401 UNAUTHORIZED', `${way}, ${secret}: ${scopes}`)
        t.notOk('token' in answer.json())
      }
    }
  }
})

t.test('a login with a stale credential fails, at the ping as at the token endpoint', async (t) => {
  const it = await half(t)
  for (const secret of [it.tokens.expired, it.tokens.bad] as string[]) {
    for (const authorization of [basic(secret), bearer(secret)]) {
      const url = '/openshift/token?account=me&client_id=docker&offline_token=true&service=berth'
      t.equal(refusal(await it.ask('GET', url, { headers: { authorization } })), '401 UNAUTHORIZED')
      const ping = await it.ask('GET', '/v2/', { headers: { authorization } })
      t.match(ping.headers['www-authenticate'], 'error="invalid_token"')
      const pull = await it.ask('GET', '/v2/other/app/tags/list', { headers: { authorization } })
      t.equal(refusal(pull), '401 UNAUTHORIZED', 'nor is a pull itself cured')
    }
  }
})

t.test('a good credential that may not pull is not made anonymous', async (t) => {
  const it = await half(t)
  const token = await it.exchange(basic(it.tokens.viewer as string), PUBLIC)
  t.equal(bodyOf(token).sub, 'vera')
})

t.test('while nobody says that it is stale, it is not cured: 503', async (t) => {
  const troubles: [string, (it: Scene) => unknown][] = [
    ['no TokenReview is answered', ({ cluster }) => cluster.fault({ on: 'tokenreviews', status: 500 })],
    ['it is told to come later', ({ cluster }) => cluster.fault({ on: 'tokenreviews', status: 429 })],
    ['it hangs', ({ cluster }) => cluster.fault({ on: 'tokenreviews', hang: true })],
    ['it hangs half-way', ({ cluster }) => cluster.fault({ on: 'tokenreviews', hang: 'half' })],
    ['it is cut off', ({ cluster }) => cluster.fault({ on: 'tokenreviews', cut: true })],
    ['it is nonsense', ({ cluster }) => cluster.fault({ on: 'tokenreviews', status: 201, body: '{}' })],
    ['it is empty', ({ cluster }) => cluster.fault({ on: 'tokenreviews', status: 200, body: '' })],
    ['our account is refused', ({ cluster }) => cluster.fault({ on: 'tokenreviews', status: 401 })],
    ['a proxy says 403', ({ cluster }) => cluster.fault({ on: 'tokenreviews', status: 403, body: 'no' })],
    [
      'no access review is answered',
      ({ cluster }) => cluster.fault({ on: 'subjectaccessreviews', status: 500 })
    ],
    ['access reviews are forbidden', ({ cluster }) => cluster.forbid('subjectaccessreviews')],
    ['it is down', ({ cluster }) => cluster.stop()]
  ]
  for (const [trouble, begin] of troubles) {
    const it = await half(t)
    await begin(it)
    const sent = Object.entries(WAYS).map(async ([way, exchange]) => ({
      way,
      answer: await exchange(it, it.tokens.expired as string, [PUBLIC])
    }))
    for (const { way, answer } of await Promise.all(sent)) {
      t.equal(refusal(answer), '503 UNAVAILABLE', `${trouble}, ${way}`)
      t.ok(Number(answer.headers['retry-after']) > 0)
    }
  }
})

t.test('where TokenReviews are forbidden the caller’s own 401 says that it is stale', async (t) => {
  const it = await half(t)
  it.cluster.forbid('tokenreviews')
  const cured = await WAYS['GET with Basic']?.(it, it.tokens.expired as string, [PUBLIC])
  t.equal(bodyOf(cured?.json().token).sub, 'system:anonymous')
  it.cluster.fault({ on: 'selfsubjectreviews', status: 500 })
  const answer = await WAYS['GET with Basic']?.(it, it.tokens.bad as string, [PUBLIC])
  t.equal(refusal(answer as Answer), '503 UNAVAILABLE')
})

t.test('a setting turns it off', async (t) => {
  const it = await half(t, { cureStaleCredentials: false })
  for (const [way, exchange] of Object.entries(WAYS)) {
    const answer = await exchange(it, it.tokens.expired as string, [PUBLIC])
    t.equal(refusal(answer), '401 UNAUTHORIZED', way)
  }
  t.equal(it.cluster.calls().subjectaccessreviews, undefined)
})
