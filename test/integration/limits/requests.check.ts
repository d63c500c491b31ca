// Limits on requests over four processes, seen from outside: downloads that are not read and uploads that are not sent
// hold their places. --seconds 10: so long clients come, go and read while processes are killed and limits change
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { samples } from '../../operations/metrics/samples.ts'
import { createClient, digestOf } from '../support/client.ts'
import { scratch, startBerth } from '../support/processes.ts'
import { createPusher, uploadOf } from '../support/pusher.ts'
import { seeded } from '../support/random.ts'
import { clientPortsOf } from '../support/sockets.ts'
import { createVerdict, eventually, numberOption } from '../support/verdict.ts'
import { processTree } from '../support/vitals.ts'
import { openWire, type Wire } from '../support/wire.ts'

const MIB = 2 ** 20
const PROCESSES = 4
const NAME = 'limited/requests'
const SECRET = 'a secret for Prometheus'
/** Long enough for an answer that is not to come. */
const QUIET_MS = 400

interface Limit {
  maxrunning: number
  maxinqueue: number
  maxwaitinqueue: string
}

const READ: Limit = { maxrunning: 6, maxinqueue: 4, maxwaitinqueue: '0s' }
const WRITE: Limit = { maxrunning: 3, maxinqueue: 2, maxwaitinqueue: '0s' }
const NONE: Limit = { maxrunning: 0, maxinqueue: 0, maxwaitinqueue: '0s' }

const random = seeded('requests')
const verdict = createVerdict()
const file = join(scratch(), 'config.yml')
configure(NONE, NONE)
const server = await startBerth({
  command: [process.execPath, '--max-semi-space-size=4', 'src/main.ts', file],
  env: { REGISTRY_HTTP_PROCESSES: `${PROCESSES}` }
})
/** More than the buffers between the two take. */
const big = random.bytes(32 * MIB)
const bigPath = `/v2/${NAME}/blobs/${digestOf(big)}`
const uploads = await prepare()

await change(READ, WRITE)
await fillReads()
await leaveQueue()
await fillWrites()
await loseProcess()
await changeLimits()
await waitTooLong()
await storm(numberOption('seconds', 10))
await server.stop()

/** The file that berth reads; JSON is YAML. */
function configure(read: Limit, write: Limit): void {
  writeFileSync(
    file,
    JSON.stringify({
      version: '0.1',
      log: { accesslog: { disabled: true } },
      http: { addr: '127.0.0.1:5000' },
      storage: { filesystem: {} },
      openshift: { requests: { read, write }, metrics: { enabled: true, secret: SECRET } }
    })
  )
}

/** Makes berth go by other limits, while it runs. */
async function change(read: Limit, write: Limit): Promise<void> {
  const before = server.log().split('was read anew').length
  configure(read, write)
  process.kill(server.pid, 'SIGHUP')
  if (!(await eventually(() => server.log().split('was read anew').length > before))) {
    throw new Error(`no reload: ${server.log()}`)
  }
  await sleep(QUIET_MS)
}

/** A blob to pull, and open uploads to send to. */
async function prepare(): Promise<string[]> {
  const client = createClient(server.url)
  const pusher = createPusher(client)
  await pusher.blob(NAME, big)
  const opened: string[] = []
  for (let count = 0; count < 8; count++) {
    const upload = uploadOf(NAME, Buffer.alloc(MIB))
    await pusher.open(upload)
    opened.push(upload.location ?? '')
  }
  client.close()
  return opened
}

type State = 'waiting' | 'running' | 'refused' | 'over'

interface Download {
  state: State
  headers: IncomingMessage['headers']
  port: number | undefined
  /** Reads the rest. Its place is not free before, but counts as free from now on. */
  finish(): Promise<void>
  leave(): void
}

/** Begins a download and reads no more than the head of its answer. */
function download(onAnswer = (): void => {}): Download {
  const outgoing = httpRequest(server.url + bigPath, { agent: false })
  let answer: IncomingMessage | undefined
  const it: Download = {
    state: 'waiting',
    headers: {},
    port: undefined,
    async finish() {
      it.state = 'over'
      if (answer === undefined) return
      answer.resume()
      await once(answer, 'close')
    },
    leave() {
      it.state = 'over'
      outgoing.destroy()
    }
  }
  outgoing.on('socket', (socket) => socket.once('connect', () => (it.port = socket.localPort)))
  outgoing.on('response', (response) => {
    answer = response
    it.headers = response.headers
    response.on('error', () => {}) // of a process that was killed
    if (it.state === 'waiting') it.state = response.statusCode === 200 ? 'running' : 'refused'
    if (it.state === 'refused') response.resume()
    onAnswer()
  })
  outgoing.on('error', () => {
    it.state = 'over'
  })
  outgoing.end()
  return it
}

function count(all: readonly { state: State }[], state: State): number {
  return all.filter((each) => each.state === state).length
}

function counts(all: readonly { state: State }[]): string {
  return (['running', 'waiting', 'refused'] as const)
    .map((state) => `${count(all, state)} ${state}`)
    .join(', ')
}

