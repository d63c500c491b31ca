import { once } from 'node:events'
import { type AddressInfo, connect } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { createRecorder, type Recorder } from '../../../src/operations/metrics/recorder.ts'
import { createMetrics } from '../../../src/operations/metrics/registry.ts'
import { type Berth, berth, digestOf, NOWHERE } from '../../http/support.ts'
import { samples } from './samples.ts'

const MANIFEST = JSON.stringify({
  schemaVersion: 2,
  mediaType: 'application/vnd.oci.image.index.v1+json',
  manifests: []
})
const INDEX = 'application/vnd.oci.image.index.v1+json'

interface Counted extends Berth {
  recorder: Recorder
  read(): Promise<Map<string, number>>
}

async function counted(t: Test): Promise<Counted> {
  const recorder = createRecorder()
  const metrics = createMetrics({ version: '0.0.0' })
  const source = {}
  const server = await berth(t, {
    metrics: { recorder, secret: 'sesame', text: async () => metrics.text() }
  })
  return {
    ...server,
    recorder,
    async read() {
      await turn()
      const batch = recorder.take()
      if (batch !== undefined) metrics.add(source, batch)
      return samples(await metrics.text())
    }
  }
}

const of = (seen: Map<string, number>, operation: string): number =>
  seen.get(`imageregistry_request_duration_seconds_count{operation="${operation}"}`) ?? 0

t.test('each thing that is done to a repository has the name that recording rules ask for', async (t) => {
  const it = await counted(t)
  const digest = digestOf('a layer')
  const push = { headers: { 'content-type': INDEX }, body: MANIFEST }
  const opened = await it.ask('POST', '/v2/a/b/blobs/uploads/')
  const { location } = opened.headers
  await it.ask('PATCH', `${location}`, { body: 'a layer' })
  await it.ask('PUT', `${location}?digest=${digest}`)
  const other = await it.ask('POST', '/v2/a/b/blobs/uploads/')
  await it.ask('DELETE', `${other.headers.location}`)
  await it.ask('POST', `/v2/a/b/blobs/uploads/?digest=${digest}`, { body: 'a layer' })
  await it.ask('POST', `/v2/a/c/blobs/uploads/?mount=${digest}&from=a/b`)
  await it.ask('GET', `/v2/a/b/blobs/${digest}`)
  await it.ask('GET', `/v2/a/b/blobs/${NOWHERE}`)
  await it.ask('PUT', '/v2/a/b/manifests/v1', push)
  await it.ask('GET', '/v2/a/b/manifests/v1')
  await it.ask('HEAD', '/v2/a/b/manifests/v1')
  await it.ask('GET', '/v2/a/b/tags/list')
  await it.ask('DELETE', '/v2/a/b/manifests/v1')
  await it.ask('DELETE', `/v2/a/b/manifests/${digestOf(MANIFEST)}`)
  await it.ask('DELETE', `/v2/a/b/blobs/${digest}`)
  await it.ask('GET', `/v2/a/b/referrers/${digest}`)
  const seen = await it.read()
  const expected = {
    'BlobStore.Create': 4,
    'BlobStore.Resume': 1,
    'BlobWriter.Commit': 1,
    'BlobWriter.Cancel': 1,
    'BlobStore.ServeBlob': 2,
    'BlobStore.Delete': 1,
    'ManifestService.Put': 1,
    'ManifestService.Get': 2,
    'ManifestService.Delete': 1,
    'TagService.All': 1,
    'TagService.Untag': 1
  }
  for (const [operation, count] of Object.entries(expected)) t.equal(of(seen, operation), count, operation)
  for (const event of ['committed', 'cancelled', 'whole', 'mounted']) {
    t.equal(seen.get(`berth_uploads_total{event="${event}"}`), 1, event)
  }
  t.equal(seen.get('berth_uploads_total{event="started"}'), 2)
  t.equal(seen.get('imageregistry_http_requests_total{code="404",method="get"}'), 1)
  t.equal(seen.get('imageregistry_http_request_size_bytes_sum'), 2 * 'a layer'.length + MANIFEST.length)
  t.equal(seen.get('imageregistry_http_in_flight_requests'), 0)
  t.equal(seen.get('berth_uploads_receiving'), 0)
})

