import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, constants } from 'node:http2'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { AppParts } from '../../src/app.ts'
import { createLimits, type RequestLimits } from '../../src/operations/limits.ts'
import { createRecorder } from '../../src/operations/metrics/recorder.ts'
import { createMetrics } from '../../src/operations/metrics/registry.ts'
import { createOwnLeases } from '../../src/processes/leasing.ts'
import { basic, type WorldOptions, world } from '../auth/world.ts'
import { type Berth, berth, errorsOf, listen, pushBlob, pushImage, refusal } from '../http/support.ts'
import { eventually } from '../integration/support/verdict.ts'
import { type Answer, openWire, type Silence, type Wire } from '../integration/support/wire.ts'
import { samples } from './metrics/samples.ts'

const FREE = { maxrunning: 0, maxinqueue: 0, maxwaitinqueue: 0 }
const ONE = { maxrunning: 1, maxinqueue: 0, maxwaitinqueue: 0 }
const ONE_AND_ONE = { ...ONE, maxinqueue: 1 }

/** Limits, and the place of a request of each kind for the test itself to take. */
function limitsOf(given: Partial<RequestLimits>) {
  const limits = { read: FREE, write: FREE, ...given }
  const leases = createOwnLeases(limits)
  const recorder = createRecorder()
  const metrics = createMetrics({ version: '1.2.3' })
  return {
    limits: createLimits({ leases, limits, recorder }),
    /** Gives what ends it. */
    occupy(kind: 'read' | 'write'): () => void {
      if (!leases[kind].take()) leases[kind].ask(() => {})
      return leases[kind].end
    },
    async metric(name: string): Promise<number | undefined> {
      const batch = recorder.take()
      if (batch !== undefined) metrics.add(recorder, batch)
      return samples(await metrics.text()).get(name)
    }
  }
}

interface Limited extends Berth, ReturnType<typeof limitsOf> {
  /** Waits until so many of a kind wait. */
  untilWaiting(kind: 'read' | 'write', count: number): Promise<void>
}

async function limited(
  t: Test,
  given: Partial<RequestLimits>,
  more: Partial<AppParts> = {}
): Promise<Limited> {
  const own = limitsOf(given)
  const recorder = createRecorder()
  const metrics = { recorder, secret: 'sesame', text: async () => 'metrics\n' }
  const server = await berth(t, { limits: own.limits, metrics, ...more })
  return {
    ...server,
    ...own,
    async untilWaiting(kind, count) {
      const name = `berth_limited_requests_waiting{kind="${kind}"}`
      const isSo = await eventually(async () => (await own.metric(name)) === count, 10_000, 5)
      if (!isSo) throw new Error(`${await own.metric(name)} wait`)
    }
  }
}

