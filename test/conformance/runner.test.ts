import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { join } from 'node:path'
import t from 'tap'
import type { Case, Stage } from '../../conformance/case.ts'
import { CASES } from '../../conformance/cases.ts'
import { type ClientOptions, createClient } from '../../conformance/client.ts'
import { createRandom } from '../../conformance/content.ts'
import { fail, locationOf, must, needs, skip } from '../../conformance/expect.ts'
import { parseChallenges } from '../../conformance/login.ts'
import { json, junit, type Run } from '../../conformance/report/files.ts'
import { printTable } from '../../conformance/report/table.ts'
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
    caseOf('unset', async ({ repository }) => void (await repository.pushBlob())),
    caseOf('fault', async () => {
      throw new TypeError('of the suite')
    })
  ]
  const subject = { registry, client, credentials: undefined, repository: 'a', seed: 's' }
  const results = await runCases(cases, subject)
  t.match(results, [
    { id: 'pass', status: 'pass', message: '', notes: ['a remark'] },
    { id: 'fail', status: 'fail', message: 'it is wrong' },
    { id: 'skip', status: 'skip', message: 'it does not' },
    { id: 'unreachable', status: 'error', message: /ECONNREFUSED/ },
    { id: 'unset', status: 'error', message: /ECONNREFUSED/ },
    { id: 'fault', status: 'error', message: /a fault of the suite: TypeError: of the suite\n +at / }
  ])
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

t.test('a registry that never answers is not judged, and soon not waited for', async (t) => {
  let connections = 0
  const silent = createServer(() => {}).on('connection', () => {
    connections += 1
  })
  const results = await judge(await listen(t, silent), /./, { timeoutMs: 100 })
  t.strictSame(new Set(results.map(({ status }) => status)), new Set(['error']))
  t.match(results[0]?.message, 'POST /v2/team/judged/seed/r-001/blobs/uploads/: no answer within 100 ms')
  t.match(results.at(-1), { id: 'M-14', message: 'not run: the registry had ceased to answer' })
  t.ok(connections < 16, 'once for each of those that run at a time, and some in between')
})

t.test('a run that is interrupted ends what it began, and begins no more', async (t) => {
  const client = createClient({ timeoutMs: 1000 })
  t.teardown(() => client.close())
  const interrupt = new AbortController()
  const cases = Array.from({ length: 20 }, (_, n) => caseOf(`case ${n}`, async () => interrupt.abort()))
  const subject = { registry, client, credentials: undefined, repository: 'a', seed: 's' }
  const results = await runCases(cases, subject, interrupt.signal)
  t.match(results, [{ status: 'pass' }, { status: 'error', message: 'not run: the run was interrupted' }])
  t.equal(results.length, 20)
})

