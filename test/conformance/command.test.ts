import { readFileSync } from 'node:fs'
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
  const folder = t.testdir()
  const files = ['--junit', join(folder, 'deep', 'junit.xml'), '--json', join(folder, 'results.json')]
  try {
    const output = await run(process.execPath, [join(CHECKOUT, 'conformance/main.ts'), ...files, ...args])
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

t.test('called wrongly it says how, and ends with 2', async (t) => {
  const asking = createServer((_, response) =>
    response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end()
  )
  const closed = await listen(t, asking)
  for (const [message, ...args] of [
    [/asks for a login: --username/, '--url', closed],
    [/does not take this login/, '--url', closed, '--username', 'u', '--password', 'p'],
    [/--filter: no case matches/, '--filter', 'nothing of that kind'],
    [/--ca: ENOENT/, '--url', 'http://127.0.0.1:1', '--ca', '/nowhere.pem']
  ] as const) {
    const { code, stderr } = await conformance(t, ...args)
    t.equal(code, 2)
    t.match(stderr, message)
    t.match(stderr, /npm run conformance/, 'and how to call it')
    t.notMatch(stderr, /node:internal/)
  }
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
    [/--filter: .*regular expression/i, '--filter', '('],
    [/--seed takes/, '--seed', 'A b'],
    [/--timeout takes seconds/, '--timeout', 'long'],
    [/Unknown option '--color'/, '--color'],
    [/'more'/, 'more']
  ]
  for (const [message, ...args] of wrong) {
    t.throws(() => parseOptions(args), { constructor: BadUsage, message }, args.join(' '))
  }
  t.match(parseOptions([]), { url: undefined, repository: 'conformance', timeoutMs: 10_000, insecure: false })
})

t.test('it ends with 0 when nothing fails, and leaves its results in files', async (t) => {
  const url = await listen(
    t,
    createServer((_, response) => response.end('{}'))
  )
  const { code, stdout } = await conformance(t, '--url', url, '--filter', 'R-02[01]', '--seed', 'seed')
  t.equal(code, 0, stdout)
  t.match(stdout, /^R-020 +PASS .*\n^R-021 +PASS .*\n[\s\S]*^2 cases: 2 pass, 0 fail, 0 skip, 0 error$/m)
  t.match(JSON.parse(readFileSync(join(t.testdirName, 'results.json'), 'utf8')), {
    registry: url,
    seed: 'seed',
    totals: { pass: 2, fail: 0, skip: 0, error: 0 },
    cases: [{ id: 'R-020', level: 'MUST', status: 'pass', message: '', notes: [] }, { id: 'R-021' }]
  })
  const xml = readFileSync(join(t.testdirName, 'deep', 'junit.xml'), 'utf8')
  t.match(xml, /<testsuites tests="2" failures="0" errors="0" skipped="0" time="[\d.]+">/)
  t.match(xml, /<testcase name="R-020: GET [^"]+" classname="Determining Support" time="[\d.]+"><\/testcase>/)
})

t.test('it ends with 1 when a case fails, and says what was sent, expected and got', async (t) => {
  const teapot = createServer((_, response) => response.writeHead(418).end('short and <stout>'))
  const { code, stdout } = await conformance(t, '--url', await listen(t, teapot), '--filter', 'R-020')
  t.equal(code, 1)
  t.match(stdout, /^ {4}GET \/v2\/: expected 200 or 401, got 418 "short and <stout>"$/m)
  const xml = readFileSync(join(t.testdirName, 'deep', 'junit.xml'), 'utf8')
  t.match(xml, /<failure type="MUST" message="GET [^"]+ got 418 &quot;short and &lt;stout&gt;&quot;">/)
})
