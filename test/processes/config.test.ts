import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { createClient } from '../integration/support/client.ts'
import { startBerth } from '../integration/support/processes.ts'
import { processTree } from '../integration/support/vitals.ts'
import { digestOf } from '../registry/support.ts'

const FILE = `version: 0.1
http: {addr: '127.0.0.1:5000', secret: hunter2-hunter2-hunter2}
storage: filesystem
`

/** What berth says and how it ends, with these arguments. */
function run(args: string[], env: Record<string, string> = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['src/main.ts', ...args], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH, ...env }
  })
  return { status, stdout, stderr }
}

t.test('a process that takes the place of another goes by the file as it was', async (t) => {
  const file = `${t.testdir({ 'config.yml': FILE })}/config.yml`
  const server = await startBerth({
    command: [process.execPath, 'src/main.ts', file],
    env: { REGISTRY_HTTP_PROCESSES: '2' }
  })
  t.teardown(() => server.stop())
  writeFileSync(file, 'no: [configuration')
  const workers = (): number[] => processTree(server.pid).slice(1)
  const before = workers()
  for (const pid of before) {
    process.kill(pid, 'SIGKILL')
    while (workers().length < 2 || workers().includes(pid)) await sleep(20)
  }
  while ((server.log().match(/serves again/g) ?? []).length < 2) await sleep(20)
  t.strictSame(
    workers().filter((pid) => before.includes(pid)),
    []
  )
  const client = createClient(server.url)
  const { status } = await client.request('DELETE', `/v2/a/blobs/${digestOf('x')}`)
  client.close()
  t.equal(status, 405, 'deletes are off, as they are with a file')
})

t.test('config prints what holds, and --check what is wrong', async (t) => {
  const file = `${t.testdir({ 'config.yml': FILE })}/config.yml`
  const printed = run(['config', file], { REGISTRY_LOG_LEVEL: 'debug', REGISTRY_LOGG: 'x' })
  t.equal(printed.status, 0)
  t.match(printed.stdout, '  level: debug # REGISTRY_LOG_LEVEL\n')
  t.match(printed.stderr, /REGISTRY_LOGG/)
  t.strictSame(run(['config', '--check', file]), { status: 0, stdout: '', stderr: '' })
  const wrong = run(['config', '--check', file], { REGISTRY_LOG_LEVEL: 'loud' })
  t.equal(wrong.status, 1)
  t.match(wrong.stderr, /REGISTRY_LOG_LEVEL: must be one of/)
  t.match(wrong.stderr, /^berth cannot start: the configuration has a problem:\n/)
  const misspelt = run(['config', '--check', file], { REGISTRY_LOG_FORMATER: 'json' })
  t.strictSame(misspelt, {
    status: 1,
    stdout: '',
    stderr:
      'ignored, since berth does not know them: REGISTRY_LOG_FORMATER (did you mean REGISTRY_LOG_FORMATTER?)\n'
  })
  const ignored = run(['config', '--check', file], { REGISTRY_REDIS_ADDR: 'localhost:6379' })
  t.match(ignored, { status: 0, stderr: /it uses no Redis/ })
  for (const { stdout, stderr } of [printed, wrong]) t.notMatch(stdout + stderr, /hunter2/)
})

t.test('it says how it is called, and what it is', async (t) => {
  const help = run(['--help'])
  t.match(help, { status: 0, stdout: /^berth \[serve\] \[FILE\]/, stderr: '' })
  const { version } = JSON.parse(readFileSync('package.json', 'utf8'))
  t.strictSame(run(['--version'], { BERTH_COMMIT: '0123abc' }), {
    status: 0,
    stdout: `berth ${version} 0123abc\n`,
    stderr: ''
  })
  const wrong = run(['config', '--chek'])
  t.match(wrong, { status: 1, stdout: '', stderr: /^berth: --chek is no option here .*\n\nberth \[serve\]/ })
})