t.test('an answer that breaks off fails, and so does one without end, or that is no HTTP', async (t) => {
  const cut = createServer((_, response) => {
    response.writeHead(200, { 'content-length': '100' }).write('{', () => response.destroy())
  })
  t.match(await judge(await listen(t, cut), /R-020/), [
    { status: 'fail', message: /: the answer, of 100 bytes, broke off \(200, / }
  ])
  const noHttp = createServer(({ socket }) => socket.end('SSH-2.0\r\n'))
  t.match(await judge(await listen(t, noHttp), /R-020/), [{ status: 'fail', message: /Expected HTTP/ }])
  const endless = createServer((_, response) => {
    const more = (): void => {
      while (!response.destroyed && response.write(Buffer.alloc(1024 * 1024))) {}
    }
    response.on('drain', more)
    more()
  })
  t.match(await judge(await listen(t, endless), /R-020/), [
    { status: 'fail', message: /200 with a body without end \(over 33554432 bytes\)/ }
  ])
})

t.test('what the suite may not do, or the registry fails at itself, judges nothing', async (t) => {
  const statuses = { '/refused': 403, '/hurried': 429, '/broken': 500, '/lacking': 501 }
  const server = createServer(({ url = '' }, response) => {
    response.writeHead(statuses[url as keyof typeof statuses] ?? 404).end()
  })
  const client = createClient({ timeoutMs: 1000 })
  t.teardown(() => client.close())
  const get = (path: string) => (stage: Stage) => stage.repository.get(path)
  const bare = (path: string) => (stage: Stage) => stage.bare('GET', new URL(path, stage.registry))
  const table = [
    [must, get('/refused'), 'error'],
    [needs, get('/refused'), 'error'],
    [must, get('/hurried'), 'error'],
    [must, bare('/refused'), 'fail'],
    [needs, bare('/refused'), 'skip'],
    [must, get('/broken'), 'fail'],
    [needs, get('/broken'), 'error'],
    [needs, get('/lacking'), 'skip'],
    [must, get('/absent'), 'fail']
  ] as const
  const cases = table.map(([judged, ask], n) =>
    caseOf(`case ${n}`, async (stage) => judged(await ask(stage), { status: 200 }))
  )
  const subject = { registry: new URL(await listen(t, server)), client, credentials: undefined }
  const results = await runCases(cases, { ...subject, repository: 'a', seed: 's' })
  t.strictSame(
    results.map(({ status }) => status),
    table.map(([, , status]) => status)
  )
})

t.test('what a case made is taken away again, or named', async (t) => {
  const location = { location: '/v2/a/blobs/uploads/1?state=2' }
  const deleted: (string | undefined)[] = []
  const server = createServer(({ method, url }, response) => {
    if (method === 'DELETE') deleted.push(url)
    if (method === 'POST') response.writeHead(202, { location: `${url}1?state=1` }).end()
    else if (method === 'PATCH') response.writeHead(202, location).end()
    else if (method === 'PUT') response.writeHead(201).end()
    else response.writeHead(url?.includes('uploads') ? 204 : 405).end()
  })
  const client = createClient({ timeoutMs: 1000 })
  t.teardown(() => client.close())
  const registry = new URL(await listen(t, server))
  const leaving = caseOf('X', async ({ repository, bare }) => {
    await repository.putManifest('sha256:1', { bytes: Buffer.from('{}'), digest: '', mediaType: 'a/b' })
    await repository.putManifest('sha256:2', { bytes: Buffer.from('{}'), digest: '', mediaType: 'a/b' })
    const upload = new URL('/v2/a/blobs/uploads/', registry)
    await repository.patch(locationOf(await bare('POST', upload)), Buffer.from('x'))
    await bare('POST', new URL('/v2/b/blobs/uploads/', registry))
  })
  const subject = { registry, client, credentials: undefined, repository: 'a', seed: 's' }
  const [result] = await runCases([leaving], subject)
  const uploads = [location.location, '/v2/b/blobs/uploads/1?state=1']
  t.strictSame(deleted, [...uploads, '/v2/a/s/x/manifests/sha256:1'], 'one refusal speaks for all')
  t.strictSame(result?.left, ['/v2/a/s/x/manifests/sha256:1', '/v2/a/s/x/manifests/sha256:2'])
  const lines: string[] = []
  printTable([result as Result], (line) => lines.push(line))
  t.match(lines.join('\n'), 'Left behind, since the registry does not delete it: manifests (2)')
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
    left: [],
    durationMs: 1500
  }
  const run: Run = {
    registry: 'berth & co',
    seed: 'word',
    started: new Date(0),
    durationMs: 2000,
    results: [result, { ...result, status: 'error' }, { ...result, status: 'skip' }]
  }
  const xml = junit(run)
  t.match(xml, /<testsuites tests="3" failures="1" errors="1" skipped="1" time="2.000">/)
  t.match(
    xml,
    '<testsuite name="conformance of berth &amp; co" timestamp="1970-01-01T00:00:00.000Z" tests="3"'
  )
  t.match(xml, '<properties><property name="seed" value="word"/></properties>')
  t.match(xml, '<testcase name="R-001: a &quot;title&quot;" classname="A &amp; B" time="1.500">')
  t.match(xml, '<property name="level" value="MUST"/>')
  t.match(JSON.parse(json(run)), {
    suite: /^berth \d/,
    started: '1970-01-01T00:00:00.000Z',
    durationMs: 2000
  })
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
