import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { createExternalOrigin } from '../../src/auth/external-origin.ts'
import { createLogger } from '../../src/operations/logs.ts'
import { StorageUnavailable } from '../../storage/driver.ts'
import { memoryStorage } from '../../storage/memory.ts'
import { type Berth, berth, listen, NOWHERE, pushBlob, startUpload } from '../http/support.ts'
import { openWire } from '../integration/support/wire.ts'
import { type Interpose, interposed } from '../registry/interposed.ts'

interface Line {
  level: string
  msg: string
  /** What follows it: an error's stack and causes. */
  stack: string
}

interface Logged extends Berth {
  port: number
  /** What was logged so far. */
  lines(): Line[]
  /** The lines once one of them matches, or after a while none does. */
  linesWith(pattern: RegExp): Promise<Line[]>
  /** Sends a request over a connection of its own, and gives the answer's status. */
  say(method: string, path: string, headers?: string): Promise<number>
}

/** A logger over a file, and what the file holds. */
function fileLogger(t: Test, level: Parameters<typeof createLogger>[0] = 'debug') {
  const file = join(t.testdir(), 'log')
  const fd = openSync(file, 'a')
  t.teardown(() => closeSync(fd))
  const logger = createLogger(level, fd)
  return {
    logger,
    text(): string {
      logger.flush()
      return readFileSync(file, 'utf8')
    }
  }
}

function parseLines(text: string): Line[] {
  const lines: Line[] = []
  for (const line of text.split('\n').slice(0, -1)) {
    const [, level, msg] = /^\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\] ([A-Z]+): (.*)$/.exec(line) ?? []
    const latest = lines.at(-1)
    if (level !== undefined && msg !== undefined) lines.push({ level, msg, stack: '' })
    else if (latest !== undefined && line.startsWith('    ')) latest.stack += `${line}\n`
    else throw new Error(`no line of the log: ${line}`)
  }
  return lines
}

