// A new image on every node of a cluster: hundreds of clients pull the same tag at once, right after a start.
// --clients N, --layer-bytes N for other sizes.
import { createHash } from 'node:crypto'
import { type Client, createClient } from '../support/client.ts'
import { scratch, startBerth } from '../support/processes.ts'
import { createPusher, imageManifest } from '../support/pusher.ts'
import { seeded } from '../support/random.ts'
import { createVerdict, eventually, numberOption } from '../support/verdict.ts'
import { mebibytes, memoryOf, openHandles, processTree } from '../support/vitals.ts'

const LAYERS = 30
/** As many as docker pulls of one image at a time. */
const AT_ONCE = 3
/** Of 1,500 transfers at once, each with what its process holds for it, and of each process by itself: mostly what
 *  V8 has not collected yet, which on a busy machine is twice what it is on a quiet one. */
const FOR_TRANSFERS = 128 * 2 ** 20
const FOR_A_PROCESS = 128 * 2 ** 20

const clients = numberOption('clients', 500)
const layerBytes = numberOption('layer-bytes', 64 * 1024)
const verdict = createVerdict()
const random = seeded('storm')
const root = scratch()

const digest = await push()
const server = await startBerth({ root })
const handles = openHandles(server.pid).length
const most = FOR_TRANSFERS + FOR_A_PROCESS * Math.max(1, processTree(server.pid).length - 1)
let peak = 0
const sampler = setInterval(() => {
  peak = Math.max(peak, memoryOf(server.pid).proportional)
}, 100)

const statuses = new Map<number | string, number>()
const failures: unknown[] = []
const since = performance.now()
await Promise.all(Array.from({ length: clients }, pullImage))
verdict.note(`${clients} clients in ${((performance.now() - since) / 1000).toFixed(1)} s`)
clearInterval(sampler)

const asked = clients * (LAYERS + 2)
verdict.check(failures.length === 0, `${clients} clients pull ${LAYERS} layers each, byte for byte`, failures)
verdict.check(statuses.get(200) === asked, `all ${asked} requests are answered 200`, statuses)
verdict.check(peak < most, `memory reaches ${mebibytes(peak)}, less than ${mebibytes(most)}`)
verdict.check(
  await eventually(() => openHandles(server.pid).length <= handles + 5),
  'all handles are closed afterwards',
  openHandles(server.pid)
)
verdict.check(!/ level=(warn|error|fatal) /.test(server.log()), 'the registry logged no warning and no error')
await server.stop()

/** By another process, so that the one under test has seen nothing of it. */
async function push(): Promise<string> {
  const pushed = await startBerth({ root })
  const client = createClient(pushed.url)
  const pusher = createPusher(client)
  const parts: { digest: string; size: number }[] = []
  for (let part = 0; part <= LAYERS; part += 1) {
    const content = random.bytes(layerBytes + part)
    parts.push({ digest: await pusher.blob('storm/image', content), size: content.length })
  }
  const [config = { digest: '', size: 0 }, ...layers] = parts
  const manifest = await pusher.manifest('storm/image', 'latest', imageManifest(config, layers))
  client.close()
  await pushed.stop()
  return manifest
}

async function pullImage(): Promise<void> {
  const client = createClient(server.url)
  try {
    const { body } = await get(client, '/v2/storm/image/manifests/latest', digest)
    const { config, layers }: { config: { digest: string }; layers: { digest: string }[] } = JSON.parse(
      body.toString()
    )
    const parts = [config, ...layers].values()
    const lane = async (): Promise<void> => {
      for (const part of parts) await get(client, `/v2/storm/image/blobs/${part.digest}`, part.digest)
    }
    await Promise.all(Array.from({ length: AT_ONCE }, lane))
  } catch (error) {
    failures.push(error)
  } finally {
    client.close()
  }
}

async function get(client: Client, path: string, expected: string) {
  const reply = await client.request('GET', path)
  statuses.set(reply.status, (statuses.get(reply.status) ?? 0) + 1)
  const got = `sha256:${createHash('sha256').update(reply.body).digest('hex')}`
  if (got !== expected) throw new Error(`${path}: ${reply.status}, ${got}`)
  return reply
}
