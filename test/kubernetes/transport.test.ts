import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay, setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { type Connection, connectionTo, openConnection } from '../../src/kubernetes/connection.ts'
import { createTransport, type TransportOptions } from '../../src/kubernetes/transport.ts'
import { type FakeCluster, fakeCluster } from './fake-api-server.ts'
import { pem, pemPath } from './faulty-server.ts'

const NAMESPACE = { method: 'GET', path: '/api/v1/namespaces/team' } as const

type Bed = TransportOptions & { cluster?: FakeCluster; connection?: Connection }

/** A cluster, and calls to it that take no time to wait: what they would have slept is kept. */
async function bed(t: Test, { connection, cluster: given, ...options }: Bed = {}) {
  const cluster = given ?? (await fakeCluster(t))
  cluster.createNamespace('team')
  const slept: number[] = []
  let time = 0
  const transport = createTransport(connection ?? (await cluster.connection()), {
    now: () => time,
    random: () => 0,
    sleep: async (ms) => {
      slept.push(ms)
      time += ms
    },
    ...options
  })
  t.teardown(() => transport.close())
  return { cluster, transport, slept, get: () => transport.call(NAMESPACE, 'own') }
}

async function failureOf(t: Test, call: Promise<unknown>): Promise<string> {
  const error: Error = await call.then(
    () => t.fail('answered') as never,
    (error) => error
  )
  t.equal(error.name, 'ApiUnavailable')
  return error.message
}

t.test('connections are kept and used again', async (t) => {
  const { cluster, get } = await bed(t)
  for (let calls = 0; calls < 5; calls++) t.equal((await get()).status, 200)
  t.equal(cluster.connections(), 1)
})

t.test('what may pass is tried again, with longer and longer pauses', async (t) => {
  for (const fault of [{ status: 500 }, { status: 503 }, { status: 429 }, { cut: true } as const]) {
    const { cluster, get, slept } = await bed(t)
    cluster.fault({ ...fault, times: 2 })
    t.equal((await get()).status, 200)
    t.strictSame(slept, [125, 500])
    t.equal(cluster.requests.length, 3)
  }
})

t.test('the pauses are spread at random, so that not all come back at once', async (t) => {
  const { cluster, get, slept } = await bed(t, { random: () => 0.5 })
  cluster.fault({ status: 500, times: 2 })
  await get()
  t.strictSame(slept, [187.5, 750])
})

t.test('after three tries no more are made', async (t) => {
  const { cluster, get, slept } = await bed(t)
  cluster.fault({ status: 503 })
  const message = await failureOf(t, get())
  t.equal(message, `the Kubernetes API server at ${cluster.url} cannot be used: it answers 503`)
  t.equal(cluster.requests.length, 3)
  t.equal(slept.length, 2)
})

t.test('a wait that the server asks for is kept, if there is time for it', async (t) => {
  const { cluster, get, slept } = await bed(t)
  cluster.fault({ status: 429, headers: { 'retry-after': '2' }, times: 1 })
  cluster.fault({
    status: 503,
    headers: { 'retry-after': new Date(5_000).toUTCString() },
    times: 1
  })
  t.equal((await get()).status, 200)
  t.strictSame(slept, [2_125, 3_500], 'a date is a wait until then: the clock stood at 2.125 s')
  cluster.fault({ status: 429, headers: { 'retry-after': '11' } })
  cluster.reset()
  t.match(await failureOf(t, get()), /it answers 429$/)
  t.equal(cluster.requests.length, 1, 'nobody waits who would be too late')
})

t.test('what the server refuses is an answer, not tried again', async (t) => {
  const { cluster, get } = await bed(t)
  for (const status of [307, 400, 403, 404, 409, 422]) {
    cluster.fault({ status, headers: { location: '/elsewhere' }, times: 1 })
    cluster.reset()
    t.equal((await get()).status, status)
    t.equal(cluster.requests.length, 1)
  }
})

t.test('a server that says nothing, or not all, is given up', async (t) => {
  for (const hang of [true, 'half'] as const) {
    const { cluster, get } = await bed(t, { answerMs: 100 })
    cluster.fault({ hang })
    t.match(await failureOf(t, get()), /no answer within 100 ms: check that it runs/)
  }
})

