import { copyFileSync, renameSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { createClient } from '../integration/support/client.ts'
import { type RunningServer, startBerth } from '../integration/support/processes.ts'
import { workersOf } from '../integration/support/workers.ts'
import { digestOf } from '../registry/support.ts'

async function start(t: Test, processes: number): Promise<RunningServer> {
  const server = await startBerth({ env: { REGISTRY_HTTP_PROCESSES: String(processes) } })
  t.teardown(() => server.stop())
  return server
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await sleep(20)
}

/** A request over a connection of its own, so that any process may answer it. */
async function ask(server: RunningServer, method: string, path: string, body?: string) {
  const client = createClient(server.url)
  const reply = await client.request(method, path, body === undefined ? {} : { body: Buffer.from(body) })
  client.close()
  return reply
}

t.test('two processes serve one port', async (t) => {
  const server = await start(t, 2)
  const answers = await Promise.all(Array.from({ length: 40 }, () => ask(server, 'GET', '/v2/')))
  t.ok(answers.every(({ status }) => status === 200))
})

t.test('an upload goes on in any process, and what one deletes all deny', async (t) => {
  const server = await start(t, 3)
  for (let round = 0; round < 10; round += 1) {
    const opened = await ask(server, 'POST', '/v2/a/blobs/uploads/')
    const location = String(opened.headers.location)
    const chunks = Array.from({ length: 6 }, (_, index) => `chunk ${index} of round ${round}`)
    for (const chunk of chunks) t.equal((await ask(server, 'PATCH', location, chunk)).status, 202)
    const digest = digestOf(chunks.join(''))
    t.equal((await ask(server, 'PUT', `${location}?digest=${digest}`)).status, 201)
    const path = `/v2/a/blobs/${digest}`
    const heads = await Promise.all(Array.from({ length: 12 }, () => ask(server, 'HEAD', path)))
    t.ok(heads.every(({ status }) => status === 200))
    t.equal((await ask(server, 'DELETE', path)).status, 202)
    const gone = await Promise.all(Array.from({ length: 12 }, () => ask(server, 'HEAD', path)))
    t.ok(gone.every(({ status }) => status === 404))
  }
})

t.test('a dead process is replaced, and the other serves meanwhile', async (t) => {
  const server = await start(t, 2)
  const [victim = 0, other] = workersOf(server)
  process.kill(victim, 'SIGKILL')
  await until(() => isGone(victim))
  const answers = await Promise.all(Array.from({ length: 30 }, () => ask(server, 'GET', '/v2/')))
  t.ok(answers.every(({ status }) => status === 200))
  await until(() => workersOf(server).length === 2)
  t.ok(other !== undefined && workersOf(server).includes(other) && !workersOf(server).includes(victim))
  await until(() =>
    new RegExp(`level=error msg="process \\d of 2 \\(pid ${victim}\\) ended by SIGKILL`).test(server.log())
  )
})

t.test('a process that the system does not let start is tried again', async (t) => {
  const node = `${t.testdir()}/node`
  const away = `${node}-away`
  copyFileSync(process.execPath, node)
  const server = await startBerth({ command: [node, 'src/main.ts'], env: { REGISTRY_HTTP_PROCESSES: '2' } })
  t.teardown(() => server.stop())
  await until(() => workersOf(server).length === 2)
  renameSync(node, away)
  process.kill(workersOf(server)[1] ?? 0, 'SIGKILL')
  await until(() => (server.log().match(/could not be started \(spawn.*in 0.5 s/g) ?? []).length === 1)
  t.equal((await ask(server, 'GET', '/v2/')).status, 200)
  renameSync(away, node)
  await until(() => workersOf(server).length === 2)
  await until(() => /serves again/.test(server.log()))
})

t.test('without its primary no process stays', async (t) => {
  const server = await start(t, 2)
  const pids = workersOf(server)
  t.equal(pids.length, 2)
  process.kill(server.pid, 'SIGKILL')
  await until(() => pids.every(isGone))
})

t.test('SIGTERM ends all of them with 0, also when each of them gets it', async (t) => {
  for (const processes of [1, 2]) {
    const server = await start(t, processes)
    const pids = workersOf(server)
    server.kill('SIGTERM') // to the whole group
    await server.exited
    await until(() => pids.every(isGone))
    t.match(server.log(), /SIGTERM: no new connections.*stopped/s)
    t.notMatch(server.log(), /level=error|ends at once/)
  }
})

function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return false
  } catch {
    return true
  }
}
