import t, { type Test } from 'tap'
import { type ApiServer, createApiServer } from '../../src/kubernetes/api-server.ts'
import type { UserInfo } from '../../src/kubernetes/user-info.ts'
import { type FakeCluster, fakeCluster } from './fake-api-server.ts'
import { failureOf } from './support.ts'

/** A cluster, and the registry's view of it, which takes no time between tries. */
async function bed(t: Test): Promise<{ cluster: FakeCluster; api: ApiServer }> {
  const cluster = await fakeCluster(t)
  const api = createApiServer(await cluster.connection(), { sleep: async () => {} })
  t.teardown(() => api.close())
  return { cluster, api }
}

const EXTRA = { 'example.org/many': ['1', '2', ''], scopes: ['user:info', 'a b'], empty: [] }
const LAYERS = { group: 'image.openshift.io', resource: 'imagestreams', subresource: 'layers' }

t.test('a token review says who the caller is, with everything that the authenticator knows', async (t) => {
  const { cluster, api } = await bed(t)
  const token = cluster.addUser('kube:admin', { groups: ['devs', 'ops'], uid: 'u-1', extra: EXTRA })
  t.strictSame(await api.reviewToken(token, []), {
    authenticated: true,
    user: {
      username: 'kube:admin',
      uid: 'u-1',
      groups: ['devs', 'ops', 'system:authenticated'],
      extra: EXTRA
    },
    audiences: ['https://kubernetes.default.svc']
  })
  t.strictSame(cluster.calls(), { tokenreviews: 1 })
  const [request] = cluster.requests
  t.equal(request?.path, '/apis/authentication.k8s.io/v1/tokenreviews')
  t.equal(request?.headers.authorization, `Bearer ${cluster.ownToken()}`)
  t.strictSame(request?.body, {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenReview',
    spec: { token }
  })
})

t.test('a token that is unknown or expired is nobody, with the reason in one line', async (t) => {
  const { cluster, api } = await bed(t)
  const token = cluster.addUser('alice')
  cluster.expire(token)
  const expired = '[invalid bearer token, service account token has expired]'
  t.strictSame(await api.reviewToken(token, []), { authenticated: false, error: expired })
  t.strictSame(await api.reviewToken('unknown', []), { authenticated: false, error: 'invalid bearer token' })
  const status = { error: `bad token\n${token}: ${'a'.repeat(1000)}` }
  cluster.fault({ status: 201, body: JSON.stringify({ kind: 'TokenReview', status }), times: 1 })
  t.strictSame(await api.reviewToken(token, []), {
    authenticated: false,
    error: `bad token …: ${'a'.repeat(1000)}`.slice(0, 300)
  })
})

t.test('what cannot be a token costs no call', async (t) => {
  const { cluster, api } = await bed(t)
  for (const token of ['', 'two words', 'line\r\nX-Remote-User: root', 'ümlaut', 'nul\0']) {
    t.strictSame(await api.reviewToken(token, []), { authenticated: false, error: 'not a token' })
    t.equal(await api.reviewSelf(token), undefined)
  }
  t.strictSame(cluster.requests, [])
})

t.test('with audiences, the token must be meant for one of them', async (t) => {
  const { cluster, api } = await bed(t)
  const token = cluster.addUser('alice', { audiences: ['berth', 'vault'] })
  t.match(await api.reviewToken(token, ['registry', 'berth']), { authenticated: true, audiences: ['berth'] })
  t.strictSame(cluster.requests[0]?.body.spec.audiences, ['registry', 'berth'])
  t.match(await api.reviewToken(token, ['registry']), { authenticated: false })
  t.match(await api.reviewToken(token, []), { authenticated: false })
  const status = { authenticated: true, user: { username: 'alice' } }
  cluster.fault({ status: 201, body: JSON.stringify({ kind: 'TokenReview', status }), times: 1 })
  t.match(await api.reviewToken(token, ['registry']), { authenticated: false })
  for (const audiences of [undefined, [], ['https://kubernetes.default.svc']]) {
    const status = { authenticated: true, user: { username: 'alice' }, audiences }
    cluster.fault({ status: 201, body: JSON.stringify({ kind: 'TokenReview', status }), times: 1 })
    t.strictSame(await api.reviewToken(token, ['registry', 'berth']), {
      authenticated: false,
      error: 'the token is not meant for registry or berth'
    })
  }
})

t.test("a self review is made with the caller's token and nothing of ours", async (t) => {
  const { cluster, api } = await bed(t)
  const token = cluster.addUser('alice', { groups: ['devs'], uid: 'u-1', extra: EXTRA })
  t.strictSame(await api.reviewSelf(token), {
    username: 'alice',
    uid: 'u-1',
    groups: ['devs', 'system:authenticated'],
    extra: EXTRA
  })
  const [request] = cluster.requests
  t.equal(request?.path, '/apis/authentication.k8s.io/v1/selfsubjectreviews')
  t.equal(request?.headers.authorization, `Bearer ${token}`)
  t.notMatch(JSON.stringify(request), cluster.ownToken())
})

