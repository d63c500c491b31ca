import { once } from 'node:events'
import { request } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { AppParts } from '../../../src/app.ts'
import { createExternalOrigin } from '../../../src/auth/external-origin.ts'
import { createReadOnly } from '../../../src/operations/read-only.ts'
import { StorageUnavailable } from '../../../storage/driver.ts'
import { memoryStorage } from '../../../storage/memory.ts'
import { as, basic, world } from '../../auth/world.ts'
import { type Berth, berth, listen, NOWHERE, pushBlob, startUpload } from '../../http/support.ts'
import { openWire } from '../../integration/support/wire.ts'
import { type Interpose, interposed } from '../../registry/interposed.ts'
import { fileLogger, type Line } from './support.ts'

interface Logged extends Berth {
  port: number
  /** What was logged so far. */
  lines(): Line[]
  text(): string
  /** The lines once there are as many that match, or after a while not. */
  linesWith(pattern: RegExp, count?: number): Promise<Line[]>
  /** Sends a request over a connection of its own, and gives the answer's status. */
  say(method: string, path: string, headers?: string): Promise<number>
}

/** A server that listens and notes its requests. */
async function logged(t: Test, before: Interpose = () => {}, parts: Partial<AppParts> = {}): Promise<Logged> {
  const { logger, lines, text } = fileLogger(t)
  const storage = interposed(memoryStorage(), before)
  const world = await berth(t, { storage, logger, accessLog: true, ...parts })
  const port = await listen(world)
  return {
    ...world,
    port,
    lines,
    text,
    async linesWith(pattern, count = 1) {
      const limit = Date.now() + 2000
      const matching = (): number => lines().filter((line) => pattern.test(shown(line))).length
      while (matching() < count && Date.now() < limit) await pause(5)
      return lines()
    },
    async say(method, path, headers = '') {
      const wire = await openWire(port)
      const head = `${method} ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\n${headers}\r\n`
      await wire.send(Buffer.from(head, 'latin1'))
      const answer = await wire.answer({ to: method })
      wire.close()
      return typeof answer === 'string' ? 0 : answer.status
    }
  }
}

/** A line in short. */
const shown = (line: Line): string =>
  `${line.level} ${line['http.request.method']} ${line['http.request.uri']} ${line['http.response.status']}`

t.test('each request has one line: who, what, how it ended, how much, how long', async (t) => {
  const { say, linesWith } = await logged(t)
  await say('GET', '/v2/', 'user-agent: docker/29.0\r\nreferer: https://example.com/page\r\n')
  await say('GET', `/v2/a/b/blobs/${NOWHERE}`)
  await say('POST', '/v2/a/b/blobs/uploads/')
  await say('PUT', '/v2/nothing')
  const lines = await linesWith(/PUT/)
  t.equal(lines.length, 4)
  t.match(lines[0], {
    time: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/,
    level: 'info',
    msg: 'response',
    'http.request.method': 'GET',
    'http.request.uri': '/v2/',
    'http.request.host': '127.0.0.1',
    'http.request.remoteaddr': '127.0.0.1',
    'http.request.id': /^[0-9a-f]{8}-/,
    'http.request.referer': 'https://example.com/page',
    'http.request.useragent': 'docker/29.0',
    'http.response.status': '200',
    'http.response.written': '2',
    'http.response.duration': /^\d+\.\d{3}ms$/,
    'http.response.contenttype': 'application/json',
    'http.response.aborted': undefined,
    'err.code': undefined
  })
  t.match(
    lines[1],
    { 'http.request.uri': `/v2/a/b/blobs/${NOWHERE}`, 'http.response.status': '404' },
    'unfolded'
  )
  t.equal(shown(lines[2] ?? {}), 'info POST /v2/a/b/blobs/uploads/ 202')
  t.equal(shown(lines[3] ?? {}), 'info PUT /v2/nothing 404')
})

