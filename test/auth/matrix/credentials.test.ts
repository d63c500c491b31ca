import t, { type Test } from 'tap'
import { listen } from '../../http/support.ts'
import { basic, bearer } from '../world.ts'
import { type Scene, scene } from './scene.ts'
import { codeOf, type Reply, send } from './wire.ts'

const FORM = ['content-type', 'application/x-www-form-urlencoded']
const base64 = (text: string): string => Buffer.from(text).toString('base64')

interface Wired extends Scene {
  port: number
  tag: string
}

async function wired(t: Test): Promise<Wired> {
  const it = await scene(t)
  const { tag } = await it.fill('team/app')
  const port = await listen(it)
  it.cluster.reset()
  return { ...it, port, tag }
}

/** What a header meets at the ping, at a pull and at the token endpoint. */
async function everywhere({ port, tag }: Wired, ...authorization: string[]): Promise<Reply[]> {
  const headers = authorization.flatMap((value) => ['Authorization', value])
  const scope = 'scope=repository:team/app:pull'
  const body = `grant_type=password&${scope}`
  return [
    await send(port, { path: '/v2/', headers }),
    await send(port, { path: `/v2/team/app/manifests/${tag}`, headers }),
    await send(port, { path: `/openshift/token?${scope}`, headers }),
    await send(port, { method: 'POST', path: '/openshift/token', headers: [...headers, ...FORM], body })
  ]
}

t.test('of two credentials none counts, whether they are the same or not', async (t) => {
  const it = await wired(t)
  const good = bearer(it.tokens.editor as string)
  const others = [good, basic(it.tokens.editor as string), bearer('nobodys-token'), 'Basic Og==', '', 'x']
  for (const other of others) {
    for (const pair of [
      [good, other],
      [other, good]
    ]) {
      const replies = await everywhere(it, ...pair)
      t.same(replies.map(codeOf), Array(4).fill('400 UNSUPPORTED'), pair.join(' and '))
      t.match(replies[0]?.body, 'Authorization: at most one is allowed')
    }
  }
  t.same(it.cluster.calls(), {})
  t.same((await everywhere(it, `${good}, ${good}`)).map(codeOf), Array(4).fill('401 UNAUTHORIZED'))
})

t.test('an empty credential is none', async (t) => {
  const it = await wired(t)
  for (const header of ['Basic Og==', 'basic Og==', '']) {
    const replies = await everywhere(it, header)
    t.same(replies.map(codeOf), ['401 UNAUTHORIZED', '401 UNAUTHORIZED', '200', '200'], header)
    for (const { headers } of replies.slice(0, 2)) t.notMatch(headers['www-authenticate'], 'error=')
  }
})

t.test('what is no credential is refused, and the API server is not asked', async (t) => {
  const it = await wired(t)
  const token = it.tokens.editor as string
  const malformed = [
    'Basic',
    'Basic !!!!',
    'Basic \u00fc',
    `Basic ${base64('no colon')}`,
    `Basic ${base64('user:')}`,
    `Basic ${base64(`user: ${token}`)}`,
    `Basic ${base64(`user:${token}\n`)}`,
    `Basic ${base64(`user:${token}\0`)}`,
    `Basic ${base64('user:\ud83d\ude00')}`,
    'Bearer',
    'Bearer ,',
    `Bearer ${token} ${token}`,
    `Bearer ${token},x`,
    `Bearer "${token}"`,
    'Bearer t\u00f6ken',
    `Bearer${token}`,
    `Digest username="${token}"`,
    `Negotiate ${token}`,
    `token ${token}`,
    token,
    `Bearer ${'a'.repeat(40 * 1024)}`,
    `Basic ${base64(`user:${'a'.repeat(40 * 1024)}`)}`
  ]
  for (const header of malformed) {
    const replies = await everywhere(it, header)
    const what = header.slice(0, 60)
    t.same(replies.slice(0, 2).map(codeOf), ['401 UNAUTHORIZED', '401 UNAUTHORIZED'], what)
    for (const { headers } of replies.slice(0, 2)) {
      t.match(headers['www-authenticate'], 'error="invalid_token"', what)
    }
    t.same(replies.slice(2).map(codeOf), ['401 UNAUTHORIZED', '401 UNAUTHORIZED'], what)
  }
  t.equal(it.cluster.calls().tokenreviews, undefined)
})

