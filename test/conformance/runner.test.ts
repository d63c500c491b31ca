import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { join } from 'node:path'
import t from 'tap'
import type { Case, Stage } from '../../conformance/case.ts'
import { CASES } from '../../conformance/cases.ts'
import { type ClientOptions, createClient } from '../../conformance/client.ts'
import { createRandom } from '../../conformance/content.ts'
import { fail, skip } from '../../conformance/expect.ts'
import { parseChallenges } from '../../conformance/login.ts'
import { junit } from '../../conformance/report/junit.ts'
import { type Result, runCases } from '../../conformance/runner.ts'
import { listen } from './support.ts'

const registry = new URL('http://127.0.0.1:1')

function caseOf(id: string, run: (stage: Stage) => Promise<void>): Case {
  return { id, level: 'MUST', section: 'Section', title: `title of ${id}`, run }
}

t.test('what a case ends with is what happened to it', async (t) => {
  const client = createClient({ timeoutMs: 1000 })
  t.teardown(() => client.close())
  const cases = [
    caseOf('pass', async ({ note }) => note('a remark')),
    caseOf('fail', async () => fail('it is wrong')),
    caseOf('skip', async () => skip('it does not')),
    caseOf('unreachable', async ({ repository }) => void (await repository.get('tags/list'))),
    caseOf('fault', async () => {
      throw new TypeError('of the suite')
    })
  ]
  const heard: string[] = []
  const subject = { registry, client, credentials: undefined, repository: 'a', seed: 's' }
  const results = await runCases(cases, subject, ({ id }) => heard.push(id))
  t.match(results, [
    { id: 'pass', status: 'pass', message: '', notes: ['a remark'] },
    { id: 'fail', status: 'fail', message: 'it is wrong' },
    { id: 'skip', status: 'skip', message: 'it does not' },
    { id: 'unreachable', status: 'error', message: /ECONNREFUSED/ },
    { id: 'fault', status: 'error', message: /a fault of the suite: TypeError: of the suite\n +at / }
  ])
  t.strictSame(heard.toSorted(), cases.map(({ id }) => id).toSorted())
})

async function judge(
  url: string,
  numbers: RegExp,
  { seed = 'seed', ...options }: Partial<ClientOptions> & { seed?: string } = {}
): Promise<Result[]> {
  const client = createClient({ timeoutMs: 5000, ...options })
  const cases = CASES.filter(({ id }) => numbers.test(id))
  const subject = { registry: new URL(url), client, credentials: undefined, repository: 'team/judged', seed }
  return runCases(cases, subject).finally(() => client.close())
}

t.test('a registry that never answers fails, and holds nothing up', async (t) => {
  const silent = createServer(() => {})
  const results = await judge(await listen(t, silent), /R-020|R-050|A-01/, { timeoutMs: 100 })
  t.match(results, [
    { id: 'R-020', status: 'fail', message: 'GET /v2/: no answer within 100 ms' },
    { id: 'R-050', status: 'fail' },
    { id: 'A-01', status: 'fail' }
  ])
})

t.test('a registry that takes no pushes is not judged by them', async (t) => {
  const readOnly = createServer((_, response) => response.writeHead(405).end())
  const results = await judge(await listen(t, readOnly), /R-04|R-12/)
  t.strictSame(new Set(results.map(({ status }) => status)), new Set(['skip']))
  t.match(results[0]?.message, /the registry takes no pushes: POST .*: 405/)
})

t.test('over HTTPS it believes who signed the certificate, or anybody when it is told to', async (t) => {
  const [cert, key] = ['localhost.crt', 'localhost.key'].map((file) =>
    readFileSync(join(import.meta.dirname, '..', 'processes', 'tls', file), 'utf8')
  ) as [string, string]
  const server = createTlsServer({ cert, key }, (_, response) => response.end('{}'))
  const url = await listen(t, server)
  t.match(await judge(url, /R-020/, { ca: cert }), [{ status: 'pass' }])
  t.match(await judge(url, /R-020/, { insecure: true }), [{ status: 'pass' }])
  t.match(await judge(url, /R-020/), [{ status: 'error', message: /certificate/ }])
})

