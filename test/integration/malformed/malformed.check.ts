// Feeds the registry with requests that are wrong or odd, over raw sockets, and looks at how it bears them.
// --count N (1000000 takes half an hour), --seed N; --only INDEX for one request again; --verbose for what each production
// was answered.
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient, digestOf } from '../support/client.ts'
import { errorShapeFault } from '../support/error-shape.ts'
import { inspectOption, liveMemory } from '../support/inspector.ts'
import { startBerth } from '../support/processes.ts'
import { createPusher, imageManifest, uploadOf } from '../support/pusher.ts'
import { seeded } from '../support/random.ts'
import { testStorage } from '../support/storage.ts'
import {
  createVerdict,
  eventually,
  flagOption,
  numberOption,
  textOption,
  within
} from '../support/verdict.ts'
import { mebibytes, memoryOf, openHandles, processTree } from '../support/vitals.ts'
import { type Answer, openWire, type Wire } from '../support/wire.ts'
import { CONNECTIONS } from './connections.ts'
import { FRAMING } from './framing.ts'
import { GRAMMAR } from './grammar.ts'
import { HEADERS } from './headers.ts'
import { MANIFESTS } from './manifests.ts'
import type { Known, Malformed, Production } from './production.ts'
import { QUERIES } from './queries.ts'
import { rootInBucket, rootInFolder } from './stored.ts'
import { TARGETS } from './targets.ts'

/** Many of them only wait: for the server to give up a body that never comes, say. */
const CLIENTS = 32
/** In MiB, for each process: garbage that need not be collected yet is not to be taken for what is lost. */
const HEAP = 128
/** A long run says how far it is, each so many requests. */
const PROGRESS = 50_000
/** How much a process's memory may differ from one look to the next: the collector runs when it likes. */
const SLACK = 32 * 2 ** 20
/** And how much of it may be in use for longer: some for what the engine compiles, and some for each request, until caches
 *  are full. Those fill up with uploads that nobody ends: 10,000 of them are remembered. */
const LIVE_SLACK = { least: 4 * 2 ** 20, each: 1024, most: 16 * 2 ** 20 }
/** How many quarters more are fed while memory still grows: it does so in steps, up to some height. */
const PATIENCE = 6
const LIMIT_MS = 20_000
const PRODUCTIONS: readonly Production[] = [
  TARGETS,
  GRAMMAR,
  QUERIES,
  HEADERS,
  FRAMING,
  CONNECTIONS,
  MANIFESTS
].flat()

const count = numberOption('count', 10_000)
const seed = numberOption('seed', 1)
const only = textOption('only')
const random = seeded(`malformed ${seed}`)
const verdict = createVerdict()

const { root, checkStored } = testStorage() === undefined ? rootInFolder() : await rootInBucket()
const inspect = await inspectOption()
const flags = ['--max-semi-space-size=4', `--max-old-space-size=${HEAP}`, inspect]
const server = await startBerth({ root, command: [process.execPath, ...flags, 'src/main.ts'] })
/** Where its processes can be inspected. All that it logs later may be more than one text can hold. */
const inspectors = server.log()
const client = createClient(server.url)
const pusher = createPusher(client)
const HEALTHY = 'fuzz/healthy'
const known = await pushKnown('fuzz/known')
const answered = new Map<string, Map<number | string, number>>()

verdict.note(`seed ${seed}, ${count} requests of ${PRODUCTIONS.length} productions`)
if (only !== undefined) {
  await judge(Number(only))
} else {
  const quarter = Math.ceil(count / 4)
  await feed(0, 2 * quarter)
  const before = await settled()
  await checkMemory(before, quarter)
  await checkHandles(before.handles)
}
await checkHealth()
client.close()
await server.stop()
await checkStored(verdict, [known.name, HEALTHY])
report()