t.test('headers of more than 64 KiB are refused, and so is such a form', async (t) => {
  const it = await wired(t)
  for (const header of [bearer('a'.repeat(64 * 1024)), basic('a'.repeat(64 * 1024))]) {
    for (const reply of await everywhere(it, header)) t.equal(codeOf(reply), '431 UNSUPPORTED')
  }
  for (const [length, code] of [
    [64 * 1024, '401 UNAUTHORIZED'],
    [200 * 1024, '400 UNSUPPORTED']
  ] as const) {
    const body = `grant_type=password&username=me&password=${'a'.repeat(length)}`
    const reply = await send(it.port, { method: 'POST', path: '/openshift/token', headers: FORM, body })
    t.equal(codeOf(reply), code)
  }
  t.same(it.cluster.calls(), {})
})

t.test('schemes are the same in small and capital letters', async (t) => {
  const it = await wired(t)
  const token = it.tokens.viewer as string
  const jwt = await it.exchange(basic(token), 'repository:team/app:pull')
  for (const scheme of ['bearer', 'BEARER', 'BeArEr']) {
    t.same((await everywhere(it, `${scheme} ${token}`)).map(codeOf), ['200', '200', '200', '200'], scheme)
    t.same((await everywhere(it, `${scheme} ${jwt}`)).map(codeOf).slice(0, 2), ['200', '200'], scheme)
  }
  for (const scheme of ['basic', 'BASIC']) {
    const header = `${scheme} ${base64(`me:${token}`)}`
    t.same((await everywhere(it, header)).map(codeOf), ['200', '200', '200', '200'], scheme)
  }
})

t.test('a user’s name may hold colons: the token is what comes after the last', async (t) => {
  const it = await wired(t)
  for (const name of ['kube:admin', 'system:serviceaccount:ci:builder', ':', '::', 'a:b:', '']) {
    const token = it.cluster.addUser('ed')
    it.cluster.reset()
    const header = `Basic ${base64(`${name}:${token}`)}`
    t.same((await everywhere(it, header)).map(codeOf), ['200', '200', '200', '200'], name)
    const asked = it.cluster.requests.filter(({ kind }) => kind === 'tokenreviews')
    t.same(
      asked.map(({ body }) => body.spec.token),
      [token]
    )
  }
})

t.test('a token of the registry is no password, buys no other, and is shown to nobody', async (t) => {
  const it = await wired(t)
  const jwt = await it.exchange(basic(it.tokens.editor as string), 'repository:team/app:pull')
  it.cluster.reset()
  for (const header of [basic(jwt), basic(jwt, 'ed'), basic(jwt, '')]) {
    t.same((await everywhere(it, header)).map(codeOf), Array(4).fill('401 UNAUTHORIZED'))
  }
  const [, , byGet, byPost] = await everywhere(it, bearer(jwt))
  t.same(
    [byGet, byPost].map((reply) => codeOf(reply as Reply)),
    ['401 UNAUTHORIZED', '401 UNAUTHORIZED']
  )
  for (const form of [`username=ed&password=${jwt}`, `password=${jwt}`, `username=${jwt}&password=${jwt}`]) {
    const body = `grant_type=password&${form}&scope=repository:team/app:pull`
    const reply = await send(it.port, { method: 'POST', path: '/openshift/token', headers: FORM, body })
    t.equal(codeOf(reply), '401 UNAUTHORIZED', form.slice(0, 20))
  }
  const { tokenreviews, selfsubjectreviews } = it.cluster.calls()
  t.same([tokenreviews, selfsubjectreviews], [undefined, undefined])
})

