import { once } from 'node:events'
import { createConnection } from 'node:net'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import { guardAccess } from '../src/auth/access.ts'
import { createReadOnly } from '../src/operations/read-only.ts'
import { memoryStorage } from '../storage/memory.ts'
import { type Berth, berth, listen, NOWHERE, pushBlob, refusal } from './http/support.ts'
import { type Answer, openWire, type Wire } from './integration/support/wire.ts'
import { interposed } from './registry/interposed.ts'

async function answer(wire: Wire): Promise<Answer> {
  const got = await wire.answer()
  if (typeof got === 'string') throw new Error(`no answer: ${got}`)
  return got
}

async function listening(t: Test, parts = {}): Promise<Berth & { port: number; wire(): Promise<Wire> }> {
  const world = await berth(t, parts)
  const port = await listen(world)
  return {
    ...world,
    port,
    async wire() {
      const wire = await openWire(port)
      t.teardown(() => wire.close())
      return wire
    }
  }
}

const codeOf = ({ body }: Answer): string => JSON.parse(body.toString()).errors[0].code

const HOST = 'registry.example.org:5000'

/** What a browser adds to what a page of another site makes it send. */
const FOREIGN: Record<string, string>[] = [
  { origin: 'https://evil.example' },
  { origin: 'http://registry.example.org' },
  { origin: 'http://registry.example.org:5001' },
  { origin: `https://evil.example?${HOST}` },
  { origin: `http://evil.${HOST}` },
  { origin: 'null' },
  { origin: '' },
  { 'sec-fetch-site': 'cross-site' },
  { 'sec-fetch-site': 'same-site' },
  { 'sec-fetch-site': 'anything' },
  { origin: `http://${HOST}`, 'sec-fetch-site': 'cross-site' },
  // berth has no pages: one of this very host is not its own either (DNS rebinding).
  { origin: `http://${HOST}` },
  { origin: `https://${HOST}`, 'sec-fetch-site': 'same-origin' }
]

const REQUESTS: [string, string][] = [
  ['GET', '/v2/'],
  ['GET', '/v2/_catalog'],
  ['GET', `/v2/a/blobs/${NOWHERE}`],
  ['POST', '/v2/a/blobs/uploads/'],
  ['PUT', '/v2/a/manifests/v1'],
  ['DELETE', '/v2/a/manifests/v1'],
  ['OPTIONS', '/v2/a/manifests/v1']
]

t.test('what another web site makes a browser ask is 403 DENIED, whatever it is', async (t) => {
  const { ask } = await berth(t)
  for (const headers of FOREIGN) {
    for (const [method, url] of REQUESTS) {
      const answer = await ask(method, url, { headers: { host: HOST, ...headers } })
      t.equal(refusal(answer), '403 DENIED', `${method} ${url} ${JSON.stringify(headers)}`)
      t.notOk(answer.headers['access-control-allow-origin'])
    }
  }
})

t.test('what no page asks, and what a user types into a browser, is let in', async (t) => {
  const { ask } = await berth(t)
  const own: Record<string, string>[] = [{}, { 'sec-fetch-site': 'none' }]
  for (const headers of own) {
    t.equal((await ask('GET', '/v2/', { headers: { host: HOST, ...headers } })).statusCode, 200)
  }
})

t.test(
  'on loopback a host name that is not this machine is 403 DENIED, since a page may have led it here',
  async (t) => {
    const world = await listening(t)
    for (const host of [
      'evil.example',
      `evil.example:${world.port}`,
      '127.0.0.1.evil.example',
      'localhost.evil.example',
      '10.0.0.1',
      '[::2]:5000',
      '[::ffff:10.0.0.1]',
      '[::ffff:8000:1]',
      ''
    ]) {
      const wire = await world.wire()
      await wire.send(`GET /v2/_catalog HTTP/1.1\r\nhost: ${host}\r\n\r\n`)
      const got = await answer(wire)
      t.equal(got.status, 403, host)
      t.equal(codeOf(got), 'DENIED')
    }
    for (const host of [
      '127.0.0.1',
      `127.0.0.1:${world.port}`,
      'localhost',
      'registry.localhost:5000',
      'LOCALHOST:5000',
      '[::1]:5000',
      '[::ffff:127.0.0.1]:5000',
      '[::ffff:7f00:1]'
    ]) {
      const wire = await world.wire()
      await wire.send(`GET /v2/_catalog HTTP/1.1\r\nhost: ${host}\r\n\r\n`)
      t.equal((await answer(wire)).status, 200, host)
    }
  }
)

