import t from 'tap'
import { refusal } from '../../http/support.ts'
import { basic, bearer } from '../world.ts'
import { type Scene, scene } from './scene.ts'

const ping = async ({ ask }: Scene, authorization: string): Promise<number> =>
  (await ask('GET', '/v2/', { headers: { authorization } })).statusCode

const warnings = ({ lines }: Scene): string[] => lines.filter((line) => line.includes('tokenreviews'))

t.test(
  'where TokenReviews are forbidden callers are asked for themselves, and it is said once',
  async (t) => {
    const it = await scene(t)
    it.cluster.forbid('tokenreviews')
    const token = it.tokens.viewer as string
    for (const authorization of [basic(token), bearer(token)]) t.equal(await ping(it, authorization), 200)
    for (const token of [it.tokens.bad, it.tokens.expired] as string[])
      t.equal(await ping(it, basic(token)), 401)
    t.equal(it.cluster.calls().tokenreviews, 1)
    for (const { kind, headers, body } of it.cluster.requests) {
      if (kind !== 'selfsubjectreviews') continue
      t.not(headers.authorization, bearer(it.cluster.ownToken()), 'with nothing of ours')
      t.same(body.spec, {})
    }
    it.pass(4 * 60_000)
    t.equal(await ping(it, basic(token)), 200)
    t.equal(it.cluster.calls().tokenreviews, 1)
    it.pass(60_000)
    t.equal(await ping(it, basic(token)), 200)
    t.equal(it.cluster.calls().tokenreviews, 2, 'asked again after 5 minutes')
    t.equal(warnings(it).length, 1)
    it.cluster.permit('tokenreviews')
    it.pass(5 * 60_000)
    it.cluster.reset()
    t.equal(await ping(it, basic(token)), 200)
    t.same(it.cluster.calls(), { tokenreviews: 1 })
  }
)

t.test('a token that is meant for others is nobody’s', async (t) => {
  const api = 'https://kubernetes.default.svc'
  const cases: [string[], string[] | undefined, number][] = [
    [[], undefined, 200],
    [[], ['berth'], 401],
    [['berth'], ['berth'], 200],
    [['berth'], ['vault', 'berth'], 200],
    [['registry', 'berth'], ['berth'], 200],
    [['berth'], undefined, 401],
    [['berth'], ['vault'], 401],
    [['berth'], ['Berth', 'berth '], 401],
    [['berth'], [api], 401]
  ]
  for (const [audiences, meant, status] of cases) {
    const it = await scene(t, { audiences })
    const token = it.cluster.addUser('vera', meant === undefined ? {} : { audiences: meant })
    for (const authorization of [basic(token), bearer(token)]) {
      t.equal(await ping(it, authorization), status, `${audiences}: ${meant}`)
    }
  }
})

t.test('without TokenReviews no audience can be told: nobody is let in, and nobody is cured', async (t) => {
  const it = await scene(t, { audiences: ['berth'] })
  it.cluster.forbid('tokenreviews')
  it.cluster.grant({ group: 'system:unauthenticated' }, 'system:image-puller', 'team')
  const token = it.cluster.addUser('vera', { audiences: ['berth', 'https://kubernetes.default.svc'] })
  for (let turn = 0; turn < 3; turn++) {
    t.equal(await ping(it, basic(token)), 503)
    const headers = { authorization: basic(token) }
    const answer = await it.ask('GET', '/openshift/token?scope=repository:team/app:pull', { headers })
    t.equal(answer.statusCode, 503)
    it.pass(11_000)
  }
  t.equal(it.cluster.calls().selfsubjectreviews, undefined)
  t.equal(
    it.lines.filter((line) => line.includes('nobody gets in')).length,
    2,
    'once what follows, and once that it lasts'
  )
})

t.test('an API server that refuses all once it has answered does not make anybody nobody', async (t) => {
  const it = await scene(t)
  const authorization = basic(it.tokens.viewer as string)
  const ask = async () => refusal(await it.ask('GET', '/openshift/token', { headers: { authorization } }))
  t.equal((await it.ask('GET', '/v2/', { headers: { authorization } })).statusCode, 200)
  it.cluster.forbid('tokenreviews')
  const body = JSON.stringify({ kind: 'Status', reason: 'Forbidden', message: 'RBAC: not read yet' })
  it.cluster.fault({ on: 'selfsubjectreviews', status: 403, body })
  it.pass(10_000)
  t.equal(await ask(), '503 UNAVAILABLE')
  it.cluster.permit('tokenreviews')
  t.equal((await it.ask('GET', '/v2/', { headers: { authorization } })).statusCode, 200)
})
