// A worker is killed again and again while clients push, pull, list, mount and delete over TLS, and metrics are on: nobody
// but the dead worker's own clients notices, nothing is lost, and neither memory nor descriptors nor counters go astray.
// --seconds 600 --every 20 for the long form, which judges memory as well; --seed N
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from '../support/client.ts'
import { createCounterWatch, total } from '../support/counters.ts'
import { inspectOption, liveMemory } from '../support/inspector.ts'
import { createLedger } from '../support/ledger.ts'
import { CHECKOUT, startBerth } from '../support/processes.ts'
import { seeded } from '../support/random.ts'
import { isCut, type World } from '../support/traffic.ts'
import { createUsages } from '../support/usage.ts'
import { createVerdict, eventually, numberOption } from '../support/verdict.ts'
import { handlesOf, mebibytes, processTree, proportionalOf } from '../support/vitals.ts'
import { killWorker, workersOf } from '../support/workers.ts'

const CLIENTS = 16
const WORKERS = 3
const SECRET = 'a secret for this check'
/** Of what grows by so much per request, something leaks. Without a leak it is up to 80 in ten minutes: caches with a limit
 *  that is far away, such as the hashes of uploads that went on in another process. With a leak of 100 bytes, as Buffers, it was 280. */
const MOST_BYTES = 130
const JUDGED_SECONDS = 600

const seconds = numberOption('seconds', 40)
const everyMs = numberOption('every', 8) * 1000
const seed = numberOption('seed', 1)
/** Then nothing new is made any more, so that caches come to an end with growing. */
const settledMs = Math.min(60_000, seconds * 200)
/** From then on memory is looked at: V8 knows how much it needs. */
const warmUpMs = 3 * settledMs

const random = seeded(`soak ${seed}`)
const verdict = createVerdict()
const isJudged = seconds >= JUDGED_SECONDS
const inspect = isJudged ? [await inspectOption()] : []
const certificate = join(CHECKOUT, 'test/processes/tls/localhost.crt')
const tls = { ca: readFileSync(certificate) }
const server = await startBerth({
  command: [process.execPath, '--max-semi-space-size=4', ...inspect, 'src/main.ts'],
  env: {
    REGISTRY_HTTP_PROCESSES: `${WORKERS}`,
    REGISTRY_HTTP_TLS_CERTIFICATE: certificate,
    REGISTRY_HTTP_TLS_KEY: join(CHECKOUT, 'test/processes/tls/localhost.key'),
    REGISTRY_OPENSHIFT_METRICS_ENABLED: 'true',
    REGISTRY_OPENSHIFT_METRICS_SECRET: SECRET,
    REGISTRY_LOG_ACCESSLOG_DISABLED: 'true'
  }
})
/** Connections that a killed worker had. */
const lostPorts = new Set<number>()
const world: World = {
  connect: () => createClient(server.url, { tls }),
  ledger: createLedger(),
  sizes: [100, 1000, 10_000, 100_000, 500_000],
  parked: [],
  contents: [],
  isSettled: false,
  killed: false,
  expects: (error) => isCut(error, lostPorts),
  figures: {}
}
const scraper = createClient(server.url, { tls, headers: () => ({ authorization: `Bearer ${SECRET}` }) })
const counters = createCounterWatch(verdict)
await scrape()

/** It lives on, so that a leak in a worker can be seen: the others are too young for one. */
const [, spared = 0] = workersOf(server)
const handlesAtStart = countHandles()
const memory: { ms: number; requests: number; primary: number; spared: number; all: number }[] = []
/** What the primary and the spared worker hold on to: when they are warm, and at the end. */
const live: { primary: number; spared: number; requests: number }[] = []
const usages = createUsages(world, CLIENTS, random, verdict)
const since = performance.now()
const isOver = (): boolean => performance.now() - since > seconds * 1000 || verdict.failures() > 0

verdict.note(`seed ${seed}, ${seconds} s, a kill every ${everyMs / 1000} s, ${CLIENTS} clients`)
const [kills] = await Promise.all([killAgainAndAgain(), watch(), goOn()])
verdict.check(
  verdict.failures() === 0,
  `${kills} workers were killed, nobody but their own clients noticed, and all of these succeeded when they tried again`
)
verdict.check(await usages.judge(), 'nothing acknowledged is lost, and nothing removed is back')
await judgeProcesses()
await server.stop()

/** Gives how many it has killed. */
async function killAgainAndAgain(): Promise<number> {
  let kills = 0
  for (let next = since + everyMs; next < since + seconds * 1000; next += everyMs) {
    while (performance.now() < next && !isOver()) await sleep(50)
    if (isOver()) break
    const victims = workersOf(server).filter((pid) => pid !== spared)
    lostPorts.clear()
    // The oldest of them, which has more to lose than one that has just begun.
    const isReplaced = await killWorker(server, victims[0] ?? 0, lostPorts)
    verdict.must(isReplaced, 'a worker that was killed is replaced')
    kills += 1
  }
  return kills
}