t.test('what a request brings is counted, and its type told', async (t) => {
  const world = await logged(t)
  const wire = await openWire(world.port)
  const { location } = await startUpload(world, 'a')
  await wire.send(
    `PATCH ${location} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/x-tar\r\ncontent-length: 10\r\n\r\n0123456789`
  )
  await wire.answer({ to: 'PATCH' })
  wire.close()
  const lines = await world.linesWith(/PATCH/)
  t.match(lines.at(-1), {
    'http.request.received': '10',
    'http.request.contenttype': 'application/x-tar',
    'http.response.status': '202',
    'http.response.written': '0'
  })
})

t.test('probes are told of at level debug, while they get what they ask for', async (t) => {
  let isGone = false
  const { logger, lines } = fileLogger(t)
  const { ask } = await berth(t, { logger, accessLog: true, trouble: () => (isGone ? 'gone' : undefined) })
  for (const path of ['/', '/healthz', '/livez', '/readyz']) await ask('GET', path)
  isGone = true
  for (const path of ['/livez', '/readyz']) await ask('GET', path)
  t.strictSame(lines().map(shown), [
    'debug GET / 200',
    'debug GET /healthz 200',
    'debug GET /livez 200',
    'debug GET /readyz 200',
    'debug GET /livez 200',
    'info GET /readyz 503'
  ])
})

t.test('a request whose path cannot be decoded has its line too', async (t) => {
  const { say, linesWith } = await logged(t)
  t.equal(await say('GET', '/v2/a/manifests/%zz'), 400)
  t.match((await linesWith(/%zz/)).map(shown), ['info GET /v2/a/manifests/%zz 400'])
})

t.test('no query, no password and no token is written down, at level debug either', async (t) => {
  const world = await logged(t)
  const { say, linesWith } = world
  const secrets =
    'authorization: Basic aHVzaDpodXNo\r\ncookie: session=hush\r\nproxy-authorization: Bearer hush\r\n' +
    'referer: https://user:hush@example.com/a?token=hush#hush\r\n'
  await say('GET', '/v2/a/tags/list?last=hush&token=hush', secrets)
  await say('GET', '/v2/x/%zz?token=hush', secrets)
  await say('GET', '/v2/x#hush', secrets)
  await say('GET', '//user:hush@127.0.0.1/v2/', secrets)
  await say('GET', 'ftp://user:hush@127.0.0.1/v2/?hush', secrets)
  await say('POST', '/v2/a/blobs/uploads/?mount=hush&from=hush', secrets)
  await say('PATCH', '/v2/a/blobs/uploads/x?_state=hush', secrets)
  await say('GET', 'http://user:hush@127.0.0.1/', secrets)
  await linesWith(/GET \/ /)
  t.equal(world.lines().length, 8)
  t.notMatch(world.text(), /hush|aHVzaDpodXNo|user/)
})

t.test('nor is what a caller shows, whether it is let in or not', async (t) => {
  const { logger, lines, text } = fileLogger(t)
  const it = await world(t, { logger, accessLog: true })
  it.cluster.createNamespace('team')
  const token = it.cluster.addUser('ed')
  const { ask } = as(it, basic(token))
  for (const path of ['/v2/', '/v2/team/app/manifests/v1', `/openshift/token?scope=${token}`])
    await ask('GET', path)
  for (const path of ['/v2/', '/openshift/token']) await as(it, basic('hush')).ask('GET', path)
  t.ok(lines().length > 5)
  for (const secret of [token, basic(token), 'hush', basic('hush')]) {
    t.notOk(text().includes(secret.replace('Basic ', '')))
  }
})

t.test('what a client sends cannot break a line or hide in one', async (t) => {
  const { say, linesWith, text } = await logged(t)
  const agent = '\x85 \xe9\xff\t"quoted" msg=forged'
  await say('GET', '/v2/x%1b%0a?x', `user-agent: ${agent}\r\n`)
  const [line] = await linesWith(/x%1b/)
  t.match(line, { msg: 'response', 'http.request.useragent': agent })
  t.match(text(), /^[ -~é\xff]*\n$/)
})

t.test('a very long path or agent is cut', async (t) => {
  const { say, linesWith, text } = await logged(t)
  await say('GET', `/v2/${'a'.repeat(30_000)}`, `user-agent: ${'x'.repeat(30_000)}\r\n`)
  t.equal((await linesWith(/GET/)).length, 1)
  t.ok(text().length < 4096)
})

