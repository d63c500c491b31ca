import { Readable } from 'node:stream'
import t, { type Test } from 'tap'
import { type Ask, refusal } from '../../http/support.ts'
import { basic, bearer } from '../world.ts'
import { type Scene, scene, type Target } from './scene.ts'

const QUICK = { connectMs: 2000, answerMs: 500, totalMs: 4000, sleep: async () => {} }
const EVERYTHING = 'repository:team/app:pull,push,delete'

interface Prepared extends Scene {
  target: Target
  requests: Record<string, () => Promise<Awaited<ReturnType<Scene['ask']>>>>
}

/** Requests that cannot be judged without asking, once nothing is remembered any more. */
async function prepared(t: Test): Promise<Prepared> {
  const it = await scene(t, { transport: QUICK })
  const target = await it.fill('team/app')
  const editor = it.tokens.editor as string
  const jwt = bearer(await it.exchange(basic(editor), EVERYTHING, 'registry:catalog:*'))
  const { tag, manifest, blob, upload } = target
  const ask = (authorization: string, method: string, url: string, { headers, ...rest }: Ask = {}) =>
    it.ask(method, url, { headers: { authorization, ...headers }, ...rest })
  const form = (fields: string): Ask => ({
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: `grant_type=password&${fields}`
  })
  const own = `/v2/team/app`
  return {
    ...it,
    target,
    requests: {
      'ping, Basic': () => ask(basic(editor), 'GET', '/v2/'),
      'ping, Bearer': () => ask(bearer(editor), 'GET', '/v2/'),
      'pull, Basic': () => ask(basic(editor), 'GET', `${own}/manifests/${tag}`),
      'pull, Bearer': () => ask(bearer(editor), 'GET', `${own}/blobs/${blob}`),
      'pull by whoever is nobody': () => ask(bearer('nobodys-token'), 'GET', `${own}/blobs/${blob}`),
      'push, Bearer': () => ask(bearer(editor), 'POST', `${own}/blobs/uploads/`),
      'push, JWT': () => ask(jwt, 'POST', `${own}/blobs/uploads/`),
      'push on, JWT': () => ask(jwt, 'PATCH', `${own}/blobs/uploads/${upload}`, { body: 'x' }),
      'cancel, JWT': () => ask(jwt, 'DELETE', `${own}/blobs/uploads/${upload}`),
      'delete a tag, JWT': () => ask(jwt, 'DELETE', `${own}/manifests/${tag}`),
      'delete a manifest, JWT': () => ask(jwt, 'DELETE', `${own}/manifests/${manifest}`),
      'delete a blob, Basic': () => ask(basic(editor), 'DELETE', `${own}/blobs/${blob}`),
      'mount, JWT': () => ask(jwt, 'POST', `${own}/blobs/uploads/?mount=${blob}&from=team/app`),
      'catalog, Basic': () => ask(basic(editor), 'GET', '/v2/_catalog'),
      'catalog, JWT': () => ask(jwt, 'GET', '/v2/_catalog'),
      'token, GET': () => ask(basic(editor), 'GET', `/openshift/token?scope=${EVERYTHING}`),
      'token, GET, nobody’s': () =>
        ask(basic('nobodys-token'), 'GET', `/openshift/token?scope=${EVERYTHING}`),
      'token for anonymous': () => it.ask('GET', `/openshift/token?scope=${EVERYTHING}`),
      'token, POST': () => ask('', 'POST', '/openshift/token', form(`username=me&password=${editor}`))
    }
  }
}

