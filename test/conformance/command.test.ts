import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { BadUsage, parseOptions } from '../../conformance/options.ts'
import { CHECKOUT, CommandFailed, run } from '../integration/support/processes.ts'
import { listen } from './support.ts'

interface Ended {
  code: number | undefined
  stdout: string
  stderr: string
}

async function conformance(t: Test, ...args: string[]): Promise<Ended> {
  const folder = t.testdir({ 'results.json': 'of a former run' })
  const files = ['--junit', join(folder, 'deep', 'junit.xml'), '--json', join(folder, 'results.json')]
  return start(...(args.includes('--list') || args.includes('--official') ? [] : files), ...args)
}

async function start(...args: string[]): Promise<Ended> {
  try {
    const output = await run(process.execPath, [join(CHECKOUT, 'conformance/main.ts'), ...args])
    return { code: 0, ...output }
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error
    return { code: error.code, stdout: error.stdout, stderr: error.stderr }
  }
}

t.test('it lists every case without asking anybody', async (t) => {
  const { code, stdout } = await conformance(t, '--list', '--filter', '^A-')
  t.equal(code, 0)
  t.match(stdout, /^A-01 +MUST +.+\n[\s\S]*^A-42 [\s\S]*^22 cases$/m)
  t.notMatch(stdout, /^R-/m)
})

t.test('called wrongly, or where it cannot judge at all, it says why, and ends with 2', async (t) => {
  const server = createServer((_, response) => response.writeHead(404).end())
  const wrong = await listen(t, server)
  const key = join(CHECKOUT, 'test/processes/tls/localhost.key')
  for (const [message, ...args] of [
    [/is no registry: GET \/v2\/ is 404$/m, '--url', wrong],
    [/nobody listens at http:\/\/127.0.0.1:1$/m, '--url', 'http://127.0.0.1:1', '--official'],
    [/--filter: no case matches/, '--filter', 'nothing of that kind'],
    [/--ca: ENOENT/, '--url', wrong, '--ca', '/nowhere.pem'],
    [/--ca: .*localhost.key holds no certificate/, '--url', wrong, '--ca', key]
  ] as const) {
    const { code, stdout, stderr } = await conformance(t, ...args)
    t.equal(code, 2, stderr)
    t.match(stderr, message)
    t.match(stderr, /npm run conformance/, 'and how to call it')
    t.equal(stderr.trim().split('\n').length, 2, stderr)
    t.equal(stdout, '')
  }
  await conformance(t, '--url', wrong)
  t.notOk(
    existsSync(join(t.testdirName, 'results.json')),
    'what a former run found is not taken for this one'
  )
  t.match(await start('--url', wrong, '--json', '/dev/null/x'), {
    code: 2,
    stderr: /^the results cannot be written: E/
  })
})

t.test('every option that makes no sense is told', async (t) => {
  const wrong: [RegExp, ...string[]][] = [
    [/--url takes http/, '--url', 'localhost:5000'],
    [/no path/, '--url', 'http://127.0.0.1:5000/v2/'],
    [/--username takes --password/, '--url', 'http://127.0.0.1:1', '--username', 'u'],
    [/--username takes --url/, '--username', 'u', '--password', 'p'],
    [/--login and --http2 take no --url/, '--url', 'http://127.0.0.1:1', '--login'],
    [/--official takes no --filter/, '--official', '--filter', 'x'],
    [/--repository takes/, '--repository', 'UPPER'],
    [/--repository takes up to 190 characters, not 250/, '--repository', 'a'.repeat(250)],
    [/--filter is given twice/, '--filter', 'a', '--filter', 'b'],
    [/--list .* takes no --junit/, '--list', '--json', 'x'],
    [/--filter: .*regular expression/i, '--filter', '('],
    [/--seed takes/, '--seed', 'A b'],
    [/--timeout takes seconds/, '--timeout', 'long'],
    [/Unknown option '--color'/, '--color'],
    [/'more'/, 'more']
  ]
  for (const [message, ...args] of wrong) {
    t.throws(() => parseOptions(args), { constructor: BadUsage, message }, args.join(' '))
  }
  const login = { OCI_USERNAME: 'u', OCI_PASSWORD: 'p' }
  t.match(parseOptions(['--url', 'http://a'], login), { username: 'u', password: 'p' })
  t.match(parseOptions(['--url', 'http://a', '--username', 'v'], login), { username: 'v', password: 'p' })
  t.match(parseOptions([], login), { username: undefined, password: undefined }, 'berth has its own')
  t.match(parseOptions([]), { url: undefined, repository: 'conformance', timeoutMs: 10_000, insecure: false })
})