/** A server that listens and notes its requests. */
async function logged(t: Test, before: Interpose = () => {}): Promise<Logged> {
  const { logger, text } = fileLogger(t)
  const storage = interposed(memoryStorage(), before)
  const world = await berth(t, { storage, logger, accessLog: true })
  const port = await listen(world)
  const lines = (): Line[] => parseLines(text())
  return {
    ...world,
    port,
    lines,
    async linesWith(pattern) {
      const limit = Date.now() + 1000
      while (!lines().some(({ msg }) => pattern.test(msg)) && Date.now() < limit) await pause(5)
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

t.test('each request has one line: who, what, how it ended, how much, how long', async (t) => {
  const { say, linesWith } = await logged(t)
  await say('GET', '/v2/', 'user-agent: docker/29.0\r\n')
  await say('GET', `/v2/a/b/blobs/${NOWHERE}`)
  await say('POST', '/v2/a/b/blobs/uploads/')
  await say('PUT', '/v2/nothing')
  const lines = await linesWith(/PUT/)
  t.equal(lines.length, 4)
  t.match(lines[0]?.msg, /^127\.0\.0\.1 GET \/v2\/ 200 2 B in [\d.]+ ms \(docker\/29\.0\)$/)
  t.match(lines[1]?.msg, new RegExp(`GET /v2/a/b/blobs/${NOWHERE} 404 \\d+ B in`), 'as the client wrote it')
  t.match(lines[2]?.msg, /POST \/v2\/a\/b\/blobs\/uploads\/ 202 0 B in/)
  t.match(lines[3]?.msg, /PUT \/v2\/nothing 404/)
})

t.test('a request whose path cannot be decoded has its line too', async (t) => {
  const { say, linesWith } = await logged(t)
  t.equal(await say('GET', '/v2/a/manifests/%zz'), 400)
  t.match(await linesWith(/%zz/), [{ msg: /GET \/v2\/a\/manifests\/%zz 400/ }])
})

t.test('no query is written down, since it may hold a secret', async (t) => {
  const { say, linesWith } = await logged(t)
  await say('GET', '/v2/a/tags/list?last=hush&token=hush')
  await say('GET', '/v2/x/%zz?token=hush')
  await say('GET', '/?hush')
  await say('GET', 'http://user:hush@127.0.0.1/')
  t.notMatch(JSON.stringify(await linesWith(/GET \/ /)), /hush/)
})

t.test('what a client sends cannot break a line or hide in one', async (t) => {
  const { say, linesWith } = await logged(t)
  const agent = '\x85 \xe9\xff\t"quoted" 0.1 GET /forged 200'
  await say('GET', '/v2/x%1b%0a?x', `user-agent: ${agent}\r\n`)
  const [line] = await linesWith(/forged/)
  t.match(line?.msg, /^[ -~]*$/)
  t.notMatch(line?.msg, /\?x/)
})

t.test('a very long path or agent is cut', async (t) => {
  const { say, linesWith } = await logged(t)
  await say('GET', `/v2/${'a'.repeat(30_000)}`, `user-agent: ${'x'.repeat(30_000)}\r\n`)
  const lines = await linesWith(/GET/)
  t.equal(lines.length, 1)
  t.ok((lines[0]?.msg.length ?? 0) < 1000)
})

t.test('a fault of the storage is logged with its cause, which the client is not told', async (t) => {
  const { ask, lines } = await logged(t, () => {
    throw new StorageUnavailable('the disk is gone', { cause: new Error('EIO') })
  })
  const answer = await ask('GET', '/v2/a/tags/list')
  t.equal(answer.statusCode, 503)
  t.match(lines(), [{ level: 'ERROR', msg: /the disk is gone/, stack: /EIO/ }])
  t.notMatch(answer.body, /disk/)
})

t.test('an ordinary refusal is no error of the log', async (t) => {
  const { say, linesWith } = await logged(t)
  await say('GET', '/v2/A/tags/list')
  await say('GET', `/v2/a/blobs/${NOWHERE}`)
  await say('GET', '/v2/', 'origin: https://example.org\r\n')
  const lines = await linesWith(/403/)
  t.strictSame(
    lines.map(({ level }) => level),
    ['INFO', 'INFO', 'INFO']
  )
})

/** Downloads the beginning of a large blob, and leaves. */
async function leaveDownload({ port }: Logged, digest: string): Promise<void> {
  const wanted = request({ port, host: '127.0.0.1', path: `/v2/a/blobs/${digest}` })
  const [response] = await once(wanted.end(), 'response')
  response.once('data', () => response.destroy())
  await once(response, 'close')
}

t.test('a download that its client breaks off has its line, which says so', async (t) => {
  const world = await logged(t)
  const digest = await pushBlob(world, 'a', Buffer.alloc(32 * 1024 * 1024))
  await leaveDownload(world, digest)
  const lines = await world.linesWith(/GET/)
  t.match(
    lines.filter(({ msg }) => msg.includes('GET')),
    [{ msg: /GET \/v2\/a\/blobs\/sha256:[0-9a-f]+ .*broken off/ }]
  )
})

t.test('a client that leaves is no error of the log', async (t) => {
  const world = await logged(t)
  const digest = await pushBlob(world, 'a', Buffer.alloc(32 * 1024 * 1024))
  for (let times = 0; times < 5; times++) await leaveDownload(world, digest)
  const lines = await world.linesWith(/broke off/)
  t.strictSame(
    lines.filter(({ level }) => level !== 'INFO').map(({ msg }) => msg),
    []
  )
})

t.test('a refusal has its reason in the line, fit for one line', async (t) => {
  const { say, linesWith } = await logged(t)
  t.equal(await say('GET', '/v2/a/tags/list?n=x'), 400)
  t.equal(await say('GET', '/v2/a/blobs/sha256:%0ax'), 400)
  const lines = await linesWith(/blobs/)
  t.match(lines, [{ msg: / 400 .*PAGINATION_NUMBER_INVALID/ }, { msg: / 400 .*DIGEST_INVALID: malformed/ }])
  for (const { msg } of lines) t.notMatch(msg, /[^\x20-\x7e]/)
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
    lines.filter(({ msg }) => msg.includes('PATCH')),
    [{ level: 'INFO', msg: / 499 / }]
  )
})

t.test('an event is one line with its time and level, followed by the stack of its error', async (t) => {
  const { logger, text } = fileLogger(t)
  const cause = Object.assign(new Error('EIO: i/o error'), { code: 'EIO' })
  logger.info('berth listens')
  logger.warn({ err: new Error('as Fastify says it') })
  logger.error(new Error('the disk is gone', { cause }), 'abandoned uploads could not be removed')
  t.match(parseLines(text()), [
    { level: 'INFO', msg: 'berth listens', stack: '' },
    { level: 'WARN', msg: 'as Fastify says it', stack: /logs\.test\.ts/ },
    { level: 'ERROR', msg: 'abandoned uploads could not be removed', stack: /the disk is gone.*EIO/s }
  ])
})

t.test(
  'what could end a line or change a terminal is written as a number, and nothing is endless',
  async (t) => {
    const { logger, text } = fileLogger(t)
    logger.warn('/srv/ä\n[2026-01-01T00:00:00.000Z] INFO: forged \x1b[31m\u202e')
    logger.warn('\x1b'.repeat(100_000))
    const [forged, long, ...more] = parseLines(text())
    t.match(forged?.msg, /^\/srv\/ä\\u\{a\}\[2026.*\\u\{1b\}\[31m\\u\{202e\}$/)
    t.ok((long?.msg.length ?? 0) < 4000)
    t.strictSame(more, [])
  }
)

t.test('what is below the level is left out, requests too', async (t) => {
  const { logger, text } = fileLogger(t, 'warn')
  logger.info('no')
  logger.access('no')
  logger.debug('no')
  logger.warn('yes')
  logger.error('yes')
  t.strictSame(
    parseLines(text()).map(({ msg }) => msg),
    ['yes', 'yes']
  )
})

t.test("behind a proxy that is trusted, a line has the client's address", async (t) => {
  const lines: string[] = []
  const logger = { ...fileLogger(t).logger, access: (line: string) => void lines.push(line) }
  const origin = createExternalOrigin({ trustedProxies: ['127.0.0.0/8'] })
  const { ask } = await berth(t, { logger, accessLog: true, origin })
  await ask('GET', '/v2/', { headers: { host: 'localhost', 'x-forwarded-for': '198.51.100.9, 203.0.113.5' } })
  t.match(lines, [/^203\.0\.113\.5 GET \/v2\/ 200/])
})