t.test('a server that does not get through its handshake is given up', async (t) => {
  const silent = createServer(() => {}).listen(0, '127.0.0.1')
  t.teardown(() => silent.close())
  await new Promise((resolve) => silent.once('listening', resolve))
  const url = `https://127.0.0.1:${(silent.address() as { port: number }).port}`
  const connection = await connectionTo({ url, origin: 'the test', token: { text: 'a', field: 'token' } })
  const { transport, get } = await bed(t, { connection, connectMs: 20 })
  t.match(await failureOf(t, get()), /no connection within 20 ms/)
  transport.close()
})

t.test('once there is a connection, its time limit is over', async (t) => {
  const { cluster, get } = await bed(t, { connectMs: 500, answerMs: 60_000 })
  for (let calls = 0; calls < 2; calls++) {
    cluster.fault({ until: delay(550), times: 1 })
    t.equal((await get()).status, 200)
  }
  t.equal(cluster.requests.length, 2)
})

t.test('once there is an answer, its time limit is over', async (t) => {
  const { cluster, get } = await bed(t, { answerMs: 1_000 })
  await get()
  await delay(600)
  cluster.fault({ until: delay(600), times: 1 })
  t.equal((await get()).status, 200)
  t.equal(cluster.requests.length, 2)
  t.equal(cluster.connections(), 1)
})

t.test('all tries together end in time', async (t) => {
  const { cluster, get } = await bed(t, { totalMs: 30, now: Date.now })
  cluster.fault({ hang: true })
  t.match(await failureOf(t, get()), /no answer within ([12]?\d|30) ms/)
  t.ok(cluster.requests.length < 3)
})

t.test('a server that is away is named, and used again when it is back', async (t) => {
  const { cluster, get } = await bed(t)
  await get()
  await cluster.stop()
  const message = await failureOf(t, get())
  t.match(message, `the Kubernetes API server at ${cluster.url} cannot be used: connect ECONNREFUSED`)
  t.match(message, /check that it runs and that the network lets the registry reach it/)
  await cluster.start()
  t.equal((await get()).status, 200)
})

t.test('a lost connection drops those at rest too, since they may be as dead', async (t) => {
  const { cluster, get } = await bed(t)
  await Promise.all([get(), get(), get()])
  t.equal(cluster.connections(), 3)
  cluster.fault({ cut: true, times: 1 })
  t.equal((await get()).status, 200)
  await Promise.all([get(), get(), get()])
  t.equal(cluster.connections(), 6)
})

t.test('at most 50 calls are under way, and 2,000 wait for their turn', async (t) => {
  const { cluster, get } = await bed(t)
  const { promise, resolve } = Promise.withResolvers<void>()
  const end = cluster.fault({ until: promise })
  const calls = Array.from({ length: 2050 }, get)
  while (cluster.requests.length < 50) await setImmediate()
  t.match(await failureOf(t, get()), /cannot be used: too many calls: 50 run and 2000 wait already$/)
  end()
  resolve()
  t.ok((await Promise.all(calls)).every(({ status }) => status === 200))
  t.equal(cluster.mostAtOnce(), 50)
  t.equal(cluster.connections(), 50)
})

t.test('closing ends what is under way and turns away what comes', async (t) => {
  const { cluster, transport, get } = await bed(t, { answerMs: 120_000, totalMs: 120_000 })
  cluster.fault({ hang: true })
  const call = get()
  call.catch(() => {})
  while (cluster.requests.length === 0) await setImmediate()
  transport.close()
  t.match(await failureOf(t, call), /the registry is ending/)
  t.match(await failureOf(t, get()), /the registry is ending/)
  t.equal(cluster.requests.length, 1)
})

t.test('an answer that is not JSON, or more than 4 MiB, is none', async (t) => {
  const { cluster, get } = await bed(t)
  const large = JSON.stringify('a'.repeat(4 * 1024 * 1024 - 2))
  for (const [body, expected] of [
    ['<html>', undefined],
    ['', undefined],
    [large, JSON.parse(large)],
    [`${large} `, undefined]
  ]) {
    cluster.fault({ status: 200, body, times: 1 })
    const answer = await get()
    t.ok(answer.body === expected, `${body.length} bytes`)
  }
})

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
