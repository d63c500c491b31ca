import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { createClient } from '../integration/support/client.ts'
import { type RunningServer, startBerth } from '../integration/support/processes.ts'
import { processTree } from '../integration/support/vitals.ts'

const FILE = `version: 0.1
http: {addr: '127.0.0.1:5000'}
storage:
  filesystem: {rootdirectory: /var/lib/registry}
  maintenance: {readonly: {enabled: false}}
log: {level: info}
`
const READ_ONLY = FILE.replace('enabled: false', 'enabled: true')

async function start(t: Test, file: string, processes: number): Promise<RunningServer> {
  const server = await startBerth({
    command: [process.execPath, 'src/main.ts', file],
    env: { REGISTRY_HTTP_PROCESSES: String(processes) }
  })
  t.teardown(() => server.stop())
  return server
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(20)
}

const count = (server: RunningServer, what: RegExp): number => (server.log().match(what) ?? []).length

/** The statuses of uploads begun over connections of their own, so that each process answers some. */
async function pushes(server: RunningServer): Promise<Set<number>> {
  const statuses = Array.from({ length: 24 }, async () => {
    const client = createClient(server.url)
    const { status } = await client.request('POST', '/v2/a/blobs/uploads/')
    client.close()
    return status
  })
  return new Set(await Promise.all(statuses))
}

t.test('read-only mode is switched by SIGHUP in all processes, and in those that come later', async (t) => {
  for (const processes of [1, 3]) {
    const file = `${t.testdir({ 'config.yml': FILE })}/config.yml`
    const server = await start(t, file, processes)
    t.strictSame(await pushes(server), new Set([202]))
    writeFileSync(file, READ_ONLY)
    process.kill(server.pid, 'SIGHUP')
    await until(() => count(server, /no request that writes is open any more/g) === 1)
    t.strictSame(await pushes(server), new Set([405]))
    if (processes > 1) {
      process.kill(processTree(server.pid)[1] ?? 0, 'SIGKILL')
      await until(() => count(server, /serves again/g) === 1)
      t.strictSame(await pushes(server), new Set([405]))
    }
    writeFileSync(file, FILE)
    process.kill(server.pid, 'SIGHUP')
    await until(() => count(server, /readonly.enabled is false/g) === 1)
    await until(() => count(server, /was read anew/g) === 2)
    await sleep(100)
    t.strictSame(await pushes(server), new Set([202]))
  }
})

t.test('a push that is under way may end, and the log says when the last one has', async (t) => {
  const file = `${t.testdir({ 'config.yml': FILE })}/config.yml`
  const server = await start(t, file, 2)
  const client = createClient(server.url)
  const { headers } = await client.request('POST', '/v2/a/blobs/uploads/')
  client.close()
  const { promise, resolve } = Promise.withResolvers<number | undefined>()
  const push = request(server.url + String(headers.location).replace(server.url, ''), { method: 'PATCH' })
  push.on('response', (answer) => resolve(answer.statusCode))
  push.write('the first half')
  await sleep(200)
  writeFileSync(file, READ_ONLY)
  process.kill(server.pid, 'SIGHUP')
  await until(() => count(server, /was read anew/g) === 1)
  await sleep(200)
  t.strictSame(await pushes(server), new Set([405]))
  t.equal(count(server, /no request that writes is open any more/g), 0)
  process.kill(server.pid, 'SIGHUP')
  await until(() => count(server, /was read anew: nothing has changed/g) === 1)
  push.end('the second half')
  t.equal(await promise, 202)
  await until(() => count(server, /no request that writes is open any more/g) === 1)
})

t.test(
  'a changed file is taken up as a ConfigMap is, and what is wrong with it changes nothing',
  async (t) => {
    const folder = t.testdir()
    let versions = 0
    /** As the kubelet does it: `..data` is a link that changes at once. */
    function publish(text: string): void {
      const version = `..version-${++versions}`
      mkdirSync(join(folder, version))
      writeFileSync(join(folder, version, 'config.yml'), text)
      symlinkSync(version, join(folder, '..new'))
      renameSync(join(folder, '..new'), join(folder, '..data'))
    }
    publish(FILE)
    symlinkSync('..data/config.yml', join(folder, 'config.yml'))
    const server = await start(t, join(folder, 'config.yml'), 2)
    publish(`${READ_ONLY}htttp: {}\n`.replace('level: info', 'level: loud'))
    await until(() => count(server, /the configuration stays as it was/g) === 1)
    t.match(server.log(), /config.yml:6: log.level must be one of/)
    t.strictSame(await pushes(server), new Set([202]))
    publish(READ_ONLY.replace('/var/lib/registry', '/elsewhere').replace('5000', '5001'))
    await until(() => count(server, /no request that writes is open any more/g) === 1)
    // Both are set by variables here, which outrank the file.
    t.notMatch(server.log(), /needs a restart/)
    publish(`${READ_ONLY}catalog: {maxentries: 5}\nhealth: {storagedriver: {interval: 11s}}\n`)
    await until(() => count(server, /needs a restart to count: health.storagedriver.interval/g) === 1)
    t.strictSame(await pushes(server), new Set([405]))
  }
)

t.test('SIGHUP without a file ends it, as a terminal that is closed does', async (t) => {
  const server = await startBerth({ env: { REGISTRY_HTTP_PROCESSES: '2' } })
  process.kill(server.pid, 'SIGHUP')
  await server.exited
  t.match(server.log(), /SIGHUP: no new connections.*stopped/s)
})