async function wires(t: Test, server: Berth): Promise<{ open(): Promise<Wire> }> {
  const port = await listen(server)
  return {
    async open() {
      const wire = await openWire(port)
      t.teardown(() => wire.close())
      return wire
    }
  }
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`

const pem = (name: string): Buffer => readFileSync(join(import.meta.dirname, '../processes/tls', name))

const statusOf = (answer: Answer | Silence): number | Silence =>
  typeof answer === 'string' ? answer : answer.status

t.test('what is too much is 429, says when to come again, and in words why', async (t) => {
  const { ask, occupy } = await limited(t, { read: ONE })
  const end = occupy('read')
  for (const method of ['GET', 'HEAD', 'OPTIONS']) {
    const answer = await ask(method, '/v2/')
    t.equal(answer.statusCode, 429, method)
    t.equal(answer.headers['retry-after'], '1')
    if (method !== 'GET') continue
    const [error] = errorsOf(answer)
    t.equal(error?.code, 'TOOMANYREQUESTS')
    t.match(error?.message, /this registry is busy: as many reads as it allows are running/)
  }
  end()
  t.equal((await ask('GET', '/v2/')).statusCode, 200)
  t.equal((await ask('GET', '/v2/')).statusCode, 200, 'each gives its place back')
})

t.test('reads and writes have each their own', async (t) => {
  const { ask, occupy } = await limited(t, { read: ONE, write: ONE })
  const endRead = occupy('read')
  t.equal((await ask('POST', '/v2/a/blobs/uploads/')).statusCode, 202)
  t.equal(refusal(await ask('GET', '/v2/_catalog')), '429 TOOMANYREQUESTS')
  endRead()
  occupy('write')
  t.equal((await ask('GET', '/v2/_catalog')).statusCode, 200)
  for (const [method, path] of [
    ['POST', '/v2/a/blobs/uploads/'],
    ['PUT', '/v2/a/manifests/latest'],
    ['PATCH', '/v2/a/blobs/uploads/x'],
    ['DELETE', '/v2/a/manifests/latest']
  ] as const) {
    const answer = await ask(method, path)
    t.equal(refusal(answer), '429 TOOMANYREQUESTS', method)
    t.match(answer.body, 'as many writes as it allows')
  }
})

t.test('health and metrics are never limited', async (t) => {
  const { ask, occupy } = await limited(t, { read: ONE, write: ONE })
  occupy('read')
  occupy('write')
  for (const path of ['/', '/healthz', '/livez', '/readyz']) t.equal((await ask('GET', path)).statusCode, 200)
  const headers = { authorization: 'Bearer sesame' }
  t.equal((await ask('GET', '/extensions/v2/metrics', { headers })).statusCode, 200)
})

t.test('a request waits for its turn, and then for no longer than it may', async (t) => {
  const { ask, occupy, untilWaiting } = await limited(t, { read: ONE_AND_ONE })
  const end = occupy('read')
  const waiting = ask('GET', '/v2/')
  await untilWaiting('read', 1)
  t.equal(refusal(await ask('GET', '/v2/')), '429 TOOMANYREQUESTS', 'the queue is full')
  end()
  t.equal((await waiting).statusCode, 200)
})

t.test('who has waited long enough is 429 as well, and its place is free', async (t) => {
  const { ask, occupy } = await limited(t, { write: { ...ONE_AND_ONE, maxwaitinqueue: 30 } })
  occupy('write')
  for (let time = 0; time < 2; time++) {
    const answer = await ask('POST', '/v2/a/blobs/uploads/')
    t.equal(refusal(answer), '429 TOOMANYREQUESTS')
    t.equal(answer.headers['retry-after'], '1')
    t.match(answer.body, 'this write has waited 0.03 s for its turn')
  }
})

t.test('a client that leaves gives up its place', async (t) => {
  const server = await limited(t, { read: ONE_AND_ONE })
  const end = server.occupy('read')
  const { open } = await wires(t, server)
  for (const how of ['reset', 'close', 'halfClose'] as const) {
    const leaver = await open()
    await leaver.send(get('/v2/'))
    await server.untilWaiting('read', 1)
    leaver[how]()
    await server.untilWaiting('read', 0)
  }
  const other = await open()
  await other.send(get('/v2/'))
  await server.untilWaiting('read', 1)
  end()
  t.equal(statusOf(await other.answer()), 200)
})

t.test('a place is held until the answer is complete', async (t) => {
  const server = await limited(t, { read: ONE })
  const digest = await pushBlob(server, 'a/b', Buffer.alloc(16 * 2 ** 20))
  const { open } = await wires(t, server)
  const slow = await open()
  slow.pause()
  await slow.send(get(`/v2/a/b/blobs/${digest}`))
  await eventually(async () => (await server.metric('berth_limited_requests_running{kind="read"}')) === 1)
  t.equal(refusal(await server.ask('GET', '/v2/')), '429 TOOMANYREQUESTS')
  slow.reset()
  t.ok(await eventually(async () => (await server.ask('GET', '/v2/')).statusCode === 200))
})

t.test('100 Continue is sent to nobody who waits', async (t) => {
  const server = await limited(t, { write: ONE_AND_ONE })
  const { location } = (await server.ask('POST', '/v2/a/blobs/uploads/')).headers
  const end = server.occupy('write')
  const { open } = await wires(t, server)
  const wire = await open()
  await wire.send(
    `PATCH ${location} HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n`
  )
  await server.untilWaiting('write', 1)
  t.equal(await wire.answer({ limitMs: 50 }), 'silent')
  end()
  t.equal(statusOf(await wire.answer()), 100)
  await wire.send('body')
  t.equal(statusOf(await wire.answer()), 202)
})

t.test('of requests that a client sends at once, one at a time takes a place', async (t) => {
  const server = await limited(t, { read: ONE })
  const { open } = await wires(t, server)
  const wire = await open()
  await wire.send(get('/v2/').repeat(5))
  for (let turn = 0; turn < 5; turn++) t.equal(statusOf(await wire.answer()), 200)
})

t.test('a request over HTTP/2 has its own place, which it gives up alone', async (t) => {
  const tls = { cert: pem('localhost.crt'), key: pem('localhost.key'), http2: true }
  const server = await limited(t, { read: ONE_AND_ONE }, { tls })
  const digest = await pushBlob(server, 'a/b', Buffer.alloc(16 * 2 ** 20))
  const session = connect(`https://127.0.0.1:${await listen(server)}`, { rejectUnauthorized: false })
  t.teardown(() => session.destroy())
  const request = (path: string) => session.request({ ':path': path }).on('error', () => {})
  const slow = request(`/v2/a/b/blobs/${digest}`)
  await once(slow, 'response')
  const leaver = request('/v2/')
  await server.untilWaiting('read', 1)
  leaver.close(constants.NGHTTP2_CANCEL)
  await server.untilWaiting('read', 0)
  const other = request('/v2/')
  await server.untilWaiting('read', 1)
  slow.close(constants.NGHTTP2_CANCEL)
  const [headers] = await once(other, 'response')
  t.equal(headers[':status'], 200)
  other.resume()
  await once(other, 'close')
  t.ok(
    await eventually(async () => (await server.metric('berth_limited_requests_running{kind="read"}')) === 0)
  )
})