t.test('what claims to be a token of the registry is shown to nobody', async (t) => {
  const it = await wired(t)
  const jwt = await it.exchange(basic(it.tokens.editor as string), 'repository:team/app:pull')
  const [head = '', payload = '', signature = ''] = jwt.split('.')
  const part = (object: object): string => Buffer.from(JSON.stringify(object)).toString('base64url')
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString())
  const { kid } = JSON.parse(Buffer.from(head, 'base64url').toString())
  const forged = [
    `${part({ alg: 'none', typ: 'JWT', kid })}.${payload}.`,
    `${part({ alg: 'none', typ: 'JWT' })}.${payload}.${signature}`,
    `${part({ alg: 'RS256', typ: 'JWT', kid: 'another' })}.${payload}.${signature}`,
    `${head}.${part({ ...claims, exp: claims.exp + 9999 })}.${signature}`,
    `${head}.${part({ ...claims, iss: 'https://kubernetes.default.svc' })}.${signature}`,
    `${part({ alg: 'HS256' })}.${part({ iss: 'berth:https://another:6443' })}.${signature}`,
    `${head}.${payload}`,
    `${head}.${payload}.${signature}.${signature}`,
    `${head}..${signature}`,
    head,
    jwt.slice(0, -1),
    `${jwt}=`
  ]
  it.cluster.reset()
  for (const token of forged) {
    for (const header of [bearer(token), basic(token)]) {
      t.same(
        (await everywhere(it, header)).map(codeOf),
        Array(4).fill('401 UNAUTHORIZED'),
        token.slice(0, 99)
      )
    }
  }
  t.same(it.cluster.calls(), {})
})

t.test('no header of a client goes on to the API server', async (t) => {
  const it = await wired(t)
  const evil = [
    ...['Impersonate-User', 'system:admin', 'Impersonate-Group', 'system:masters', 'Impersonate-Uid', '1'],
    ...['Impersonate-Extra-scopes', 'user:full', 'X-Remote-User', 'system:admin', 'X-Remote-Group', 'x'],
    ...['X-Remote-Extra-a', 'b', 'Cookie', 'a=b', 'X-Forwarded-For', '10.0.0.1', 'User-Agent', 'evil/1.0'],
    ...['X-Csrf-Token', '1', 'Traceparent', 'evil', 'Accept', 'evil/evil', 'Accept-Encoding', 'evil']
  ]
  for (const kinds of [[], ['tokenreviews']] as const) {
    for (const kind of kinds) it.cluster.forbid(kind)
    const token = it.cluster.addUser('vera')
    it.cluster.reset()
    for (const path of ['/v2/', `/v2/team/app/manifests/${it.tag}`, '/openshift/token']) {
      const headers = ['Authorization', bearer(token), ...evil]
      t.equal((await send(it.port, { path, headers })).status, 200)
    }
    t.ok(it.cluster.requests.length > 0)
    for (const { kind, headers } of it.cluster.requests) {
      const { authorization, ...others } = headers
      const known = ['host', 'connection', 'accept', 'content-type', 'content-length', 'user-agent']
      t.same(
        Object.keys(others).filter((name) => !known.includes(name)),
        [],
        `${kind}`
      )
      t.notMatch(JSON.stringify(headers), /evil|admin|masters/i)
      t.equal(authorization, bearer(kind === 'selfsubjectreviews' ? token : it.cluster.ownToken()), `${kind}`)
    }
  }
})

t.test('a token of the registry ends with the token that it was got for', async (t) => {
  const it = await wired(t)
  const part = (object: object): string => Buffer.from(JSON.stringify(object)).toString('base64url')
  for (const [left, least, most] of [
    [100, 60, 100],
    [20, 1, 20],
    [9999, 300, 300]
  ] as const) {
    const exp = Math.floor(Date.now() / 1000) + left
    const token = it.cluster.addUser('vera', { token: `${part({ alg: 'RS256' })}.${part({ exp })}.signed` })
    const { body } = await send(it.port, {
      path: '/openshift/token',
      headers: ['authorization', basic(token)]
    })
    const { expires_in } = JSON.parse(body)
    t.ok(expires_in >= least && expires_in <= most, `${left} s: ${expires_in}`)
  }
})

t.test('no answer and no line of the log holds a credential', async (t) => {
  const it = await wired(t)
  const unknown = 'a-token-that-nobody-has'
  const jwt = await it.exchange(basic(it.tokens.viewer as string), 'repository:team/app:pull')
  for (const secret of [unknown, jwt, it.tokens.viewer as string, it.tokens.expired as string]) {
    const signature = secret.slice(-20)
    for (const header of [bearer(secret), basic(secret), `Digest ${secret}`]) {
      for (const { body, headers } of (await everywhere(it, header)).slice(0, 2)) {
        t.notMatch(body + JSON.stringify(headers), signature)
      }
    }
    const path = '/v2/team/app/blobs/uploads/'
    await send(it.port, { method: 'POST', path, headers: ['authorization', bearer(secret)] })
    t.notMatch(it.lines.join('\n'), signature)
  }
  t.ok(it.lines.length > 0)
})
