import { createServer } from 'node:net'
import { setTimeout as delay, setImmediate } from 'node:timers/promises'
import t from 'tap'
import { connectionTo } from '../../src/kubernetes/connection.ts'
import { bed, failureOf } from './support.ts'

t.test('connections are kept and used again', async (t) => {
  const { cluster, get } = await bed(t)
  for (let calls = 0; calls < 5; calls++) t.equal((await get()).status, 200)
  t.equal(cluster.connections(), 1)
})

t.test('what may pass is tried again, with longer and longer pauses', async (t) => {
  for (const fault of [{ status: 500 }, { status: 503 }, { status: 429 }, { cut: true } as const]) {
    let retries = 0
    const { cluster, get, slept } = await bed(t, { onRetry: () => retries++ })
    cluster.fault({ ...fault, times: 2 })
    t.equal((await get()).status, 200)
    t.strictSame(slept, [125, 500])
    t.equal(cluster.requests.length, 3)
    t.equal(retries, 2)
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