t.test(
  'a request is known by the id that came with it, if that one is sound, and else by one of its own',
  async (t) => {
    const it = await logged(t, () => {
      throw new StorageUnavailable('the disk is gone')
    })
    const longest = 'x'.repeat(128)
    for (const given of ['a', 'f0e1-D2.c3_b4', longest]) {
      const { headers } = await it.ask('GET', '/v2/', { headers: { 'x-request-id': given } })
      t.equal(headers['x-request-id'], given)
    }
    const own = new Set<unknown>()
    for (const given of ['', `x${longest}`, 'a b', 'a\tb', 'ä', 'a"b', 'a,b', undefined]) {
      const { headers } = await it.ask('GET', '/v2/', {
        headers: given === undefined ? {} : { 'x-request-id': given }
      })
      t.match(headers['x-request-id'], /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
      own.add(headers['x-request-id'])
    }
    t.equal(own.size, 8)
    for (const [path, id] of [
      ['/v2/a/tags/list', 'refused'],
      ['/nothing', 'unknown'],
      ['/v2/a/manifests/%zz', 'unreadable']
    ] as const) {
      t.equal((await it.ask('GET', path, { headers: { 'x-request-id': id } })).headers['x-request-id'], id)
      const lines = it.lines().filter((line) => line['http.request.id'] === id)
      t.match(
        lines.map(({ msg }) => msg),
        id === 'refused' ? ['the disk is gone', 'response'] : ['response']
      )
    }
  }
)

t.test('decisions about a request have its id, too', async (t) => {
  const { logger, lines } = fileLogger(t)
  const it = await world(t, { logger })
  it.cluster.createNamespace('team')
  const ask = (authorization: string, path: string, id: string) =>
    it.ask('GET', path, { headers: { authorization, 'x-request-id': id } })
  await ask(basic(it.cluster.addUser('ed')), '/v2/team/app/manifests/v1', 'refused')
  await ask(basic('nonsense'), '/v2/', 'nobody')
  await ask(basic('nonsense'), '/openshift/token', 'no-token')
  const withId = lines().filter((line) => line['http.request.id'] !== undefined)
  t.match(
    withId.map((line) => `${line['http.request.id']}: ${line.msg}`),
    [
      /^refused: ed, credential .*: refused pull/,
      /^nobody: refused: credential/,
      /^no-token: refused: credential/
    ]
  )
})

t.test('a fault of the storage is logged with its cause, which the client is not told', async (t) => {
  const { ask, lines } = await logged(t, () => {
    throw new StorageUnavailable('the disk is gone', { cause: new Error('EIO') })
  })
  const answer = await ask('GET', '/v2/a/tags/list')
  t.equal(answer.statusCode, 503)
  t.match(lines(), [{ level: 'error', msg: 'the disk is gone', error: 'EIO', stack: /access\.test\.ts/ }, {}])
  t.notMatch(answer.body, /disk/)
})

t.test('an ordinary refusal is no error of the log', async (t) => {
  const { say, linesWith } = await logged(t)
  await say('GET', '/v2/A/tags/list')
  await say('GET', `/v2/a/blobs/${NOWHERE}`)
  await say('GET', '/v2/', 'origin: https://example.org\r\n')
  t.strictSame(
    (await linesWith(/403/)).map(({ level }) => level),
    ['info', 'info', 'info']
  )
})

t.test('a refusal has its reason in the line', async (t) => {
  const { say, linesWith } = await logged(t)
  t.equal(await say('GET', '/v2/a/tags/list?n=x'), 400)
  t.equal(await say('GET', '/v2/a/blobs/sha256:%0ax'), 400)
  const lines = await linesWith(/blobs/)
  t.match(lines, [
    { 'err.code': 'PAGINATION_NUMBER_INVALID', 'err.message': /^n must be a whole number/ },
    { 'err.code': 'DIGEST_INVALID', 'err.detail': /^malformed/ }
  ])
})

t.test('a refusal is told of in the words that its client got', async (t) => {
  const { app, say, linesWith } = await logged(t, undefined, {
    readOnly: createReadOnly(true)
  })
  t.equal(await say('POST', '/v2/a/blobs/uploads/'), 405)
  t.equal(await say('GET', '/v2/a/blobs/uploads/unknown'), 404)
  const told = await Promise.all([
    app.inject({ method: 'POST', url: '/v2/a/blobs/uploads/' }),
    app.inject({ method: 'GET', url: '/v2/a/blobs/uploads/unknown' })
  ])
  const lines = await linesWith(/uploads/, 4)
  for (const [index, answer] of told.entries()) {
    const [{ code, message, detail }] = answer.json().errors
    const { 'err.code': c, 'err.message': m, 'err.detail': d } = lines[index] ?? {}
    t.strictSame([c, m, d], [code, message, detail])
  }
})

/** Downloads the beginning of a large blob, and leaves. */
async function leaveDownload({ port }: Logged, digest: string): Promise<void> {
  const wanted = request({ port, host: '127.0.0.1', path: `/v2/a/blobs/${digest}` })
  const [response] = await once(wanted.end(), 'response')
  response.once('data', () => response.destroy())
  await once(response, 'close')
}

t.test(
  'a download that its client breaks off has its line, which says so and how much has left',
  async (t) => {
    const world = await logged(t)
    const size = 32 * 1024 * 1024
    const digest = await pushBlob(world, 'a', Buffer.alloc(size))
    await leaveDownload(world, digest)
    const lines = await world.linesWith(/GET/)
    const line = lines.find((line) => line['http.request.method'] === 'GET') ?? {}
    t.match(line, { 'http.response.status': '200', 'http.response.aborted': 'true' })
    const written = Number(line['http.response.written'])
    t.ok(written > 0 && written < size, `${written}`)
  }
)

t.test('a client that leaves is no error of the log', async (t) => {
  const world = await logged(t)
  const digest = await pushBlob(world, 'a', Buffer.alloc(32 * 1024 * 1024))
  for (let times = 0; times < 5; times++) await leaveDownload(world, digest)
  const lines = await world.linesWith(/GET/, 5)
  t.strictSame(
    lines.filter(({ level }) => level !== 'info').map(({ msg }) => msg),
    []
  )
})

t.test('an upload whose client leaves has one line with 499', async (t) => {
  const appending = Promise.withResolvers<void>()
  const world = await logged(t, (call) => {
    if (call.startsWith('append ')) appending.resolve()
  })
  const { location } = await startUpload(world, 'a')
  const wire = await openWire(world.port)
  await wire.send(`PATCH ${location} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 10\r\n\r\nabc`)
  await appending.promise
  wire.reset()
  const lines = await world.linesWith(/PATCH/)
  t.match(
    lines.filter((line) => line['http.request.method'] === 'PATCH'),
    [{ level: 'info', 'http.response.status': '499', 'http.response.aborted': 'true' }]
  )
})

t.test('of requests that were sent ahead, each has its line when the connection breaks', async (t) => {
  const reading = Promise.withResolvers<void>()
  const world = await logged(t, async (call) => {
    if (!call.startsWith('list ')) return
    reading.resolve()
    await pause(50)
  })
  const wire = await openWire(world.port)
  await wire.send('GET /v2/a/tags/list HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n'.repeat(3))
  await reading.promise
  wire.reset()
  t.strictSame((await world.linesWith(/499/, 3)).map(shown), Array(3).fill('info GET /v2/a/tags/list 499'))
})

t.test("behind a proxy that is trusted, a line has the client's address", async (t) => {
  const { logger, lines } = fileLogger(t)
  const origin = createExternalOrigin({ trustedProxies: ['127.0.0.0/8'] })
  const { ask } = await berth(t, { logger, accessLog: true, origin })
  await ask('GET', '/v2/', { headers: { host: 'localhost', 'x-forwarded-for': '198.51.100.9, 203.0.113.5' } })
  t.match(lines(), [{ 'http.request.remoteaddr': '203.0.113.5' }])
})
