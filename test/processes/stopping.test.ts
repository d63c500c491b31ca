import { setTimeout as pause } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { createClient, digestOf } from '../integration/support/client.ts'
import { type RunningServer, startBerth } from '../integration/support/processes.ts'
import { processTree } from '../integration/support/vitals.ts'
import { openWire, type Wire } from '../integration/support/wire.ts'
import { type Line, parseLine } from '../operations/logs/support.ts'
import { startFakeGcs } from '../storage/gcs/fake-gcs.ts'

async function start(
  t: Test,
  processes: number,
  drain: string,
  root?: string,
  more: Record<string, string> = {}
): Promise<RunningServer> {
  const env = { REGISTRY_HTTP_PROCESSES: String(processes), REGISTRY_HTTP_DRAINTIMEOUT: drain, ...more }
  const server = await startBerth({ env, ...(root !== undefined && { root }) })
  t.teardown(() => server.stop())
  return server
}

const workersOf = ({ pid }: RunningServer): number[] => processTree(pid).slice(1)

/** An upload whose client has sent half of a chunk, and stays. */
async function halfSent(server: RunningServer, header = ''): Promise<{ wire: Wire; location: string }> {
  const client = createClient(server.url)
  const { headers } = await client.request('POST', '/v2/a/blobs/uploads/')
  client.close()
  const location = String(headers.location)
  const wire = await openWire(server.port)
  await wire.send(`PATCH ${location} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2000\r\n`)
  await wire.send(`${header}Expect: 100-continue\r\n\r\n`)
  await wire.answer()
  await wire.send(Buffer.alloc(1000))
  // Until it has been read: nothing but the end shows that.
  await pause(300)
  return { wire, location }
}

t.test('without time to drain, what is open is cut at once, and an upload keeps what has come', async (t) => {
  for (const processes of [1, 2]) {
    const server = await start(t, processes, '0s')
    const { wire, location } = await halfSent(server)
    process.kill(server.pid, 'SIGTERM')
    await server.exited
    wire.close()
    t.match(server.log(), /SIGTERM: .* open requests get 0 s/)
    t.match(server.log(), / are cut; .*stopped/s)
    const again = await start(t, 1, '0s', server.root)
    const client = createClient(again.url)
    const { headers } = await client.request('GET', location)
    client.close()
    t.equal(headers.range, '0-999')
  }
})

t.test('with time to drain, what is open comes to its end', async (t) => {
  for (const processes of [1, 2]) {
    const server = await start(t, processes, '1h')
    const { wire } = await halfSent(server)
    process.kill(server.pid, 'SIGTERM')
    await wire.send(Buffer.alloc(1000))
    t.match(await wire.answer(), { status: 202 })
    await server.exited
    t.match(server.log(), /open requests get 3600 s.*stopped/s)
    t.notMatch(server.log(), /are cut/)
    wire.close()
  }
})

t.test('with time to drain, what a push has left in a bucket is removed first', async (t) => {
  for (const processes of [1, 2]) {
    const fake = await startFakeGcs()
    t.teardown(() => fake.close())
    const server = await start(t, processes, '1h', undefined, {
      STORAGE_EMULATOR_HOST: fake.url,
      REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: '',
      REGISTRY_STORAGE: 'gcs',
      REGISTRY_STORAGE_GCS_BUCKET: fake.bucket
    })
    const removing = Promise.withResolvers<void>()
    const stopping = Promise.withResolvers<void>()
    fake.pause = async () => {
      if (fake.requests.at(-1)?.method !== 'DELETE') return
      removing.resolve()
      await stopping.promise
    }
    const client = createClient(server.url)
    const { headers } = await client.request('POST', '/v2/a/blobs/uploads/')
    const bytes = Buffer.from('a layer')
    const location = `${headers.location}?digest=${digestOf(bytes)}`
    const { status } = await client.request('PUT', location, { body: bytes })
    t.equal(status, 201)
    client.close()
    await removing.promise
    const left = () => [...fake.objects.keys()].filter((name) => name.startsWith('@'))
    t.ok(left().length > 0)
    process.kill(server.pid, 'SIGTERM')
    // Who does not wait, or for what is cut only, has ended by then.
    await pause(1500)
    stopping.resolve()
    await server.exited
    t.same(left(), [])
    t.match(server.log(), /stopped\n$/)
  }
})

t.test('a process that hangs does not keep the others from ending', async (t) => {
  const server = await start(t, 2, '0s')
  const [worker = 0] = workersOf(server)
  process.kill(worker, 'SIGSTOP')
  process.kill(server.pid, 'SIGTERM')
  await server.exited
  t.match(server.log(), /stopped\n$/)
})

t.test('of requests that are cut the log tells how they ended, and that it was berth', async (t) => {
  const AUDITED = { REGISTRY_OPENSHIFT_AUDIT_ENABLED: 'true' }
  for (const processes of [1, 2]) {
    const server = await start(t, processes, '0s', undefined, AUDITED)
    const bytes = Buffer.alloc(32 * 1024 * 1024)
    const client = createClient(server.url)
    const target = `/v2/a/blobs/uploads/?digest=${digestOf(bytes)}`
    const { status } = await client.request('POST', target, { body: bytes })
    t.equal(status, 201)
    client.close()
    const reader = await openWire(server.port)
    reader.pause()
    await reader.send(
      `GET /v2/a/blobs/${digestOf(bytes)} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Request-Id: download\r\n\r\n`
    )
    const { wire } = await halfSent(server, 'X-Request-Id: upload\r\n')
    process.kill(server.pid, 'SIGTERM')
    await server.exited
    reader.close()
    wire.close()
    const lines = server.log().trim().split('\n').map(parseLine)
    const of = (id: string): Line[] => lines.filter((line) => line['http.request.id'] === id)
    for (const id of ['upload', 'download']) {
      const audits = of(id).filter((line) => line['openshift.logger'] === 'audit')
      t.strictSame(
        audits.map((line) => line['openshift.request.status']),
        ['begin', 'error'],
        `${id} with ${processes}`
      )
      t.match(audits[1]?.['openshift.request.error'], 'UNAVAILABLE: berth stopped')
      const [line, ...others] = of(id).filter(({ msg }) => msg === 'response')
      t.same(others, [])
      t.match(line, {
        'http.response.status': id === 'upload' ? '503' : '200',
        'http.response.aborted': 'true',
        'err.code': 'UNAVAILABLE',
        'err.message': 'berth stopped before the request was over'
      })
    }
    t.match(lines.at(-1), { msg: 'stopped' })
  }
})
