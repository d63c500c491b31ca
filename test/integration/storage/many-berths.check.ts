// Three berths on one bucket, in each kind of object store: an upload goes through all of them, each killed after its part;
// and 16 clients push one tag, of which every pull is whole at every moment.
// --seconds 60 for the long form; --store s3 for one of them; --seed N
import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { type Client, ConnectionLost, createClient, digestOf, type Reply } from '../support/client.ts'
import { type RunningServer, scratch, startBerth } from '../support/processes.ts'
import {
  createPusher,
  type Described,
  imageManifest,
  type Pusher,
  pieces,
  UnexpectedReply,
  uploadOf
} from '../support/pusher.ts'
import { type Random, seeded } from '../support/random.ts'
import { step } from '../support/steps.ts'
import { toEnvironment } from '../support/storage.ts'
import { STORES } from '../support/stores.ts'
import { createTagHistory } from '../support/tag-history.ts'
import { createVerdict, numberOption, textOption } from '../support/verdict.ts'

type Berths = [RunningServer, RunningServer, RunningServer]

const PUSHERS = 16
const PULLERS = 6
const IMAGE = 'many/image'
const TAG = `/v2/${IMAGE}/manifests/latest`
/** What is pushed with the tag is smaller than one of these, each as often. */
const SIZES = [100, 1000, 10_000, 100_000]
/** Three parts as berth stores them, and some. */
const UPLOAD_BYTES = 33_000_001

const seconds = numberOption('seconds', 4)
const seed = numberOption('seed', 1)
const only = textOption('store')
const verdict = createVerdict()

for (const [kind, start] of Object.entries(STORES)) {
  if (only !== undefined && only !== kind) continue
  const { storage, stop } = await start()
  Object.assign(process.env, toEnvironment(storage))
  const random = seeded(`${kind} ${seed}`)
  const root = scratch()
  const content = random.bytes(UPLOAD_BYTES)
  const killed = await startBerths(root, { REGISTRY_HTTP_PROCESSES: '1' })
  await step(`${kind}: an upload goes on at another berth when one was killed, and a third ends it`, () =>
    upload(killed, content)
  )
  for (const berth of killed) berth.kill('SIGKILL') // those that are left if that failed
  const berths = await startBerths(root)
  await step(`${kind}: a fourth has what they were given, byte for byte`, () =>
    pullUpload(berths[0], content)
  )
  await pushTag(kind, berths, random.branch('tag'))
  await Promise.all(berths.map((berth) => berth.stop()))
  await stop()
}

async function startBerths(root: string, more: Record<string, string> = {}): Promise<Berths> {
  const env = {
    REGISTRY_STORAGE_REDIRECT_DISABLE: 'true',
    REGISTRY_LOG_ACCESSLOG_DISABLED: 'true',
    ...more
  }
  const start = (): Promise<RunningServer> => startBerth({ root, env })
  return Promise.all([start(), start(), start()])
}

/** Each is killed as soon as it has answered, the second in the middle of one more request. */
async function upload([first, second, third]: Berths, content: Buffer): Promise<void> {
  const upload = uploadOf(IMAGE, content)
  await untilKilled(first, async (pusher) => {
    await pusher.open(upload)
    await pusher.append(upload, 9_000_000)
  })
  await untilKilled(second, async (pusher, client) => {
    await pusher.append(upload, 18_000_001)
    const { location = '', acknowledged } = upload
    async function* body(): AsyncGenerator<Uint8Array> {
      yield* pieces(content.subarray(acknowledged, acknowledged + 12_000_000), 64 * 1024)
      second.kill('SIGKILL')
      await second.exited
    }
    await rejects(client.request('PATCH', location, { body: body() }), ConnectionLost)
  })
  await untilKilled(third, async (pusher) => {
    const progress = (await pusher.progress(upload)) ?? 0
    ok(
      progress >= upload.acknowledged,
      `of ${upload.acknowledged} bytes that were stored ${progress} are left`
    )
    upload.acknowledged = progress
    await pusher.finish(upload)
  })
}

async function untilKilled(
  berth: RunningServer,
  part: (pusher: Pusher, client: Client) => Promise<void>
): Promise<void> {
  const client = createClient(berth.url)
  await part(createPusher(client), client)
  berth.kill('SIGKILL')
  await berth.exited
  client.close()
}