t.test('what is refused is no operation', async (t) => {
  const it = await counted(t)
  await it.ask('GET', '/v2/a/b/manifests/v1', { headers: { origin: 'http://evil.example' } })
  await it.ask('POST', '/v2/a/b/manifests/v1')
  const seen = await it.read()
  t.equal(of(seen, 'ManifestService.Get'), 0)
  t.equal(seen.get('imageregistry_http_requests_total{code="403",method="get"}'), 1)
  t.equal(seen.get('imageregistry_http_requests_total{code="405",method="post"}'), 1)
})

t.test('clients cannot make up labels', async (t) => {
  const it = await counted(t)
  const names = async () => new Set((await it.read()).keys())
  for (const method of ['PROPFIND', 'TRACE', 'SEARCH']) await it.ask(method, '/')
  await it.ask('GET', '/no/such/path')
  const before = await names()
  for (const method of ['MKCOL', 'LOCK', 'COPY', 'MKCALENDAR']) await it.ask(method, '/')
  for (let i = 0; i < 20; i++)
    await it.ask('GET', `/no/such/path/${i}?a=${i}`, { headers: { 'user-agent': `${i}` } })
  t.same(await names(), before)
})

t.test('bytes are counted as they go, and of pipelined requests none stays in flight', async (t) => {
  const it = await counted(t)
  const digest = digestOf('x'.repeat(100_000))
  await it.ask('POST', `/v2/a/b/blobs/uploads/?digest=${digest}`, { body: 'x'.repeat(100_000) })
  await it.app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = it.app.server.address() as AddressInfo
  const socket = connect(port, '127.0.0.1')
  const get = `GET /v2/a/b/blobs/${digest} HTTP/1.1\r\nhost: localhost\r\n\r\n`
  socket.write(get.repeat(3))
  await once(socket, 'data')
  socket.destroy()
  let seen = await it.read()
  while (seen.get('berth_network_connections') !== 0) seen = await it.read()
  t.ok(seen.get('berth_network_received_bytes_total')! >= get.length)
  t.ok(seen.get('berth_network_sent_bytes_total')! > 1000)
  while (seen.get('imageregistry_http_in_flight_requests') !== 0) seen = await it.read()
})

t.test('the page of metrics is shown to whoever has the secret, and to nobody else', async (t) => {
  const it = await counted(t)
  const path = '/extensions/v2/metrics'
  const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`
  for (const authorization of ['Bearer sesame', basic('anyone:sesame'), 'bearer  sesame']) {
    const answer = await it.ask('GET', path, { headers: { authorization } })
    t.equal(answer.statusCode, 200, authorization)
    t.equal(answer.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8')
    t.match(answer.body, /^# TYPE imageregistry_http_requests_total counter$/m)
  }
  for (const authorization of [
    'Bearer sesam',
    'Bearer sesame2',
    basic('sesame:'),
    basic('sesame:x'),
    'Bearer',
    'Digest sesame'
  ]) {
    const answer = await it.ask('GET', path, { headers: { authorization } })
    t.equal(answer.statusCode, 401, authorization)
    t.equal(answer.headers['www-authenticate'], 'Basic realm="metrics"')
    t.notMatch(answer.body, /imageregistry|sesame/)
  }
  t.equal((await it.ask('GET', path)).statusCode, 401)
  t.equal((await it.ask('POST', path, { headers: { authorization: 'Bearer sesame' } })).statusCode, 405)
})

t.test('metrics are shown while the storage does not answer', async (t) => {
  const metrics = { recorder: createRecorder(), secret: 'sesame', text: async () => 'metrics\n' }
  const { ask } = await berth(t, { metrics, trouble: () => 'the disk is gone' })
  const headers = { authorization: 'Bearer sesame' }
  t.equal((await ask('GET', '/extensions/v2/metrics', { headers })).statusCode, 200)
  t.equal((await ask('GET', '/v2/a/b/manifests/v1')).statusCode, 503)
})

t.test('without metrics there is no such page', async (t) => {
  const { ask } = await berth(t)
  t.equal((await ask('GET', '/extensions/v2/metrics')).statusCode, 404)
})

t.test('an unreadable path is counted', async (t) => {
  const it = await counted(t)
  await it.ask('GET', '/v2/%zz')
  t.equal((await it.read()).get('imageregistry_http_requests_total{code="400",method="get"}'), 1)
})