/** Whether it comes to this, and stays so. */
async function comesTo(all: readonly { state: State }[], expected: string): Promise<boolean> {
  const isSo = await eventually(() => counts(all) === expected, 15_000, 20)
  await sleep(QUIET_MS)
  return isSo && counts(all) === expected
}

async function metrics(): Promise<Map<string, number>> {
  const headers = { authorization: `Bearer ${SECRET}` }
  const answer = await fetch(`${server.url}/extensions/v2/metrics`, { headers })
  return samples(await answer.text())
}

/** What is shown of it, once all processes have told. */
async function shows(name: string, kind: string, value: number): Promise<boolean> {
  return eventually(
    async () => (await metrics()).get(`berth_limited_requests_${name}{kind="${kind}"}`) === value
  )
}

async function fillReads(): Promise<void> {
  const all = Array.from({ length: 20 }, () => download())
  const isSo = await comesTo(all, '6 running, 4 waiting, 10 refused')
  verdict.check(isSo, 'of 20 downloads 6 run, 4 wait and 10 are refused, over 4 processes', counts(all))
  const refused = all.filter(({ state }) => state === 'refused')
  verdict.check(
    refused.every(({ headers }) => headers['retry-after'] === '1'),
    'who is refused is told when to come again',
    refused.map(({ headers }) => headers)
  )
  const health = await Promise.all(
    ['/', '/healthz', '/livez', '/readyz'].map(async (path) => (await fetch(server.url + path)).status)
  )
  verdict.check(health.join() === '200,200,200,200', 'probes are answered meanwhile', health)
  const seen = [
    await shows('running', 'read', 6),
    await shows('waiting', 'read', 4),
    await shows('refused_total', 'read', 10)
  ]
  verdict.check(seen.every(Boolean), 'metrics are answered meanwhile, and show the same', seen)
  for (const left of [3, 2, 1, 0]) {
    await all.find(({ state }) => state === 'running')?.finish()
    const expected = `6 running, ${left} waiting, 10 refused`
    verdict.must(await comesTo(all, expected), `as one ends, one that waits runs: ${expected}`, counts(all))
  }
  await Promise.all(all.filter(({ state }) => state === 'running').map((each) => each.finish()))
  verdict.check(await shows('running', 'read', 0), 'all come to their end')
}

async function leaveQueue(): Promise<void> {
  const all = Array.from({ length: 10 }, () => download())
  await comesTo(all, '6 running, 4 waiting, 0 refused')
  for (const each of all.filter(({ state }) => state === 'waiting').slice(0, 2)) each.leave()
  await shows('waiting', 'read', 2)
  const later = Array.from({ length: 3 }, () => download())
  const isSo = await comesTo(later, '0 running, 2 waiting, 1 refused')
  verdict.check(isSo, 'clients that leave the queue make room in it', counts(later))
  for (const each of [...all, ...later]) each.leave()
  verdict.check(await shows('running', 'read', 0), 'downloads that are broken off give their places back')
}

interface Sending {
  state: State
  wire: Wire
}

/** Offers a body, and sends it only when it was asked to. */
async function send(location: string): Promise<Sending> {
  const wire = await openWire(server.port)
  const it: Sending = { state: 'waiting', wire }
  await wire.send(
    `PATCH ${location} HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 100-continue\r\nContent-Length: 8\r\n\r\n`
  )
  wire.answer({ limitMs: 60_000 }).then((answer) => {
    if (typeof answer !== 'string') it.state = answer.status === 100 ? 'running' : 'refused'
  })
  return it
}

async function fillWrites(): Promise<void> {
  const all = await Promise.all(uploads.map(send))
  const isSo = await comesTo(all, '3 running, 2 waiting, 3 refused')
  verdict.check(isSo, 'of 8 uploads 3 are asked for their bodies, 2 wait and 3 are refused', counts(all))
  const reads = Array.from({ length: 3 }, () => download())
  verdict.check(
    await comesTo(reads, '3 running, 0 waiting, 0 refused'),
    'downloads run beside them',
    counts(reads)
  )
  for (const each of reads) each.leave()
  const answers: number[] = []
  for (;;) {
    const one = all.find(({ state }) => state === 'running')
    if (one === undefined) break
    one.state = 'over'
    await one.wire.send('8 bytes.')
    const answer = await one.wire.answer()
    answers.push(typeof answer === 'string' ? 0 : answer.status)
    await eventually(() => count(all, 'running') === Math.min(3, 5 - answers.length))
  }
  verdict.check(answers.join() === '202,202,202,202,202', 'all that ran or waited are taken', answers)
  for (const { wire } of all) wire.close()
}

/** Kills a process, and counts its downloads as over before it is dead. Gives how many of them ran. */
function killProcess(pid: number, all: readonly Download[]): number {
  process.kill(pid, 'SIGSTOP')
  const ports = new Set<number | undefined>(clientPortsOf(pid))
  const lost = all.filter(({ port, state }) => ports.has(port) && state !== 'refused')
  const ran = count(lost, 'running')
  for (const each of lost) each.state = 'over'
  process.kill(pid, 'SIGKILL')
  return ran
}

