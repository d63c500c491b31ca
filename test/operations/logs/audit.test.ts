import { execFileSync } from 'node:child_process'
import { closeSync, constants, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { createLogger } from '../../../src/operations/logs.ts'
import { StorageUnavailable } from '../../../storage/driver.ts'
import { memoryStorage } from '../../../storage/memory.ts'
import { as, basic, world } from '../../auth/world.ts'
import { berth, digestOf, listen, NOWHERE, pushBlob, pushImage, startUpload } from '../../http/support.ts'
import { openWire } from '../../integration/support/wire.ts'
import { interposed } from '../../registry/interposed.ts'
import { fileLogger, type Line, parseLines } from './support.ts'

const audited = (lines: Line[]): Line[] => lines.filter((line) => line['openshift.logger'] === 'audit')

/** A line in short. */
const shown = (line: Line): string =>
  [line.msg, line['openshift.request.status'], line['openshift.request.error']?.split(':')[0]]
    .filter((word) => word !== undefined)
    .join(' ')

t.test(
  'what is done to a repository has two lines, by the name of the operation, at any level',
  async (t) => {
    const { logger, lines } = fileLogger(t, { level: 'error' })
    const it = await berth(t, { logger, isAudited: true, accessLog: true })
    let seen = 0
    function since(): string[] {
      const all = lines()
      const latest = all.slice(seen)
      seen = all.length
      t.equal(audited(latest).length, latest.length)
      return latest.map(shown)
    }
    const digest = await pushBlob(it, 'a', 'blob')
    t.strictSame(since(), [
      'BlobStore.Create begin',
      'BlobStore.Create success',
      'BlobWriter.Commit begin',
      'BlobWriter.Commit success'
    ])
    await it.ask('GET', `/v2/a/blobs/${digest}`)
    await it.ask('HEAD', `/v2/a/blobs/${NOWHERE}`)
    t.strictSame(since(), [
      'BlobStore.ServeBlob begin',
      'BlobStore.ServeBlob success',
      'BlobStore.ServeBlob begin',
      'BlobStore.ServeBlob error BLOB_UNKNOWN'
    ])
    const { location } = await startUpload(it, 'a')
    await it.ask('PATCH', location, { body: 'more' })
    await it.ask('PUT', `${location}?digest=${digestOf('more')}`)
    t.strictSame(
      since().filter((line) => /success/.test(line)),
      ['BlobStore.Create success', 'BlobStore.Resume success', 'BlobWriter.Commit success']
    )
    const { digest: manifest } = await pushImage(it, 'a', 'v1')
    since()
    await it.ask('GET', '/v2/a/tags/list')
    await it.ask('DELETE', '/v2/a/manifests/v1')
    await it.ask('DELETE', `/v2/a/manifests/${manifest}`)
    await it.ask('DELETE', `/v2/a/manifests/${manifest}`)
    t.strictSame(
      since().filter((line) => !/begin/.test(line)),
      [
        'TagService.All success',
        'TagService.Untag success',
        'ManifestService.Delete success',
        'ManifestService.Delete error MANIFEST_UNKNOWN'
      ]
    )
    await it.ask('GET', '/v2/')
    await it.ask('GET', '/healthz')
    t.strictSame(since(), [], 'nothing is done to a repository')
  }
)

t.test('the lines say who did it, and have the fields of the request', async (t) => {
  const { logger, lines } = fileLogger(t)
  const it = await world(t, { logger, isAudited: true })
  it.cluster.createNamespace('team')
  it.cluster.grant('ed', 'registry-viewer', 'team')
  const ed = basic(it.cluster.addUser('ed'))
  const headers = { 'x-request-id': 'mine' }
  await as(it, ed).ask('GET', '/v2/team/app/tags/list?last=hush', { headers })
  await as(it, ed).ask('POST', '/v2/team/app/blobs/uploads/', { headers })
  await as(it, basic('nonsense')).ask('GET', '/v2/team/app/tags/list', { headers })
  const of = { 'openshift.auth.user': 'ed', 'openshift.auth.userid': /./, 'http.request.id': 'mine' }
  const path = { 'http.request.method': 'GET', 'http.request.uri': '/v2/team/app/tags/list' }
  const written = audited(lines())
  t.match(written, [
    { msg: 'TagService.All', 'openshift.request.status': 'begin', ...of, ...path },
    { msg: 'TagService.All', 'openshift.request.status': 'error', ...of, ...path },
    {
      msg: 'BlobStore.Create',
      'openshift.request.status': 'error',
      ...of,
      'openshift.request.error': /^DENIED: .*; ed may not/
    },
    {
      'openshift.request.status': 'error',
      'openshift.auth.user': undefined,
      'openshift.request.error': /^UNAUTHORIZED/
    }
  ])
  t.equal(written.length, 4, 'what is refused has not begun')
})

for (const outcome of ['success', 'error UNAVAILABLE']) {
  t.test(`what is done although its client has left is told as it ended: ${outcome}`, async (t) => {
    const { logger, lines } = fileLogger(t)
    const deleting = Promise.withResolvers<void>()
    const left = Promise.withResolvers<void>()
    const storage = interposed(memoryStorage(), async (call) => {
      if (!call.startsWith('delete ')) return
      deleting.resolve()
      await left.promise
      if (outcome !== 'success') throw new StorageUnavailable('the disk is gone')
    })
    const it = await berth(t, { logger, isAudited: true, storage })
    const digest = await pushBlob(it, 'a', 'blob')
    const wire = await openWire(await listen(it))
    await wire.send(`DELETE /v2/a/blobs/${digest} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n`)
    await deleting.promise
    wire.reset()
    await pause(50)
    const latest = () => audited(lines()).map(shown).at(-1)
    t.equal(latest(), 'BlobStore.Delete begin')
    left.resolve()
    while (latest() === 'BlobStore.Delete begin') await pause(5)
    t.equal(latest(), `BlobStore.Delete ${outcome}`)
  })
}

t.test('an answer that breaks off is an error', async (t) => {
  const { logger, lines } = fileLogger(t)
  const it = await berth(t, { logger, isAudited: true })
  const digest = await pushBlob(it, 'a', Buffer.alloc(32 * 1024 * 1024))
  const wire = await openWire(await listen(it))
  await wire.send(`GET /v2/a/blobs/${digest} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n`)
  await pause(30)
  wire.reset()
  const last = (): Line => audited(lines()).at(-1) ?? {}
  while (last()['openshift.request.status'] !== 'error') await pause(5)
  t.match(last(), { msg: 'BlobStore.ServeBlob', 'openshift.request.error': 'the answer broke off' })
})

/** A log whose reader has stalled. */
function stalled(t: Test) {
  const path = join(t.testdir(), 'pipe')
  execFileSync('mkfifo', [path])
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const fd = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK)
  t.teardown(() => [reader, fd].forEach(closeSync))
  const buffer = Buffer.alloc(1024 * 1024)
  let text = ''
  return {
    logger: createLogger({ level: 'info' }, fd),
    /** What was written so far, taken from the pipe. */
    read(): string {
      for (;;) {
        try {
          text += buffer.toString('utf8', 0, readSync(reader, buffer))
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return text
          throw error
        }
      }
    }
  }
}