t.test('a route that states no action cannot be added', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  const options = { deletes: true, readOnly: createReadOnly(false), methods: new Map() }
  guardAccess(app, options)
  t.throws(() => app.get('/x', () => 'x'), /states no action/)
  t.doesNotThrow(() => app.get('/y', { config: { action: 'pull' } }, () => 'y'))
})

/** What is no HTTP, or not allowed to be; with the status that it gets. */
const MALFORMED: [string, number][] = [
  ['nonsense\r\n\r\n', 400],
  ['GET /v2/ HTTP/9.9\r\nhost: 127.0.0.1\r\n\r\n', 400],
  ['GET /v2/ HTTP/1.1\r\nhost: 127.0.0.1\r\nbad header\r\n\r\n', 400],
  ['GET /v2/ HTTP/1.1\r\nhost: 127.0.0.1\r\nx: a\x00b\r\n\r\n', 400],
  ['PUT /v2/ HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: x\r\n\r\n', 400],
  ['PUT /v2/ HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n', 400],
  ['PUT /v2/ HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\n', 400],
  [`GET /v2/ HTTP/1.1\r\nhost: 127.0.0.1\r\nx: ${'y'.repeat(70_000)}\r\n\r\n`, 431]
]

t.test('what is not HTTP is refused in the shape of the specification (R-003, F-10, F-11)', async (t) => {
  const world = await listening(t)
  for (const [request, status] of MALFORMED) {
    const wire = await world.wire()
    await wire.send(Buffer.from(request, 'latin1'))
    const got = await answer(wire)
    t.equal(got.status, status, request.slice(0, 60))
    t.equal(got.headers['content-type'], 'application/json')
    t.match(codeOf(got), /^[A-Z_]+$/)
    t.not(await wire.ending(5000), 'silent')
  }
})

t.test('a request without Host is 400 in the shape of the specification (R-003, R-004)', async (t) => {
  const world = await listening(t)
  const wire = await world.wire()
  await wire.send('GET /v2/ HTTP/1.1\r\n\r\n')
  const got = await answer(wire)
  t.equal(got.status, 400)
  t.match(got.body.toString(), /"errors"/)
})

t.test('headers of 60 KiB, a long token and many ranges among them, are let in (F-11)', async (t) => {
  const world = await listening(t)
  const digest = await pushBlob(world, 'a', 'x'.repeat(20_000))
  const wire = await world.wire()
  const ranges = Array.from({ length: 1000 }, (_, index) => `${index * 10}-${index * 10 + 4}`).join(',')
  const token = `authorization: Bearer ${'t'.repeat(40_000)}`
  await wire.send(
    `GET /v2/a/blobs/${digest} HTTP/1.1\r\nhost: 127.0.0.1\r\n${token}\r\nrange: bytes=${ranges}\r\n\r\n`
  )
  t.equal((await answer(wire)).status, 206)
})

t.test('the target may be a whole URL, as a proxy sends it (R-004)', async (t) => {
  const world = await listening(t)
  await pushBlob(world, 'a/b', 'layer')
  for (const path of ['/v2/', '/v2/a/b/tags/list']) {
    const wire = await world.wire()
    await wire.send(`GET http://127.0.0.1:${world.port}${path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n`)
    t.equal((await answer(wire)).status, 200, path)
  }
})

t.test('an offer to upgrade is passed over (R-004)', async (t) => {
  const world = await listening(t)
  const wire = await world.wire()
  const upgrade = 'connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n'
  await wire.send(`GET /v2/ HTTP/1.1\r\nhost: 127.0.0.1\r\n${upgrade}\r\n`)
  t.equal((await answer(wire)).status, 200)
})

t.test('a path that climbs is no name, as it was sent (R-001)', async (t) => {
  const world = await listening(t)
  for (const path of [
    '/v2/a/../../etc/tags/list',
    '/v2/../v2/a/tags/list',
    '/v2/a/..%2f..%2fetc/tags/list'
  ]) {
    const wire = await world.wire()
    await wire.send(`GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n`)
    const { status } = await answer(wire)
    t.ok(status === 400 || status === 404, path)
  }
})