t.test('a self review of a bad token, or as the anonymous user, is nobody', async (t) => {
  const { cluster, api } = await bed(t)
  t.equal(await api.reviewSelf('unknown'), undefined)
  t.strictSame(cluster.calls(), { selfsubjectreviews: 1 }, 'a 401 is an answer here')
  cluster.fault({ status: 403, times: 1 })
  t.equal(await api.reviewSelf('unknown'), undefined)
  t.equal(await api.reviewSelf(cluster.addUser('system:anonymous')), undefined)
})

t.test('an access review tells all of the user', async (t) => {
  const { cluster, api } = await bed(t)
  const user: UserInfo = { username: 'alice', uid: 'u-1', groups: ['devs', 'ops'], extra: EXTRA }
  const attributes = { namespace: 'team', verb: 'get', ...LAYERS, name: 'app' }
  const takeBack = cluster.grant({ group: 'ops' }, 'registry-viewer', 'team')
  t.strictSame(await api.reviewAccess(user, attributes), {
    allowed: true,
    reason: 'RBAC: allowed by a binding'
  })
  t.strictSame(await api.reviewAccess(user, { ...attributes, verb: 'update' }), {
    allowed: false,
    reason: ''
  })
  takeBack()
  t.match(await api.reviewAccess(user, attributes), { allowed: false })
  const [request] = cluster.requests
  t.equal(request?.path, '/apis/authorization.k8s.io/v1/subjectaccessreviews')
  t.equal(request?.headers.authorization, `Bearer ${cluster.ownToken()}`)
  t.strictSame(request?.body.spec, {
    user: 'alice',
    uid: 'u-1',
    groups: ['devs', 'ops'],
    extra: EXTRA,
    resourceAttributes: attributes
  })
})

t.test('denied outweighs allowed, and a reason is one line', async (t) => {
  const { cluster, api } = await bed(t)
  const cases = [
    [
      { allowed: true, denied: true, reason: 'no\nway' },
      { allowed: false, reason: 'no way' }
    ],
    [
      { allowed: true, denied: false },
      { allowed: true, reason: '' }
    ],
    [
      { allowed: false, evaluationError: 'no role "x"' },
      { allowed: false, reason: 'no role "x"' }
    ]
  ]
  for (const [status, verdict] of cases) {
    cluster.fault({ status: 201, body: JSON.stringify({ kind: 'SubjectAccessReview', status }), times: 1 })
    const user = { username: 'alice', uid: '', groups: [], extra: {} }
    t.strictSame(await api.reviewAccess(user, { verb: 'get', resource: 'images' }), verdict)
  }
})

t.test('a namespace is told from a later one of the same name', async (t) => {
  const { cluster, api } = await bed(t)
  const uid = cluster.createNamespace('team')
  t.equal(await api.namespaceUid('team'), uid)
  cluster.terminateNamespace('team')
  t.equal(await api.namespaceUid('team'), uid, 'while it is being deleted, it is there')
  cluster.deleteNamespace('team')
  t.equal(await api.namespaceUid('team'), undefined)
  const later = cluster.createNamespace('team')
  t.not(later, uid)
  t.equal(await api.namespaceUid('team'), later)
})

t.test('what cannot be the name of a namespace costs no call', async (t) => {
  const { cluster, api } = await bed(t)
  for (const name of ['', '.', '..', 'a/b', 'a%2Fb', 'A', 'a?b', '-a', 'a'.repeat(64), 'team\n']) {
    t.equal(await api.namespaceUid(name), undefined)
  }
  t.strictSame(cluster.requests, [])
})

t.test('what our own account may not do is told apart, with the right that it lacks', async (t) => {
  const { cluster, api } = await bed(t)
  cluster.forbid('tokenreviews')
  cluster.forbid('subjectaccessreviews')
  cluster.forbid('namespaces')
  const user = { username: 'alice', uid: '', groups: [], extra: {} }
  const calls: [Promise<unknown>, RegExp][] = [
    [api.reviewToken('a', []), /may not create tokenreviews: kubectl apply -f deploy\/rbac\/registry.yaml/],
    [
      api.reviewAccess(user, { verb: 'get', resource: 'a' }),
      /may not create subjectaccessreviews: kubectl apply/
    ],
    [api.namespaceUid('team'), /may not get namespaces: .*The API server says: namespaces is forbidden: User/]
  ]
  for (const [call, message] of calls) t.match(await failureOf(t, call, 'ApiForbidden'), message)
  t.equal(cluster.requests.length, 3)
  const body = JSON.stringify({ kind: 'Status', reason: 'Expired', message: 'not now' })
  cluster.fault({ status: 403, body, times: 1 })
  t.match(await failureOf(t, api.namespaceUid('team')), /answers get namespace team with 403: not now$/)
  cluster.permit('namespaces')
  t.equal(await api.namespaceUid('team'), undefined)
})