async function pullUpload(berth: RunningServer, content: Buffer): Promise<void> {
  const client = createClient(berth.url)
  const { body } = await get(client, `/v2/${IMAGE}/blobs/${digestOf(content)}`)
  ok(body.equals(content))
  client.close()
}

async function pushTag(kind: string, berths: Berths, random: Random): Promise<void> {
  const clients = berths.map(({ url }) => createClient(url))
  const history = createTagHistory()
  const faults: { push: string[]; pull: string[] } = { push: [], pull: [] }
  const images = new Set<string>()
  let pushes = 0
  let pulls = 0

  async function push(random: Random): Promise<void> {
    const pusher = createPusher(anyOf(clients, random))
    const config = await pushBlob(pusher, random)
    const layers = [await pushBlob(pusher, random), await pushBlob(pusher, random)]
    const manifest = imageManifest(config, layers, random.bytes(16).toString('hex'))
    history.pushing(digestOf(manifest))
    await pusher.manifest(IMAGE, 'latest', manifest)
    history.pushed(digestOf(manifest))
    pushes += 1
  }

  async function pull(client: Client): Promise<string> {
    const judge = history.pulling()
    const { body, headers } = await get(client, TAG)
    const digest = digestOf(body)
    const fault = judge(digest)
    if (fault !== undefined) throw new Error(fault)
    equal(headers['docker-content-digest'], digest)
    ok((await get(client, `/v2/${IMAGE}/manifests/${digest}`)).body.equals(body))
    const { config, layers }: { config: Described; layers: Described[] } = JSON.parse(body.toString())
    for (const { digest, size } of [config, ...layers]) {
      const blob = (await get(client, `/v2/${IMAGE}/blobs/${digest}`)).body
      deepEqual({ digest: digestOf(blob), size: blob.length }, { digest, size })
    }
    images.add(digest)
    pulls += 1
    return digest
  }

  await push(random) // so that nobody looks for a tag that is not there yet
  const deadline = performance.now() + seconds * 1000
  async function again(what: keyof typeof faults, work: () => Promise<unknown>): Promise<void> {
    while (performance.now() < deadline) {
      await work().catch((error: unknown) => faults[what].push(String(error)))
    }
  }
  const pushing = Array.from({ length: PUSHERS }, (_, id) => random.branch(`push ${id}`))
  const pulling = Array.from({ length: PULLERS }, (_, id) => random.branch(`pull ${id}`))
  await Promise.all([
    ...pushing.map((random) => again('push', () => push(random))),
    ...pulling.map((random) => again('pull', () => pull(anyOf(clients, random))))
  ])
  verdict.check(
    faults.push.length === 0,
    `${kind}: ${PUSHERS} clients push one tag to ${berths.length} berths for ${seconds} s`,
    faults.push
  )
  verdict.check(
    faults.pull.length === 0 && images.size > 1,
    `${kind}: each pull of it gets all of an image, and none that was replaced before`,
    faults.pull
  )
  verdict.note(`${pushes} pushes, ${pulls} pulls of ${images.size} images`)
  await step(`${kind}: in the end all berths give the same image, one of the last`, async () => {
    equal(new Set(await Promise.all(clients.map(pull))).size, 1)
  })
  const warnings = berths.flatMap(({ log }) => log().match(/^.* level=(warn|error|fatal) .*$/gm) ?? [])
  verdict.check(warnings.length === 0, `${kind}: the berths logged no warning and no error`, warnings)
  for (const client of clients) client.close()
}

/** In one of the ways that clients have. */
async function pushBlob(pusher: Pusher, random: Random): Promise<Described> {
  const content = random.bytes(random.between(10, random.pick(SIZES)))
  const upload = uploadOf(IMAGE, content)
  const way = random.below(3)
  if (way === 0) {
    await pusher.post(IMAGE, content)
  } else {
    await pusher.open(upload)
    if (way === 1) await pusher.append(upload, random.between(1, content.length))
    await pusher.finish(upload)
  }
  return { digest: upload.digest, size: content.length }
}

/** Sends each request to one of them. */
function anyOf(clients: readonly Client[], random: Random): Client {
  return {
    request: (...args) => random.pick(clients).request(...args),
    pull: (...args) => random.pick(clients).pull(...args),
    close: () => {}
  }
}

async function get(client: Client, path: string): Promise<Reply> {
  const reply = await client.request('GET', path)
  if (reply.status !== 200) throw new UnexpectedReply(`GET ${path}`, reply)
  return reply
}