/** A few at a time; each request is decided by the seed and its index alone. */
async function feed(from: number, to: number): Promise<void> {
  let next = from
  let since = performance.now()
  await Promise.all(
    Array.from({ length: CLIENTS }, async () => {
      while (next < to) {
        const index = next++
        await judge(index)
        if ((index + 1) % PROGRESS !== 0) continue
        const rate = Math.round(PROGRESS / ((performance.now() - since) / 1000))
        since = performance.now()
        verdict.note(`${index + 1}, ${rate} per second, ${mebibytes(memoryOf(server.pid).anonymous)}`)
      }
    })
  )
}

async function judge(index: number): Promise<void> {
  const production = PRODUCTIONS[index % PRODUCTIONS.length]
  if (production === undefined) return
  const { title } = production
  try {
    const malformed = await production.make(random.branch(index), known)
    const wire = await openWire(server.port)
    try {
      const fault = await within(2 * LIMIT_MS, title, exchange(wire, malformed, production))
      verdict.must(fault === undefined, title, { again: `--only ${index}`, fault })
    } finally {
      wire.close()
    }
    const fault = await malformed.afterwards?.()
    verdict.must(fault === undefined, `${title}, afterwards`, { again: `--only ${index}`, fault })
  } catch (error) {
    verdict.must(false, title, { again: `--only ${index}`, error })
  }
}

/** Sends the request and judges what comes; gives what is wrong. */
async function exchange(wire: Wire, malformed: Malformed, production: Production): Promise<unknown> {
  const { bytes, method = 'GET', before = 0, ending = 'stay' } = malformed
  await wire.send(bytes)
  if (ending === 'half-close') wire.halfClose()
  if (ending === 'reset') return wire.reset()
  let answer = await wire.answer({ to: method, limitMs: LIMIT_MS })
  for (let good = 0; good < before; good += 1) {
    if (typeof answer === 'string' || answer.status !== 200) break
    answer = await wire.answer({ to: method, limitMs: LIMIT_MS })
  }
  tally(production, typeof answer === 'string' ? answer : answer.status)
  if (answer === 'silent') return 'neither an answer nor an end of the connection'
  if (typeof answer === 'string') return production.mayEnd ? undefined : `the connection ended: ${answer}`
  const fault = judgeAnswer(answer, method, production)
  if (fault !== undefined) return { fault, status: answer.status, body: answer.body.toString().slice(0, 300) }
  return judgeConnection(wire, answer, ending)
}

function judgeAnswer(
  answer: Answer,
  method: string,
  { expected, bare = false, mayEnd = false }: Production
): string | undefined {
  if (!answer.complete) return mayEnd ? undefined : 'the body is shorter than stated'
  if (!expected.includes(answer.status)) return `${answer.status} is none of ${expected.join(', ')}`
  if (answer.status < 400 || method === 'HEAD' || (bare && answer.body.length === 0)) return undefined
  return errorShapeFault(answer)
}

/** Afterwards the connection is closed, or as good as new. */
async function judgeConnection(wire: Wire, answer: Answer, ending: string): Promise<string | undefined> {
  if (ending !== 'stay' || answer.headers.connection === 'close') {
    if ((await wire.ending(LIMIT_MS)) === 'silent') return 'the connection stays open'
    const more = await wire.answer({ limitMs: 0 })
    return typeof more === 'string' ? undefined : `one answer too many: ${more.status}`
  }
  await wire.send('GET /v2/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')
  const next = await wire.answer({ limitMs: LIMIT_MS })
  if (next === 'silent') return 'the connection stays open and answers no more'
  if (typeof next === 'string') return `the connection ${next}, though the answer did not say so`
  if (next.status === 200) return undefined
  return `a good request on the same connection is answered with ${next.status}`
}

async function pushKnown(name: string): Promise<Known> {
  const content = random.branch('blob').bytes(5000)
  const blob = await pusher.blob(name, content)
  const described = { digest: blob, size: content.length }
  const manifest = await pusher.manifest(name, 'known', imageManifest(described, [described]))
  return {
    client,
    name,
    tag: 'known',
    manifest,
    blob,
    blobSize: content.length,
    async openUpload() {
      const upload = uploadOf(name, content)
      await pusher.open(upload)
      if (upload.location === undefined) throw new Error('no upload')
      return upload.location
    }
  }
}