t.test('an answer that makes no sense is an outage, never a verdict', async (t) => {
  const { cluster, api } = await bed(t)
  const user = { username: 'alice', uid: '', groups: [], extra: {} }
  const calls: Record<string, () => Promise<unknown>> = {
    TokenReview: () => api.reviewToken('s3cret', []),
    SelfSubjectReview: () => api.reviewSelf('s3cret'),
    SubjectAccessReview: () => api.reviewAccess(user, { verb: 'get', resource: 'images' }),
    Namespace: () => api.namespaceUid('team')
  }
  const notAStatus = { kind: 'List', reason: 'Forbidden', message: 'no' }
  for (const [kind, call] of Object.entries(calls)) {
    const answers: [number, unknown][] = [
      [200, undefined],
      [200, {}],
      [200, []],
      [200, { kind }],
      [200, { kind: 'Other', status: { authenticated: true, allowed: true, user: { username: 'a' } } }],
      [200, { kind, status: [], metadata: [] }],
      [200, { kind, status: 'Success' }],
      [200, { kind, status: { authenticated: 'true', allowed: 'true', userInfo: { username: 1 } } }],
      [200, { kind, status: { authenticated: true, user: {}, userInfo: {} }, metadata: { uid: 'u' } }],
      [200, { kind, metadata: { name: 'other', uid: 'u' } }],
      [200, { kind, metadata: { name: 'team', uid: 7 } }],
      [204, undefined],
      [302, undefined],
      [400, { kind: 'Status', message: 's3cret is bad' }],
      [403, notAStatus],
      [404, notAStatus],
      [404, { kind: 'Status', reason: 'NotFound', message: 'gone', details: { name: 'other' } }],
      [
        404,
        { kind: 'Status', reason: 'NotFound', message: 'the server could not find the requested resource' }
      ],
      [422, undefined]
    ]
    for (const [status, body] of answers) {
      cluster.fault({ status, body: body === undefined ? '<html>s3cret' : JSON.stringify(body), times: 1 })
      const message = await failureOf(t, call())
      t.match(
        message,
        `the Kubernetes API server at ${cluster.url} answers`,
        `${status} ${JSON.stringify(body)}`
      )
      t.notMatch(kind.endsWith('Review') && kind !== 'SubjectAccessReview' ? message : '', 's3cret')
    }
  }
})

t.test('users that make no sense are an outage too', async (t) => {
  const { cluster, api } = await bed(t)
  const users = [
    { username: 'a', groups: 'devs' },
    { username: 'a', groups: [1] },
    { username: 'a', uid: {} },
    { username: 'a', extra: ['b'] },
    { username: 'a', extra: { b: 'c' } },
    { username: 'a', extra: { b: [null] } }
  ]
  for (const user of users) {
    const status = { authenticated: true, user }
    cluster.fault({ status: 201, body: JSON.stringify({ kind: 'TokenReview', status }), times: 1 })
    t.match(await failureOf(t, api.reviewToken('a', [])), /answers a TokenReview with nonsense: /)
  }
})

t.test('an odd key of extra is passed on like any other', async (t) => {
  const { cluster, api } = await bed(t)
  const text =
    '{"kind":"TokenReview","status":{"authenticated":true,"user":{"username":"a","extra":{"__proto__":["b"]}}}}'
  cluster.fault({ status: 201, body: text, times: 1 })
  const verdict = await api.reviewToken('a', [])
  if (!verdict.authenticated) throw new Error('not authenticated')
  await api.reviewAccess(verdict.user, { verb: 'get', resource: 'images' })
  t.strictSame(Object.entries(cluster.requests.at(-1)?.body.spec.extra), [['__proto__', ['b']]])
})

t.test('an API server in trouble is an outage for every call', async (t) => {
  const { cluster, api } = await bed(t)
  cluster.createNamespace('team')
  const token = cluster.addUser('alice')
  const user = { username: 'alice', uid: '', groups: [], extra: {} }
  const all = () => [
    api.reviewToken(token, []),
    api.reviewSelf(token),
    api.reviewAccess(user, { verb: 'get', resource: 'images' }),
    api.namespaceUid('team')
  ]
  const end = cluster.fault({ status: 500 })
  for (const call of all()) t.match(await failureOf(t, call), /cannot be used: it answers 500$/)
  end()
  await Promise.all(all())
  api.close()
  for (const call of all()) t.match(await failureOf(t, call), /the registry is ending/)
})