t.test('while the log is not read, what would be audited waits; then nothing is missing', async (t) => {
  const { logger, read } = stalled(t)
  let calls = 0
  const storage = interposed(memoryStorage(), (call) => {
    if (call.startsWith('list ')) calls++
  })
  const it = await berth(t, { logger, isAudited: true, accessLog: true, storage })
  const [CLIENTS, EACH] = [50, 60]
  const ASKED = CLIENTS * EACH
  let answered = 0
  const answers = Array.from({ length: CLIENTS }, async (_, client) => {
    for (let time = 0; time < EACH; time++) {
      const headers = { 'x-request-id': `${client}-${time}`, 'user-agent': 'x'.repeat(1000) }
      await it.ask('GET', '/v2/a/tags/list', { headers })
      answered++
    }
  })
  let latest = -1
  while (latest !== answered) {
    latest = answered
    await pause(300)
  }
  t.ok(answered > 500 && answered < ASKED / 2, `${answered}`)
  const before = calls
  t.equal((await it.ask('GET', '/v2/')).statusCode, 200, 'what is not audited goes on')

  const reading = setInterval(read, 1)
  await Promise.all(answers)
  const ended = (): number => read().match(/status=error/g)?.length ?? 0
  for (let tries = 0; tries < 100 && ended() < ASKED; tries++) await pause(20)
  clearInterval(reading)
  t.ok(before > 0 && before < calls / 2, 'those that waited had done nothing')
  const states = new Map<string, string>()
  for (const line of audited(parseLines(read()))) {
    const id = `${line['http.request.id']}`
    states.set(id, `${states.get(id) ?? ''} ${line['openshift.request.status']}`)
  }
  t.equal(states.size, ASKED)
  t.strictSame([...new Set(states.values())], [' begin error'])
})

t.test('what leaves while it waits is forgotten, so that memory is bounded', async (t) => {
  const { logger, read } = stalled(t)
  const it = await berth(t, { logger, isAudited: true, accessLog: false })
  const port = await listen(it)
  let isReady = true
  while (isReady) {
    logger.audit('x'.repeat(900), {})
    isReady = logger.whenReady(() => {})?.() === undefined
  }
  const waiting = await openWire(port)
  await waiting.send('GET /v2/a/tags/list HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n')
  for (let times = 0; times < 50; times++) {
    const wire = await openWire(port)
    await wire.send('GET /v2/gone/tags/list HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n')
    await pause(2)
    wire.reset()
  }
  await pause(50)
  const answer = waiting.answer({ to: 'GET' })
  const reading = setInterval(read, 1)
  t.match(await answer, { status: 404 })
  for (let tries = 0; tries < 100 && !read().includes('uri=/v2/a/'); tries++) await pause(20)
  clearInterval(reading)
  t.ok(read().includes('uri=/v2/a/'))
  t.strictSame(read().match(/.*gone.*/g), null)
})
