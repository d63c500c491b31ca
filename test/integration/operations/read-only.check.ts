// Read-only mode is switched on and off under load, by SIGHUP and by the file alone, as a ConfigMap changes it. What writes
// is done or refused, what reads never notices, and once the log says so nothing in the storage changes.
// --rounds 30 for more than three; --seed N
import { setTimeout as sleep } from 'node:timers/promises'
import { type Client, createClient, type Reply } from '../support/client.ts'
import { createConfigMap } from '../support/config-map.ts'
import { createLedger } from '../support/ledger.ts'
import { run, scratch, startBerth } from '../support/processes.ts'
import { createPusher, pieces, UnexpectedReply, type Upload, uploadOf } from '../support/pusher.ts'
import { seeded } from '../support/random.ts'
import type { World } from '../support/traffic.ts'
import { createUsages } from '../support/usage.ts'
import { createVerdict, eventually, numberOption } from '../support/verdict.ts'
import { openWire } from '../support/wire.ts'

const CLIENTS = 16
const READERS = 4
/** How long each state lasts. */
const STATE_MS = 2500
/** Berth looks at the file every 5 s, and a busy machine is late. */
const SWITCH_MS = 30_000
const MIB = 2 ** 20

const rounds = numberOption('rounds', 3)
const seed = numberOption('seed', 1)
const random = seeded(`read-only ${seed}`)
const verdict = createVerdict()

const config = (isReadOnly: boolean): Record<string, string> => ({
  'config.yml': `version: 0.1
log: {accesslog: {disabled: true}}
http: {addr: '127.0.0.1:5000'}
storage:
  filesystem: {rootdirectory: /var/lib/registry}
  delete: {enabled: true}
  maintenance: {readonly: {enabled: ${isReadOnly}}}
`
})
const file = createConfigMap(scratch(), config(false))
const server = await startBerth({
  command: [process.execPath, '--max-semi-space-size=4', 'src/main.ts', file.path('config.yml')],
  env: { REGISTRY_HTTP_PROCESSES: '4' }
})

/** True from when the log has said that no request that writes is open until it is switched off. */
let isQuiet = false
let refusals = 0
/** Clients that were refused and try again. */
let waiting = 0
const world: World = {
  connect,
  ledger: createLedger(),
  sizes: [100, 1000, 10_000, 100_000, 1_000_000],
  parked: [],
  contents: [],
  isSettled: false,
  killed: false,
  async expects(error) {
    if (!isRefusal(error)) return false
    refusals += 1
    waiting += 1
    await sleep(random.between(50, 500))
    waiting -= 1
    return true
  },
  figures: {}
}
const client = createClient(server.url)
const pusher = createPusher(client)
const usages = createUsages(world, CLIENTS, random, verdict)
let isOver = false
verdict.note(`seed ${seed}, ${rounds} rounds, ${CLIENTS} clients`)
await Promise.all([usages.goOnUntil(() => isOver, READERS), switchAgainAndAgain()])

verdict.check(verdict.failures() === 0, 'what reads is answered, what writes is done or refused with 405')
verdict.check(refusals > 0, `${refusals} refused requests were tried again, and all succeeded in the end`)
verdict.check(await usages.judge(), 'nothing acknowledged is lost, and nothing removed is back')
usages.close()
client.close()
await server.stop()

/** A client that does not believe what is written while nothing may be. */
function connect(): Client {
  const bare = createClient(server.url)
  return {
    ...bare,
    async request(method, path, options) {
      const wasQuiet = isQuiet
      const reply = await bare.request(method, path, options)
      const isWritten = !['GET', 'HEAD'].includes(method) && reply.status < 400
      verdict.must(!(wasQuiet && isWritten), 'no write succeeds in read-only mode', `${method} ${path}`)
      return reply
    }
  }
}

/** As the specification has it: 405, the code, and what is allowed in its place. */
function isRefusal(error: unknown): boolean {
  if (!(error instanceof UnexpectedReply)) return false
  const { status, headers, body }: Reply = error.reply
  const isWriting = /^(POST|PUT|PATCH|DELETE) /.test(error.message)
  const { allow } = headers
  return (
    isWriting &&
    status === 405 &&
    allow !== undefined &&
    !/POST|PUT|PATCH|DELETE/.test(allow) &&
    JSON.parse(body.toString()).errors[0].code === 'UNSUPPORTED'
  )
}

