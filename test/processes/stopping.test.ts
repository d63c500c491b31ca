import { setTimeout as pause } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { createClient } from '../integration/support/client.ts'
import { type RunningServer, startBerth } from '../integration/support/processes.ts'
import { processTree } from '../integration/support/vitals.ts'
import { openWire, type Wire } from '../integration/support/wire.ts'

async function start(t: Test, processes: number, drain: string, root?: string): Promise<RunningServer> {
  const env = { REGISTRY_HTTP_PROCESSES: String(processes), REGISTRY_HTTP_DRAINTIMEOUT: drain }
  const server = await startBerth({ env, ...(root !== undefined && { root }) })
  t.teardown(() => server.stop())
  return server
}

const workersOf = ({ pid }: RunningServer): number[] => processTree(pid).slice(1)

/** An upload whose client has sent half of a chunk, and stays. */
async function halfSent(server: RunningServer): Promise<{ wire: Wire; location: string }> {
  const client = createClient(server.url)
  const { headers } = await client.request('POST', '/v2/a/blobs/uploads/')
  client.close()
  const location = String(headers.location)
  const wire = await openWire(server.port)
  await wire.send(`PATCH ${location} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2000\r\n`)
  await wire.send(`Expect: 100-continue\r\n\r\n`)
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

t.test('a process that hangs does not keep the others from ending', async (t) => {
  const server = await start(t, 2, '0s')
  const [worker = 0] = workersOf(server)
  process.kill(worker, 'SIGSTOP')
  process.kill(server.pid, 'SIGTERM')
  await server.exited
  t.match(server.log(), /stopped\n$/)
})