interface Vitals {
  anonymous: number
  /** What is still held once all garbage is gone. */
  live: number
  handles: number
}

/** How it is with the server once it is quiet. */
async function settled(): Promise<Vitals> {
  client.close()
  await sleep(3000)
  const [{ anonymous }, handles] = [memoryOf(server.pid), openHandles(server.pid).length]
  let live = 0
  for (const pid of processTree(server.pid)) live += await liveMemory(inspectors, pid)
  return { anonymous, live, handles }
}

/** What is lost at each request makes any two quarters end higher than they began; what the collector finds to be in use is
 *  at the end as at the beginning. */
async function checkMemory(first: Vitals, quarter: number): Promise<void> {
  const seen = [first.anonymous]
  const live = [first.live]
  const grown = (): number => (seen.at(-1) ?? 0) - (seen.at(-3) ?? 0)
  const processes = Math.max(1, processTree(server.pid).length - 1)
  const slack = SLACK * processes
  for (let quarters = 2; quarters < 4 + PATIENCE && (seen.length < 3 || grown() >= slack); quarters += 1) {
    await feed(quarters * quarter, (quarters + 1) * quarter)
    const now = await settled()
    seen.push(now.anonymous)
    live.push(now.live)
  }
  verdict.note(`memory, each ${quarter} requests: ${seen.map(mebibytes).join(', ')}`)
  verdict.note(`in use of it: ${live.map(mebibytes).join(', ')}`)
  verdict.check(grown() < slack, 'memory does not grow for ever')
  const kept = (live.at(-1) ?? 0) - first.live
  const { least, each, most } = LIVE_SLACK
  const mayKeep = Math.min(most * processes, least * processes + each * (live.length - 1) * quarter)
  verdict.check(kept < mayKeep, 'memory in use is back to where it was', mebibytes(kept))
}

async function checkHandles(before: number): Promise<void> {
  // Connections to an object store are kept for the next call, for up to a minute.
  await eventually(
    () => openHandles(server.pid).length <= before,
    testStorage() === undefined ? 15_000 : 90_000
  )
  const now = openHandles(server.pid)
  verdict.check(now.length <= before, `open handles are back to ${before}`, now)
}

async function checkHealth(): Promise<void> {
  try {
    const health = await client.request('GET', '/healthz')
    verdict.check(health.status === 200, 'the server is alive', health.status)
  } catch (error) {
    verdict.check(false, 'the server is alive', `${error}; its log ends with ${server.log().slice(-2000)}`)
    process.exit(1)
  }
  const content = random.branch('health').bytes(100_000)
  const digest = await pusher.blob(HEALTHY, content)
  const described = { digest, size: content.length }
  await pusher.manifest(HEALTHY, 'latest', imageManifest(described, [described]))
  const pulled = await client.pull(`/v2/${HEALTHY}/blobs/${digest}`)
  verdict.check(pulled.digest === digestOf(content), 'a good push and pull work')
}

function tally({ title }: Production, outcome: number | string): void {
  const outcomes = answered.get(title) ?? new Map<number | string, number>()
  answered.set(title, outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1))
}

function report(): void {
  const totals = new Map<number | string, number>()
  for (const [title, outcomes] of answered) {
    const parts = [...outcomes].map(([outcome, times]) => `${outcome} ×${times}`)
    if (flagOption('verbose')) verdict.note(`${title}: ${parts.join(', ')}`)
    for (const [outcome, times] of outcomes) totals.set(outcome, (totals.get(outcome) ?? 0) + times)
  }
  verdict.note([...totals].map(([outcome, times]) => `${outcome} ×${times}`).join(', '))
  verdict.check(verdict.failures() === 0, `every malformed request was borne (${verdict.failures()} not)`)
}