t.test('limits begin, change and end while requests run and wait', async (t) => {
  const { ask, limits, occupy, untilWaiting } = await limited(t, {})
  t.equal((await ask('GET', '/v2/')).statusCode, 200)
  limits.set({ read: ONE, write: ONE })
  const end = occupy('read')
  t.equal((await ask('GET', '/v2/')).statusCode, 429)
  limits.set({ read: { ...ONE, maxinqueue: 2 }, write: FREE })
  const first = ask('GET', '/v2/')
  const second = ask('GET', '/v2/')
  await untilWaiting('read', 2)
  limits.set({ read: ONE, write: FREE })
  t.equal((await ask('GET', '/v2/')).statusCode, 429)
  limits.set({ read: { ...ONE, maxrunning: 2 }, write: FREE })
  t.strictSame([(await first).statusCode, (await second).statusCode], [200, 200], 'one after the other')
  limits.set({ read: ONE_AND_ONE, write: FREE })
  const third = ask('GET', '/v2/')
  await untilWaiting('read', 1)
  limits.set({ read: FREE, write: FREE })
  t.equal((await third).statusCode, 200, 'before the one that is running ends')
  end()
  limits.set({ read: ONE, write: ONE })
  for (let turn = 0; turn < 3; turn++) t.equal((await ask('GET', '/v2/')).statusCode, 200, 'nothing is lost')
})

t.test('metrics tell how many run, wait and are refused', async (t) => {
  const server = await limited(t, { read: ONE_AND_ONE })
  await pushImage(server, 'a/b', 'latest')
  const end = server.occupy('read')
  const waiting = server.ask('GET', '/v2/a/b/manifests/latest')
  await server.untilWaiting('read', 1)
  for (let turn = 0; turn < 3; turn++) await server.ask('GET', '/v2/')
  t.equal(await server.metric('berth_limited_requests_refused_total{kind="read"}'), 3)
  end()
  await waiting
  t.equal(await server.metric('berth_limited_requests_waiting{kind="read"}'), 0)
  t.equal(await server.metric('berth_limited_requests_running{kind="read"}'), 0)
  t.equal(
    await server.metric('berth_limited_requests_running{kind="write"}'),
    undefined,
    'no limit, no metric'
  )
})

t.test('who is refused or waits costs the API server nothing', async (t) => {
  const { limits, occupy } = limitsOf({ read: ONE, write: ONE })
  const { ask, cluster } = await world(t, { limits } satisfies WorldOptions)
  const headers = { authorization: basic(cluster.addUser('ada')) }
  const endRead = occupy('read')
  cluster.reset()
  for (const path of ['/v2/', '/v2/team/app/tags/list', '/openshift/token?scope=repository:team/app:pull']) {
    t.equal(refusal(await ask('GET', path, { headers })), '429 TOOMANYREQUESTS', path)
  }
  const form = {
    headers: { ...headers, 'content-type': 'application/x-www-form-urlencoded' },
    body: 'grant_type=password'
  }
  t.equal(refusal(await ask('POST', '/openshift/token', form)), '429 TOOMANYREQUESTS', 'a read as well')
  t.same(cluster.calls(), {})
  endRead()
  occupy('write')
  t.equal(
    (await ask('POST', '/openshift/token', form)).statusCode,
    200,
    'so that pulls do not wait for pushes'
  )
})