async function switchAgainAndAgain(): Promise<void> {
  for (let round = 0; round < rounds && verdict.failures() === 0; round += 1) {
    await sleep(STATE_MS)
    const way = round % 2 === 0 ? 'by SIGHUP' : 'by the file alone'
    const begun = uploadOf('read-only/begun', random.bytes(MIB))
    await pusher.open(begun)
    await pusher.append(begun, MIB / 2)
    const { sent, end } = await startSlowly()
    const [isOn] = await Promise.all([switchTo(true, way), end()])
    if (!isOn) break
    await judgeQuiet(begun)
    if (!(await switchTo(false, way))) break
    await finishSoon(begun)
    for (const { name, digest, content } of [begun, sent]) {
      const got = await client.pull(`/v2/${name}/blobs/${digest}`)
      verdict.must(
        got.size === content.length && got.digest === digest,
        'an upload begun before goes on',
        got
      )
    }
    verdict.check(
      await eventually(() => waiting === 0, SWITCH_MS, 20),
      `switched ${way}: while it was on nothing was written, and then everybody could go on`
    )
  }
  isOver = true
}

/** Once it is off in all processes. */
async function finishSoon(upload: Upload): Promise<void> {
  await eventually(async () => {
    try {
      await pusher.finish(upload)
      return true
    } catch (error) {
      if (!isRefusal(error)) throw error
      return false
    }
  }, SWITCH_MS)
}

/** A push that is under way when it is switched on: it was let in, and now sends what it has. */
async function startSlowly(): Promise<{ sent: Upload; end(): Promise<void> }> {
  const sent = uploadOf('read-only/slow', random.bytes(MIB))
  await pusher.open(sent)
  const wire = await openWire(server.port)
  const path = `${sent.location}?digest=${sent.digest}`
  const length = `Content-Length: ${sent.content.length}`
  await wire.send(`PUT ${path} HTTP/1.1\r\nHost: ${server.host}\r\n${length}\r\nExpect: 100-continue\r\n\r\n`)
  const interim = await wire.answer()
  verdict.must(typeof interim === 'object' && interim.status === 100, 'a push is let in', interim)
  return {
    sent,
    async end() {
      for await (const piece of pieces(sent.content, MIB / 16)) {
        await wire.send(piece)
        await sleep(50)
      }
      const answer = await wire.answer()
      const isDone = typeof answer === 'object' && answer.status === 201
      verdict.must(isDone, 'a push that is under way may end', answer)
      wire.close()
    }
  }
}

/** Gives whether the log has told of it. */
async function switchTo(isReadOnly: boolean, way: string): Promise<boolean> {
  const told = isReadOnly ? /no request that writes is open any more/g : /readonly\.enabled is false/g
  const count = (): number => (server.log().match(told) ?? []).length
  const before = count()
  isQuiet = false
  file.replace(config(isReadOnly))
  if (way === 'by SIGHUP') process.kill(server.pid, 'SIGHUP')
  const isTold = await eventually(() => count() > before, SWITCH_MS, 20)
  isQuiet = isReadOnly && isTold
  return verdict.must(isTold, `the log tells that it was switched ${isReadOnly ? 'on' : 'off'} ${way}`)
}

async function judgeQuiet(begun: Upload): Promise<void> {
  const before = await listFiles()
  const patch = await client.request('PATCH', begun.location ?? '', { body: begun.content.subarray(MIB / 2) })
  verdict.must(patch.status === 405, 'an upload does not go on while it is on', patch.status)
  verdict.must((await pusher.progress(begun)) === MIB / 2, 'but it says where it is')
  await sleep(STATE_MS)
  const after = await listFiles()
  const changed = [...after].filter((line) => !before.has(line))
  verdict.must(
    changed.length === 0 && after.size === before.size,
    'nothing in the storage changes in read-only mode',
    changed
  )
}

/** Each file and folder of the storage with its size, its inode and when it was last changed. */
async function listFiles(): Promise<Set<string>> {
  const { stdout } = await run('find', [server.root, '-printf', '%P %s %i %T@ %C@\\n'])
  return new Set(stdout.split('\n'))
}