t.test('an answer that is under way is never mixed with one to what is not HTTP (C-08)', async (t) => {
  const world = await listening(t)
  const digest = await pushBlob(world, 'a', Buffer.alloc(32 * 1024 * 1024, 'x'))
  const socket = createConnection({ port: world.port, host: '127.0.0.1' })
  t.teardown(() => socket.destroy())
  socket.on('error', () => {}) // a connection that is cut is fine
  socket.write(`GET /v2/a/blobs/${digest} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n`)
  const [first] = await once(socket, 'data')
  t.match(first.toString('latin1', 0, 15), 'HTTP/1.1 200 OK')
  socket.write('nonsense\r\n\r\n')
  let isMixed = false
  socket.on('data', (chunk: Buffer) => {
    if (chunk.includes('HTTP/1.1')) isMixed = true
  })
  await once(socket, 'close')
  t.notOk(isMixed, 'the blob is the blob')
})

t.test('a connection is kept for longer than clients keep theirs (C-06, C-07)', async (t) => {
  const world = await listening(t)
  t.ok(world.app.server.keepAliveTimeout >= 90_000)
  t.equal(world.app.server.requestTimeout, 0, 'no total limit')
  const connection = once(world.app.server, 'connection')
  const wire = await world.wire()
  await connection
  for (let times = 0; times < 3; times++) {
    await wire.send('GET /v2/ HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n')
    const got = await answer(wire)
    t.equal(got.status, 200)
    t.not(got.headers.connection, 'close')
  }
})

t.test(
  'a closing server finishes what it has begun, takes no more, and lets go of idle connections',
  async (t) => {
    const reading = Promise.withResolvers<void>()
    const goOn = Promise.withResolvers<void>()
    const storage = interposed(memoryStorage(), async (call) => {
      if (!call.endsWith('/data')) return
      reading.resolve()
      await goOn.promise
    })
    const world = await listening(t, { storage })
    const idle = await world.wire()
    await idle.send('GET /v2/ HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n')
    await answer(idle)
    const busy = await world.wire()
    await busy.send(`PUT /v2/a/manifests/v1 HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 34\r\n\r\n`)
    await busy.send('{"schemaVersion":2,"manifests":[]}')
    await reading.promise
    const closed = world.app.close()
    t.not(await idle.ending(5000), 'silent', 'an idle connection ends at once')
    await t.rejects(openWire(world.port), { code: 'ECONNREFUSED' })
    goOn.resolve()
    t.equal((await answer(busy)).status, 201)
    const outcome = await Promise.race([
      closed.then(() => 'closed'),
      new Promise((resolve) => setTimeout(resolve, 3000, 'still open').unref())
    ])
    t.equal(outcome, 'closed', 'a connection that has been answered does not hold it up')
  }
)

t.test('every answer gets the headers that an administrator adds, and keeps its own', async (t) => {
  const headers = {
    'strict-transport-security': 'max-age=1',
    'x-twice': ['1', '2'],
    'x-content-type-options': 'other',
    'cache-control': 'public'
  }
  const world = await berth(t, { headers })
  const digest = await pushBlob(world, 'a', 'some bytes')
  for (const [method, url, status] of [
    ['GET', '/v2/', 200],
    ['GET', '/healthz', 200],
    ['GET', `/v2/a/blobs/${digest}`, 200],
    ['POST', '/v2/a/blobs/uploads/', 202],
    ['GET', `/v2/a/blobs/${NOWHERE}`, 404],
    ['GET', '/nowhere', 404],
    ['TRACE', '/v2/', 405],
    ['GET', '/v2/%ff/tags/list', 400]
  ] as const) {
    const answer = await world.ask(method, url)
    t.equal(answer.statusCode, status, url)
    t.match(answer.headers, {
      'strict-transport-security': 'max-age=1',
      'x-twice': ['1', '2'],
      'x-content-type-options': 'other',
      'docker-distribution-api-version': 'registry/2.0'
    })
  }
  t.match((await world.ask('GET', '/healthz')).headers, { 'cache-control': 'no-cache' })
})
