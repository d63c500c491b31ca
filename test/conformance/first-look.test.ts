import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createClient } from '../../conformance/client.ts'
import { lookAt } from '../../conformance/first-look.ts'
import { BadUsage } from '../../conformance/options.ts'
import { listen } from './support.ts'

const ALICE = { username: 'alice', password: 'secret' }

function look(t: Test, url: string, credentials?: typeof ALICE, timeoutMs = 20_000): Promise<boolean> {
  const client = createClient({ timeoutMs })
  t.teardown(() => client.close())
  return lookAt({ registry: new URL(url), client, credentials, repository: 'team/judged', seed: 'seed' })
}

type Says = (request: IncomingMessage) => [status: number, headers?: Record<string, string>, body?: string]

/** The address of a server that says so. */
function saying(t: Test, says: Says): Promise<string> {
  const server = createServer((request, response) => {
    const [status, headers = {}, body = ''] = says(request)
    response.writeHead(status, headers).end(body)
  })
  return listen(t, server)
}

const BASIC = { 'www-authenticate': 'Basic realm="x"' }
const NO_LOGIN = /asks for a login: --username and --password say whom to log in as/

t.test('a registry that lets the suite push is judged, with a login and without', async (t) => {
  const deleted: (string | undefined)[] = []
  const push: Says = ({ method, url }) => {
    if (method === 'DELETE') deleted.push(url)
    return method === 'POST' ? [202, { location: '/v2/a/blobs/uploads/1' }] : [200]
  }
  t.equal(await look(t, await saying(t, push)), false, 'it asks for none')
  t.equal(await look(t, await saying(t, push), ALICE), false)
  const closed: Says = (request) => (request.headers.authorization ? push(request) : [401, BASIC])
  t.equal(await look(t, await saying(t, closed), ALICE), true)
  const closedToPushes: Says = (request) => (request.method === 'GET' ? [200] : closed(request))
  t.equal(await look(t, await saying(t, closedToPushes), ALICE), true)
  t.strictSame(new Set(deleted), new Set(['/v2/a/blobs/uploads/1']), 'nothing is left')
  t.equal(await look(t, await saying(t, ({ method }) => [method === 'GET' ? 200 : 405])), false, 'read only')
})

t.test('a login that is missing, wrong or too little is said once', async (t) => {
  const cases: [RegExp, Says, typeof ALICE?][] = [
    [NO_LOGIN, () => [401, BASIC]],
    [NO_LOGIN, ({ method }) => (method === 'GET' ? [200] : [401, BASIC])],
    [NO_LOGIN, ({ method }) => [method === 'GET' ? 200 : 403]],
    [/does not take this login \(GET \/v2\/: 401\)/, () => [401, BASIC], ALICE],
    [
      /alice may not push below team\/judged \(POST \/v2\/team\/judged\/seed\/look\/.*: 403 "no"\)/,
      ({ method, headers }) =>
        headers.authorization ? (method === 'GET' ? [200] : [403, {}, 'no']) : [401, BASIC],
      ALICE
    ]
  ]
  for (const [message, says, credentials] of cases) {
    await t.rejects(look(t, await saying(t, says), credentials), { constructor: BadUsage, message })
  }
})

t.test('a token that opens too little is as good as none', async (t) => {
  // As berth: anybody gets one, and with it GET /v2/ is 200.
  const tokens: Says = ({ method, url, headers }) => {
    if (url === '/token') return [200, {}, '{"token":"x"}']
    if (headers.authorization && method === 'GET') return [200]
    return [401, { 'www-authenticate': `Bearer realm="http://${headers.host}/token"` }]
  }
  await t.rejects(look(t, await saying(t, tokens)), { message: NO_LOGIN })
  const none: Says = (request) => (request.url === '/token' ? [401] : tokens(request))
  await t.rejects(look(t, await saying(t, none)), { message: NO_LOGIN })
  await t.rejects(look(t, await saying(t, none), ALICE), { message: /does not take this login .*no token/ })
})

t.test('what is no registry is said to be none, in one sentence', async (t) => {
  const [cert, key] = ['localhost.crt', 'localhost.key'].map((file) =>
    readFileSync(join(import.meta.dirname, '..', 'processes', 'tls', file))
  )
  const plain = await saying(t, () => [404, {}, 'no'])
  const silent = createServer(() => {})
  const closing = createServer(({ socket }) => socket.destroy())
  const overTls = createTlsServer({ cert, key } as { cert: Buffer; key: Buffer })
  for (const [message, url] of [
    [/is no registry: GET \/v2\/ is 404 "no"$/, plain],
    [/^nobody listens at http:\/\/127.0.0.1:1$/, 'http://127.0.0.1:1'],
    [/does not answer .*: is it https\?$/, await listen(t, closing)],
    [/does not speak TLS/, plain.replace('http:', 'https:')],
    [/not trusted \(self-signed certificate\): --ca names .*, --insecure/, await listen(t, overTls)]
  ] as const) {
    await t.rejects(look(t, url), { constructor: BadUsage, message }, url)
  }
  await t.rejects(look(t, await listen(t, silent), undefined, 300), {
    constructor: BadUsage,
    message: /does not answer \(GET \/v2\/: no answer within 300 ms\)$/
  })
})