const TROUBLES: [string, (it: Scene) => unknown][] = [
  ['it is down', ({ cluster }) => cluster.stop()],
  ['it fails', ({ cluster }) => cluster.fault({ status: 500 })],
  ['it is starting', ({ cluster }) => cluster.fault({ status: 503, body: 'not ready' })],
  [
    'it tells us to come later',
    ({ cluster }) => cluster.fault({ status: 429, headers: { 'retry-after': '1' } })
  ],
  ['it hangs', ({ cluster }) => cluster.fault({ hang: true })],
  ['it hangs half-way', ({ cluster }) => cluster.fault({ hang: 'half' })],
  ['it cuts the line', ({ cluster }) => cluster.fault({ cut: true })],
  ['our account is unknown', ({ cluster }) => cluster.renewOwnToken()],
  ['a proxy says 403', ({ cluster }) => cluster.fault({ status: 403, body: '<html>no</html>' })],
  ['it says nonsense', ({ cluster }) => cluster.fault({ status: 200, body: '{"allowed":true}' })],
  ['it says less than it should', ({ cluster }) => cluster.fault({ status: 201, body: '{"status":{}}' })],
  ['it redirects', ({ cluster }) => cluster.fault({ status: 302, headers: { location: 'https://evil' } })]
]

t.test('what cannot be judged is 503 with Retry-After, and nothing else', async (t) => {
  for (const [trouble, begin] of TROUBLES) {
    const it = await prepared(t)
    await begin(it)
    it.pass(11_000)
    it.changes()
    // At once, since what hangs takes its time.
    const sent = Object.entries(it.requests).map(async ([what, send]) => ({ what, answer: await send() }))
    for (const { what, answer } of await Promise.all(sent)) {
      t.equal(refusal(answer), '503 UNAVAILABLE', `${trouble}: ${what}`)
      t.ok(Number(answer.headers['retry-after']) > 0, `${trouble}: ${what}`)
      t.equal(answer.headers['www-authenticate'], undefined)
    }
    t.same(it.changes(), [], 'nothing is changed')
  }
})

t.test('once it answers again, so does the registry', async (t) => {
  const it = await prepared(t)
  await it.cluster.stop()
  it.pass(11_000)
  t.equal(refusal(await it.requests['pull, Basic']!()), '503 UNAVAILABLE')
  await it.cluster.start()
  t.equal((await it.requests['pull, Basic']!()).statusCode, 200)
  t.equal((await it.requests['push, JWT']!()).statusCode, 202)
})

t.test('pulls with a token of the registry go on for its life while nobody can be asked', async (t) => {
  const it = await prepared(t)
  const scope = 'repository:team/app:pull'
  const headers = { authorization: bearer(await it.exchange(basic(it.tokens.viewer as string), scope)) }
  const pull = () => it.ask('GET', `/v2/team/app/manifests/${it.target.tag}`, { headers })
  t.equal((await pull()).statusCode, 200)
  await it.cluster.stop()
  for (const ms of [0, 11_000, 100_000, 150_000]) {
    it.pass(ms)
    t.equal((await pull()).statusCode, 200, `${ms} ms later`)
  }
  it.pass(150_000)
  t.equal(refusal(await pull()), '401 UNAUTHORIZED', 'and no longer')
})

t.test('a namespace of which nothing is known is not taken to be the repository’s', async (t) => {
  const it = await prepared(t)
  const scope = 'repository:team/app:pull'
  const headers = { authorization: bearer(await it.exchange(basic(it.tokens.viewer as string), scope)) }
  await it.cluster.stop()
  const answer = await it.ask('GET', `/v2/team/app/manifests/${it.target.tag}`, { headers })
  t.equal(refusal(answer), '503 UNAVAILABLE')
})

t.test('a right to write that is taken back is gone within 10 s, whatever is shown', async (t) => {
  const it = await prepared(t)
  const revoke = it.cluster.grant('paul', 'registry-editor', 'team')
  const token = it.cluster.addUser('paul')
  const jwt = await it.exchange(basic(token), EVERYTHING, 'repository:team/source:pull')
  const writing: [string, string][] = [
    ['POST', '/v2/team/app/blobs/uploads/'],
    ['POST', `/v2/team/app/blobs/uploads/?mount=${it.target.blob}&from=team/app`],
    ['GET', `/v2/team/app/blobs/uploads/${it.target.upload}`],
    ['DELETE', '/v2/team/app/manifests/none'],
    ['DELETE', `/v2/team/app/blobs/${it.target.manifest}`]
  ]
  const all = async (): Promise<string[]> => {
    const seen: string[] = []
    for (const authorization of [bearer(jwt), bearer(token), basic(token)]) {
      for (const [method, url] of writing)
        seen.push(refusal(await it.ask(method, url, { headers: { authorization } })))
    }
    return seen
  }
  for (const code of await all()) t.notMatch(code, /^(401|403)/)
  revoke()
  it.pass(10_000)
  for (const code of await all()) t.equal(code, '403 DENIED')
})

