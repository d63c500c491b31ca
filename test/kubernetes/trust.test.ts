import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { connectionTo, openConnection } from '../../src/kubernetes/connection.ts'
import { type FakeCluster, fakeCluster } from './fake-api-server.ts'
import { pem, pemPath } from './faulty-server.ts'
import { bed, failureOf, NAMESPACE } from './support.ts'

/** A connection with files in place of text, so that they can be replaced. */
async function withFiles(t: Test, cluster: FakeCluster) {
  const folder = t.testdir({ token: cluster.ownToken(), 'ca.crt': pem('ca.crt') })
  const connection = await connectionTo({
    url: cluster.url,
    origin: 'the test',
    ca: { path: join(folder, 'ca.crt'), field: 'ca' },
    token: { path: join(folder, 'token'), field: 'token' }
  })
  return { folder, connection }
}

t.test('our own token, refused, is read again at once', async (t) => {
  const cluster = await fakeCluster(t)
  cluster.createNamespace('team')
  const { folder, connection } = await withFiles(t, cluster)
  const { get, slept } = await bed(t, { cluster, connection })
  t.equal((await get()).status, 200)
  cluster.reset()
  writeFileSync(join(folder, 'token'), cluster.renewOwnToken())
  t.equal((await get()).status, 200)
  t.equal(cluster.requests.length, 2)
  t.strictSame(slept, [])
})

t.test('our own token, refused for good, is an outage whose message says so', async (t) => {
  const cluster = await fakeCluster(t)
  const { folder, connection } = await withFiles(t, cluster)
  const former = cluster.ownToken()
  cluster.renewOwnToken()
  const { get } = await bed(t, { cluster, connection })
  const message = await failureOf(t, get())
  t.match(message, /it refuses the registry's own account \(401\): check the credentials in the test$/)
  t.notMatch(message, former)
  t.equal(cluster.requests.length, 2)
  writeFileSync(join(folder, 'token'), '')
  t.match(
    await failureOf(t, get()),
    /\(401\): .* \(.*token \(token\) does not hold a token, .*: replace it\)$/
  )
})

t.test('an authority that was replaced along with the certificate is read again at once', async (t) => {
  const cluster = await fakeCluster(t)
  cluster.createNamespace('team')
  const { folder, connection } = await withFiles(t, cluster)
  const { get } = await bed(t, { cluster, connection })
  await get()
  cluster.useCertificate('other-server')
  await cluster.stop()
  await cluster.start()
  t.match(
    await failureOf(t, get()),
    /its certificate is not trusted \(.+\): check the certificate authority in the/
  )
  writeFileSync(join(folder, 'ca.crt'), pem('other-ca.crt'))
  t.equal((await get()).status, 200)
})

t.test('whom we trust: the authority given, for the name given, or everybody if told so', async (t) => {
  const cluster = await fakeCluster(t)
  cluster.createNamespace('team')
  const token = { text: cluster.ownToken(), field: 'token' }
  const common = { origin: 'the test', token }
  const ca = { text: pem('ca.crt'), field: 'ca' }
  const other = { text: pem('other-ca.crt'), field: 'ca' }
  const named = cluster.url.replace('127.0.0.1', 'localhost')
  const cases: [Parameters<typeof connectionTo>[0], boolean][] = [
    [{ ...common, url: cluster.url, ca }, true],
    [{ ...common, url: cluster.url }, false],
    [{ ...common, url: cluster.url, ca: other }, false],
    [{ ...common, url: cluster.url, isInsecure: true }, true],
    [{ ...common, url: named, ca, serverName: 'kubernetes.default.svc' }, true],
    [{ ...common, url: named, ca, serverName: 'elsewhere.example.org' }, false]
  ]
  for (const [parts, isTrusted] of cases) {
    const { get } = await bed(t, { cluster, connection: await connectionTo(parts) })
    cluster.reset()
    if (isTrusted) t.equal((await get()).status, 200)
    else t.match(await failureOf(t, get()), /its certificate is not trusted \(.+\): check the certificate/)
    t.equal(cluster.requests.length, isTrusted ? 1 : 0, 'a token goes only to whom we trust')
  }
})

t.test('the API server may have an IPv6 address', async (t) => {
  const cluster = await fakeCluster(t, { host: '::1' })
  cluster.createNamespace('team')
  const folder = t.testdir({ token: cluster.ownToken(), 'ca.crt': pem('ca.crt') })
  const { port } = new URL(cluster.url)
  const env = { KUBERNETES_SERVICE_HOST: '::1', KUBERNETES_SERVICE_PORT: port }
  const connection = await openConnection({ env, serviceAccountFolder: folder })
  const { get } = await bed(t, { cluster, connection })
  t.equal((await get()).status, 200)
  t.equal(cluster.requests[0]?.headers.host, `[::1]:${port}`)
})

t.test('the API server may stand under a path', async (t) => {
  const cluster = await fakeCluster(t)
  const token = { text: cluster.ownToken(), field: 'token' }
  const ca = { text: pem('ca.crt'), field: 'ca' }
  const connection = await connectionTo({ url: `${cluster.url}/k8s/c-1`, origin: 'the test', token, ca })
  const { get } = await bed(t, { cluster, connection })
  await get()
  t.equal(cluster.requests[0]?.path, '/k8s/c-1/api/v1/namespaces/team')
})

t.test("a client certificate is shown for our own account, and never with a caller's token", async (t) => {
  const cluster = await fakeCluster(t)
  cluster.createNamespace('team')
  const connection = await connectionTo({
    url: cluster.url,
    origin: 'the test',
    ca: { text: pem('ca.crt'), field: 'ca' },
    cert: { path: pemPath('client.crt'), field: 'cert' },
    key: { path: pemPath('client.key'), field: 'key' }
  })
  const { transport, get } = await bed(t, { cluster, connection })
  t.equal((await get()).status, 200)
  const token = cluster.addUser('alice')
  for (let calls = 0; calls < 2; calls++) {
    t.equal((await transport.call(NAMESPACE, { token })).status, 403)
    t.equal((await get()).status, 200)
  }
  t.strictSame(
    cluster.requests.map(({ certificate, headers }) => [certificate, headers.authorization]),
    [
      ['admin', undefined],
      [undefined, `Bearer ${token}`],
      ['admin', undefined],
      [undefined, `Bearer ${token}`],
      ['admin', undefined]
    ]
  )
})

t.test('the headers are these and no others', async (t) => {
  const { cluster, transport } = await bed(t)
  await transport.call({ method: 'POST', path: '/apis/x', body: '{"a":"ä"}' }, 'own')
  await transport.call(NAMESPACE, { token: 'a' })
  const host = new URL(cluster.url).host
  const common = { accept: 'application/json', 'user-agent': 'berth', host, connection: 'keep-alive' }
  t.strictSame(
    cluster.requests.map(({ headers }) => ({ ...headers })),
    [
      {
        ...common,
        authorization: `Bearer ${cluster.ownToken()}`,
        'content-type': 'application/json',
        'content-length': '10'
      },
      { ...common, authorization: 'Bearer a' }
    ]
  )
})