function workers(): number[] {
  return processTree(server.pid).slice(1)
}

async function loseProcess(): Promise<void> {
  const all = Array.from({ length: 10 }, () => download())
  await comesTo(all, '6 running, 4 waiting, 0 refused')
  const running = (pid: number): number => {
    const ports = new Set<number | undefined>(clientPortsOf(pid))
    return all.filter(({ port, state }) => state === 'running' && ports.has(port)).length
  }
  const victim = workers().toSorted((one, other) => running(other) - running(one))[0] ?? 0
  const ran = killProcess(victim, all)
  const left = 10 - count(all, 'over')
  const expected = `${Math.min(6, left)} running, ${Math.max(0, left - 6)} waiting, 0 refused`
  verdict.check(
    ran > 0 && (await comesTo(all, expected)),
    `a process is killed: the places of its ${ran} go to those who wait (${expected})`,
    counts(all)
  )
  await eventually(() => workers().length === PROCESSES)
  const more = Array.from({ length: 15 }, () => download())
  const now = [...all, ...more]
  verdict.check(
    await comesTo(now, `6 running, 4 waiting, ${now.length - count(all, 'over') - 10} refused`),
    'and no place is lost or added',
    counts(now)
  )
  for (const each of now) each.leave()
  await shows('running', 'read', 0)
}

async function changeLimits(): Promise<void> {
  const all = Array.from({ length: 10 }, () => download())
  await comesTo(all, '6 running, 4 waiting, 0 refused')
  await change({ ...READ, maxrunning: 2 }, WRITE)
  const running = all.filter(({ state }) => state === 'running')
  await Promise.all(running.slice(0, 4).map((each) => each.finish()))
  const isLower = await comesTo(all, '2 running, 4 waiting, 0 refused')
  verdict.check(isLower, 'a lower limit counts as requests end: 4 of 6 end, and none begins', counts(all))
  await running[4]?.finish()
  const isNext = await comesTo(all, '2 running, 3 waiting, 0 refused')
  verdict.check(isNext, 'from then on one begins as one ends', counts(all))
  await change({ ...READ, maxrunning: 4 }, WRITE)
  verdict.check(
    await comesTo(all, '4 running, 1 waiting, 0 refused'),
    'a higher limit counts at once',
    counts(all)
  )
  await change(NONE, NONE)
  verdict.check(await comesTo(all, '5 running, 0 waiting, 0 refused'), 'without a limit all run', counts(all))
  await Promise.all(all.filter(({ state }) => state === 'running').map((each) => each.finish()))
  verdict.check(count(all, 'over') === 10, 'and all come to their end', counts(all))
}

async function waitTooLong(): Promise<void> {
  await change({ ...READ, maxwaitinqueue: '1s' }, WRITE)
  const all = Array.from({ length: 10 }, () => download())
  const isSo = await comesTo(all, '6 running, 0 waiting, 4 refused')
  verdict.check(isSo, 'who has waited for maxwaitinqueue is refused', counts(all))
  for (const each of all) each.leave()
  await shows('running', 'read', 0)
}

/** Clients come and go, read or do not, while processes are killed and limits go up and down. */
async function storm(seconds: number): Promise<void> {
  await change(READ, WRITE)
  const all: Download[] = []
  const until = performance.now() + 1000 * seconds
  let peak = 0
  let served = 0
  let killed = 0

  async function client(): Promise<void> {
    while (performance.now() < until) {
      const one = download(() => {
        peak = Math.max(peak, count(all, 'running'))
      })
      all.push(one)
      await eventually(() => one.state !== 'waiting' || random.chance(0.02), 5000, 5)
      await sleep(one.state === 'refused' ? 50 : random.below(30))
      if (one.state !== 'running' || random.chance(0.3)) one.leave()
      else {
        served++
        await one.finish().catch(() => {})
      }
      all.splice(all.indexOf(one), 1)
    }
  }
  const killing = setInterval(() => {
    killed++
    killProcess(random.pick(workers()), all)
  }, 2500)
  let changed = 0
  const changing = setInterval(() => {
    configure({ ...READ, maxrunning: changed++ % 2 === 0 ? 3 : 6 }, WRITE)
    process.kill(server.pid, 'SIGHUP')
  }, 1000)
  await Promise.all(Array.from({ length: 24 }, client))
  clearInterval(killing)
  clearInterval(changing)
  verdict.check(
    peak <= 6 && served > 0,
    `at most ${peak} of 6 ran at once; ${served} were served, ${killed} processes killed, ${changed} times the limit changed`
  )
  await eventually(() => workers().length === PROCESSES)
  await change(READ, WRITE)
  await shows('running', 'read', 0)
  const after = Array.from({ length: 20 }, () => download())
  const isSo = await comesTo(after, '6 running, 4 waiting, 10 refused')
  verdict.check(isSo, 'then it is as it was before: 6 run, 4 wait, 10 are refused', counts(after))
  for (const each of after) each.leave()
}
