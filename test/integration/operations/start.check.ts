// How long berth takes from its start to its first answer, over a folder with many repositories. It is printed, not judged.
// --repositories N, --times N
import { createClient, digestOf } from '../support/client.ts'
import { scratch, startBerth } from '../support/processes.ts'
import { createPusher, imageManifest } from '../support/pusher.ts'
import { seeded } from '../support/random.ts'
import { createVerdict, numberOption } from '../support/verdict.ts'

const PUSHERS = 16

const repositories = numberOption('repositories', 1000)
const times = numberOption('times', 3)
const verdict = createVerdict()
const random = seeded('start')
const root = scratch()

await fill()
for (const processes of ['1', '2']) await measure(processes)

async function fill(): Promise<void> {
  const server = await startBerth({ root })
  const client = createClient(server.url)
  const pusher = createPusher(client)
  const names = Array.from({ length: repositories }, (_, index) => `start/repository${index}`).values()
  const push = async (): Promise<void> => {
    for (const name of names) {
      const content = random.bytes(100)
      const image = imageManifest({ digest: digestOf(content), size: content.length }, [])
      await pusher.post(name, content)
      await pusher.manifest(name, 'latest', image)
    }
  }
  await Promise.all(Array.from({ length: PUSHERS }, push))
  client.close()
  await server.stop()
}

async function measure(processes: string): Promise<void> {
  const taken: number[] = []
  for (let time = 0; time < times; time += 1) {
    const server = await startBerth({ root, env: { REGISTRY_HTTP_PROCESSES: processes } })
    taken.push(Math.round(server.startMs))
    const client = createClient(server.url)
    const { status } = await client.request('GET', '/v2/start/repository0/manifests/latest')
    verdict.must(status === 200, 'what was pushed before the start is there', status)
    client.close()
    await server.stop()
  }
  const [least, median] = [Math.min(...taken), taken.sort((a, b) => a - b)[Math.floor(times / 2)]]
  verdict.check(
    taken.length === times && verdict.failures() === 0,
    `${repositories} repositories, ${processes === '1' ? '1 process' : `${processes} processes`}: the first answer comes ${median} ms after the start (at best ${least} ms)`
  )
}