t.test('a manifest that comes slowly does not get in by a right that is gone', async (t) => {
  const it = await prepared(t)
  const revoke = it.cluster.grant('paul', 'registry-editor', 'team')
  const paul = basic(it.cluster.addUser('paul'))
  const jwt = bearer(await it.exchange(paul, EVERYTHING))
  const pulled = await it.ask('GET', `/v2/team/app/manifests/${it.target.tag}`, {
    headers: { authorization: paul }
  })
  const push = (authorization: string, meanwhile: () => void) =>
    it.ask('PUT', '/v2/team/app/manifests/late', {
      headers: {
        authorization,
        'content-type': String(pulled.headers['content-type']),
        'content-length': String(pulled.rawPayload.length)
      },
      body: Readable.from(slowly(pulled.rawPayload, meanwhile))
    })
  for (const authorization of [paul, jwt]) {
    t.equal((await push(authorization, () => {})).statusCode, 201)
  }
  it.changes()
  const revokeNow = (): void => {
    revoke()
    it.pass(10_000)
  }
  t.equal(refusal(await push(paul, revokeNow)), '403 DENIED')
  t.same(it.changes(), [])
})

async function* slowly(bytes: Buffer, meanwhile: () => void): AsyncGenerator<Buffer> {
  yield bytes.subarray(0, 10)
  meanwhile()
  yield bytes.subarray(10)
}

t.test(
  'a right to pull that is taken back is gone at the token’s end, and for a credential within 10 s',
  async (t) => {
    const it = await prepared(t)
    const revoke = it.cluster.grant('paul', 'registry-viewer', 'team')
    const token = it.cluster.addUser('paul')
    const scope = 'repository:team/app:pull'
    const jwt = await it.exchange(basic(token), scope)
    const pull = async (authorization: string) =>
      refusal(await it.ask('HEAD', `/v2/team/app/manifests/${it.target.tag}`, { headers: { authorization } }))
    for (const authorization of [bearer(jwt), bearer(token), basic(token)])
      t.equal(await pull(authorization), '200')
    revoke()
    it.pass(10_000)
    t.equal(await pull(bearer(jwt)), '200')
    for (const authorization of [bearer(token), basic(token)]) t.equal(await pull(authorization), '403')
    t.equal(await pull(bearer(await it.exchange(basic(token), scope))), '401')
    it.pass(330_000)
    t.equal(await pull(bearer(jwt)), '200', 'its life and the leeway')
    it.pass(21_000)
    t.equal(await pull(bearer(jwt)), '401')
  }
)

t.test('a credential that is revoked or over is nobody’s within 10 s', async (t) => {
  for (const end of ['revokeToken', 'expire'] as const) {
    const it = await prepared(t)
    const token = it.tokens.editor as string
    const ping = async (authorization: string) =>
      refusal(await it.ask('HEAD', '/v2/', { headers: { authorization } }))
    for (const authorization of [basic(token), bearer(token)]) t.equal(await ping(authorization), '200')
    it.cluster[end](token)
    it.pass(10_000)
    for (const authorization of [basic(token), bearer(token)]) {
      t.equal(await ping(authorization), '401', end)
    }
  }
})

t.test('what is granted counts within 2 s', async (t) => {
  const it = await prepared(t)
  const token = it.cluster.addUser('paul')
  const pull = async () =>
    (await it.ask('GET', '/v2/team/app/tags/list', { headers: { authorization: basic(token) } })).statusCode
  t.equal(await pull(), 403)
  it.cluster.grant('paul', 'registry-viewer', 'team')
  it.pass(2_000)
  t.equal(await pull(), 200)
})