/** Every second. */
async function watch(): Promise<void> {
  while (!isOver()) {
    world.isSettled = performance.now() - since > settledMs
    const text = await scrape()
    const pids = processTree(server.pid)
    memory.push({
      ms: performance.now() - since,
      requests: text === undefined ? 0 : total(text, 'imageregistry_http_requests_total'),
      primary: proportionalOf(server.pid),
      spared: proportionalOf(spared),
      all: pids.reduce((sum, pid) => sum + proportionalOf(pid), 0)
    })
    await sleep(1000)
  }
}

/** With a moment of rest when all is warm: what requests need for themselves is no leak. */
async function goOn(): Promise<void> {
  for (const ms of isJudged ? [warmUpMs, seconds * 1000] : [seconds * 1000]) {
    await usages.goOnUntil(() => isOver() || performance.now() - since > ms)
    if (isJudged) await lookAtLive()
  }
}

async function lookAtLive(): Promise<void> {
  usages.close()
  await sleep(2000)
  const log = server.log()
  live.push({
    primary: await liveMemory(log, server.pid),
    spared: await liveMemory(log, spared),
    requests: memory.findLast(({ requests }) => requests > 0)?.requests ?? 0
  })
}

/** The page of metrics; undefined when the worker that was asked was killed. */
async function scrape(): Promise<string | undefined> {
  try {
    const { status, body } = await scraper.request('GET', '/extensions/v2/metrics')
    verdict.must(status === 200, 'the metrics can be read', status)
    counters.see(body.toString())
    return body.toString()
  } catch (error) {
    if (!isCut(error, lostPorts)) verdict.must(false, 'the metrics can be read', error)
    return undefined
  }
}

async function judgeProcesses(): Promise<void> {
  const text = (await scrape()) ?? ''
  for (const one of [usages, scraper]) one.close()
  const restarts = total(text, 'berth_worker_restarts_total')
  verdict.check(restarts === kills, 'each death is counted once', `${restarts} of ${kills}`)
  verdict.check(!counters.hasFallen(), `no counter fell in ${counters.seen()} scrapes`)
  const faults = total(text, 'imageregistry_http_requests_total', /code="5/)
  verdict.check(faults === 0, 'no request was answered 5xx', faults)

  const most = Math.max(...handlesAtStart.workers)
  const isBack = (): boolean => {
    const { primary, workers } = countHandles()
    return primary <= handlesAtStart.primary && workers.every((count) => count <= most)
  }
  verdict.check(
    await eventually(isBack),
    `each process has as many descriptors as at its start: ${handlesAtStart.primary}, ${handlesAtStart.workers}`,
    processTree(server.pid).map((pid) => handlesOf(pid))
  )
  judgeMemory()
}

function countHandles(): { primary: number; workers: number[] } {
  return {
    primary: handlesOf(server.pid).length,
    workers: workersOf(server).map((pid) => handlesOf(pid).length)
  }
}

function judgeMemory(): void {
  const warm = memory.filter(({ ms }) => ms > warmUpMs)
  for (const [part, what] of [
    ['primary', 'the primary'],
    ['spared', 'the worker that is never killed'],
    ['all', 'all processes together']
  ] as const) {
    const slope = slopePerMinute(warm.map((sample) => [sample.ms, sample[part]]))
    const [first, last] = [warm[0]?.[part] ?? 0, warm.at(-1)?.[part] ?? 0]
    verdict.note(
      `PSS of ${what}: from ${mebibytes(first)} to ${mebibytes(last)}, ${mebibytes(slope)} per minute after ${warmUpMs / 1000} s`
    )
  }
  const [then, now] = live
  if (then === undefined || now === undefined) return
  const requests = now.requests - then.requests
  for (const [part, what, share] of [
    ['primary', 'the primary', 1],
    ['spared', 'the worker that is never killed', WORKERS]
  ] as const) {
    const each = ((now[part] - then[part]) * share) / requests
    verdict.check(
      each < MOST_BYTES,
      `${what} holds ${mebibytes(then[part])} and, ${requests} requests later, ${mebibytes(now[part])}: ${each.toFixed(1)} bytes per request, less than ${MOST_BYTES}`
    )
  }
}

/** Of the line that is nearest to all points of [ms, value]: least squares. */
function slopePerMinute(points: (readonly [number, number])[]): number {
  const mean = (at: 0 | 1): number => points.reduce((sum, point) => sum + point[at], 0) / points.length
  const [meanMs, meanValue] = [mean(0), mean(1)]
  let above = 0
  let below = 0
  for (const [ms, value] of points) {
    above += (ms - meanMs) * (value - meanValue)
    below += (ms - meanMs) ** 2
  }
  return (above / below) * 60_000
}