t.test('a seed decides every name and every byte', async (t) => {
  const heard: string[] = []
  const recorder = createServer((request, response) => {
    heard.push(`${request.method} ${request.url}`)
    const location = { location: '/v2/a/blobs/uploads/00000000-0000-0000-0000-000000000000' }
    response.writeHead(request.method === 'POST' ? 202 : 201, location).end()
  })
  const url = await listen(t, recorder)
  const runs: string[][] = []
  for (const seed of ['one', 'one', 'two']) {
    await judge(url, /R-030/, { seed })
    runs.push(heard.splice(0))
  }
  t.equal(runs[0]?.[0], 'POST /v2/team/judged/one/r-030/blobs/uploads/')
  t.strictSame(runs[0], runs[1])
  t.not(String(runs[0]), String(runs[2]).replaceAll('/two/', '/one/'))
})

t.test('credentials stay with the registry that they are for', async (t) => {
  const heard: (string | undefined)[] = []
  const elsewhere = await listen(
    t,
    createServer(({ headers }, response) => {
      heard.push(headers.authorization)
      response.end('{}')
    })
  )
  const redirecting = createServer((_, response) => response.writeHead(307, { location: elsewhere }).end())
  const client = createClient({ timeoutMs: 1000 })
  t.teardown(() => client.close())
  const answer = await client.send('GET', new URL(await listen(t, redirecting)), {
    headers: { authorization: 'Basic x', accept: 'y' }
  })
  t.equal(answer.status, 200)
  t.strictSame(heard, [undefined])
})

t.test('JUnit can read what a registry said, whatever that was', async (t) => {
  const result: Result = {
    id: 'R-001',
    level: 'MUST',
    section: 'A & B',
    title: 'a "title"',
    status: 'fail',
    message: 'got <x>\u0000\u001b[1m \ud800\nmore',
    notes: ['n < m'],
    durationMs: 1500
  }
  const xml = junit(registry, [result, { ...result, status: 'error' }, { ...result, status: 'skip' }])
  t.match(xml, /<testsuite [^>]*tests="3" failures="1" errors="1" skipped="1" time="4.500">/)
  t.match(xml, '<testcase name="R-001: a &quot;title&quot;" classname="A &amp; B" time="1.500">')
  t.match(xml, 'message="got &lt;x&gt;\ufffd\ufffd[1m \ufffd&#10;more"')
  t.match(xml, '<system-out>n &lt; m</system-out>')
  t.match(xml, /<error type="MUST"[\s\S]*<skipped message="got/)
})

t.test('content is random, and the same again', async (t) => {
  const [a, b, c] = [createRandom('a'), createRandom('a'), createRandom('c')]
  const first = a.bytes(40)
  t.equal(first.length, 40)
  t.equal(a.bytes(0).length, 0)
  t.strictSame(b.bytes(40), first)
  t.notSame(a.bytes(40), first)
  t.notSame(c.bytes(40), first)
  t.match(a.word(), /^[a-z0-9]{8}$/)
  t.match(a.digest('sha512'), /^sha512:[0-9a-f]{128}$/)
})

t.test('challenges are read as clients read them', async (t) => {
  const read = (text: string) =>
    parseChallenges({
      sent: '',
      url: registry,
      status: 401,
      headers: { 'www-authenticate': text },
      body: Buffer.alloc(0)
    })
  t.strictSame(read('Bearer realm="https://a/t",service="s",scope="repository:a/b:pull,push x:y:z"'), [
    {
      scheme: 'bearer',
      parameters: { realm: 'https://a/t', service: 's', scope: 'repository:a/b:pull,push x:y:z' }
    }
  ])
  t.strictSame(read('Bearer realm="r", Basic realm="say \\"b\\"", charset=UTF-8'), [
    { scheme: 'bearer', parameters: { realm: 'r' } },
    { scheme: 'basic', parameters: { realm: 'say "b"', charset: 'UTF-8' } }
  ])
  t.strictSame(read(''), [])
})