t.test('it ends with 0 when nothing fails, and leaves its results in files', async (t) => {
  const url = await listen(
    t,
    createServer((_, response) => response.end('{}'))
  )
  const { code, stdout } = await conformance(
    t,
    ...['--url', url, '--filter', '^R-02[01]$', '--seed', 'seed', '--username', 'u', '--password', 'p']
  )
  t.equal(code, 0, stdout)
  t.match(stdout, /^It asks for no login: --username and --password are not used$/m)
  t.match(stdout, /^R-020 +PASS .*\n^R-021 +PASS .*\n[\s\S]*^2 cases: 2 pass, 0 fail, 0 skip, 0 error$/m)
  t.match(JSON.parse(readFileSync(join(t.testdirName, 'results.json'), 'utf8')), {
    registry: url,
    seed: 'seed',
    suite: /^berth /,
    started: /^\d{4}-.*Z$/,
    totals: { pass: 2, fail: 0, skip: 0, error: 0 },
    cases: [{ id: 'R-020', level: 'MUST', status: 'pass', message: '', notes: [] }, { id: 'R-021' }]
  })
  const xml = readFileSync(join(t.testdirName, 'deep', 'junit.xml'), 'utf8')
  t.match(xml, /<testsuites tests="2" failures="0" errors="0" skipped="0" time="[\d.]+">/)
  t.match(
    xml,
    /<testcase name="R-020: GET [^"]+" classname="Determining Support" time="[\d.]+"><properties>.*<\/testcase>/
  )
})

t.test('it ends with 1 when a case fails, and says what was sent, expected and got', async (t) => {
  const teapot = createServer(({ method }, response) => {
    response.writeHead(method === 'GET' ? 200 : 418).end('short and <stout>')
  })
  const { code, stdout } = await conformance(t, '--url', await listen(t, teapot), '--filter', 'R-052')
  t.equal(code, 1)
  t.match(stdout, /^ {4}POST .*: expected 202, got 418 "short and <stout>"$/m)
  const xml = readFileSync(join(t.testdirName, 'deep', 'junit.xml'), 'utf8')
  t.match(xml, /<failure type="SHOULD" message="POST [^"]+ got 418 &quot;short and &lt;stout&gt;&quot;">/)
})

t.test('when it is interrupted it ends what it began, and says so', async (t) => {
  const deleted: (string | undefined)[] = []
  const slow = createServer(({ method, url }, response) => {
    if (method === 'DELETE') deleted.push(url)
    if (method !== 'POST') response.end('{}')
    else setTimeout(() => response.writeHead(202, { location: '/v2/a/blobs/uploads/1' }).end(), 300)
  })
  const files = ['--junit', join(t.testdir(), 'junit.xml'), '--json', join(t.testdirName, 'results.json')]
  const args = [join(CHECKOUT, 'conformance/main.ts'), '--url', await listen(t, slow), ...files]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const [out, err]: [string[], string[]] = [[], []]
  child.stderr.setEncoding('utf8').on('data', (text: string) => err.push(text))
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out.push(text)
    if (text.includes('Judging')) setTimeout(() => child.kill('SIGINT'), 100)
  })
  const [code] = await once(child, 'exit')
  t.equal(code, 130)
  t.match(err.join(''), 'Interrupted: clearing up')
  t.match(out.join(''), /R-\d+, .*: not run: the run was interrupted/)
  t.ok(deleted.length > 1)
  t.match(JSON.parse(readFileSync(files[3] ?? '', 'utf8')).cases.at(-1), { status: 'error' })
})
