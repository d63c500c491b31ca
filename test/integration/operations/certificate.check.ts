// The certificate and its key are replaced while clients push and pull over TLS, with logins by htpasswd: as a kubelet
// replaces a Secret, and file by file. Nobody notices, but that new connections are shown the new certificate.
// --times 20 for more than two; --seed N
import { X509Certificate } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { TLSSocket } from 'node:tls'
import { type Client, createClient } from '../support/client.ts'
import { createConfigMap } from '../support/config-map.ts'
import { createLedger } from '../support/ledger.ts'
import { loginSettings } from '../support/logins.ts'
import { CHECKOUT, scratch, startBerth } from '../support/processes.ts'
import { seeded } from '../support/random.ts'
import type { World } from '../support/traffic.ts'
import { createUsages } from '../support/usage.ts'
import { createVerdict, numberOption } from '../support/verdict.ts'

const CLIENTS = 16
const LOGIN = { username: 'alice', password: 'a password for this check' }
/** From then on every process shows the new certificate. */
const LIMIT_MS = 10_000
/** Between the two files of a renewal that is not done in one step. */
const HALF_MS = 1500

const times = numberOption('times', 2)
const seed = numberOption('seed', 1)
const random = seeded(`certificate ${seed}`)
const verdict = createVerdict()

const pem = (path: string): string => readFileSync(join(CHECKOUT, 'test', path), 'utf8')
const [one, other] = [
  { certificate: pem('processes/tls/localhost.crt'), key: pem('processes/tls/localhost.key') },
  { certificate: pem('kubernetes/tls/server.crt'), key: pem('kubernetes/tls/server.key') }
]
type Pair = typeof one
const filesOf = ({ certificate, key }: Pair) => ({ 'tls.crt': certificate, 'tls.key': key })
const secret = createConfigMap(scratch(), filesOf(one))
const tls = { ca: [one.certificate, pem('kubernetes/tls/ca.crt')] }
const server = await startBerth({
  env: {
    ...(await loginSettings(LOGIN)),
    REGISTRY_HTTP_SECRET: 'a secret for this check',
    REGISTRY_HTTP_TLS_CERTIFICATE: secret.path('tls.crt'),
    REGISTRY_HTTP_TLS_KEY: secret.path('tls.key'),
    REGISTRY_HTTP_PROCESSES: '3',
    REGISTRY_LOG_ACCESSLOG_DISABLED: 'true'
  }
})

/** Serial numbers that new connections were shown, with when that was. */
const shown: { serial: string; ms: number }[] = []
let keptConnections = 0
let keptEndings = 0
const basic = `Basic ${Buffer.from(`${LOGIN.username}:${LOGIN.password}`).toString('base64')}`
const kept: Client[] = []
const world: World = {
  connect: () => connect({ isKept: false, isToken: false }),
  ledger: createLedger(),
  sizes: [100, 1000, 10_000, 100_000, 1_000_000],
  parked: [],
  contents: [],
  isSettled: false,
  killed: false,
  expects: () => false,
  figures: {}
}
const usages = createUsages(world, CLIENTS, random, verdict, (id) =>
  connect({ isKept: id % 2 === 0, isToken: id % 4 < 2 })
)
let isOver = false
verdict.note(`seed ${seed}, ${times} times, ${CLIENTS} clients`)
await Promise.all([usages.goOnUntil(() => isOver), look(), replaceAgainAndAgain()])

verdict.check(verdict.failures() === 0, `no request failed while the certificate was replaced ${times} times`)
verdict.check(keptEndings === 0, `none of ${keptConnections} kept connections was ended`, keptEndings)
for (const client of kept) client.close()
verdict.check(await usages.judge(), 'nothing acknowledged is lost, and nothing removed is back')
usages.close()
await server.stop()

/** Half of the clients keep their connections, half take a new one for each request; half of each log in with tokens. */
function connect({ isKept, isToken }: { isKept: boolean; isToken: boolean }): Client {
  const client = createClient(server.url, {
    tls,
    keepAlive: isKept,
    ...(!isToken && { headers: () => ({ authorization: basic }) }),
    onConnect(socket) {
      if (!isKept) return show(socket)
      keptConnections += 1
      socket.once('close', () => {
        keptEndings += 1
      })
    }
  })
  if (isKept) kept.push(client)
  const own = isToken ? withTokens(client) : client
  return isKept ? { ...own, close: () => {} } : own
}

/** As docker does it: a token for what the path is about, and the same one again for a while. */
function withTokens(client: Client): Client {
  const tokens = new Map<string, { token: string; until: number }>()
  async function authorization(path: string): Promise<string> {
    const { pathname, searchParams } = new URL(path, 'http://registry')
    const name = /^\/v2\/(.+?)\/(?:blobs|manifests|tags)\//.exec(pathname)?.[1]
    const scopes = name === undefined ? ['registry:catalog:*'] : [`repository:${name}:pull,push,delete`]
    const from = searchParams.get('from')
    if (from !== null) scopes.push(`repository:${from}:pull`)
    const query = scopes.map((scope) => `scope=${encodeURIComponent(scope)}`).join('&')
    const known = tokens.get(query)
    if (known !== undefined && known.until > Date.now()) return known.token
    const { status, body } = await client.request('GET', `/openshift/token?service=berth&${query}`, {
      headers: { authorization: basic }
    })
    verdict.must(status === 200, 'a login gets a token', `${status} ${body}`)
    const token = `Bearer ${JSON.parse(body.toString()).token}`
    tokens.set(query, { token, until: Date.now() + random.between(1000, 20_000) })
    return token
  }
  return {
    async request(method, path, options = {}) {
      const headers = { authorization: await authorization(path), ...options.headers }
      return client.request(method, path, { ...options, headers })
    },
    async pull(path) {
      return client.pull(path, { authorization: await authorization(path) })
    },
    close: client.close
  }
}

/** A session that goes on is not shown a certificate. */
function show(socket: Socket): void {
  if (!(socket instanceof TLSSocket) || socket.isSessionReused()) return
  shown.push({ serial: socket.getPeerCertificate().serialNumber, ms: performance.now() })
}

/** New connections all the time, so that each process is seen. */
async function look(): Promise<void> {
  const client = createClient(server.url, {
    tls: { ...tls, maxCachedSessions: 0 },
    keepAlive: false,
    onConnect: show
  })
  while (!isOver) {
    const { status } = await client.request('GET', '/healthz')
    verdict.must(status === 200, 'it is healthy', status)
    await sleep(50)
  }
}

async function replaceAgainAndAgain(): Promise<void> {
  await sleep(2000)
  for (let time = 0; time < times && verdict.failures() === 0; time += 1) {
    const next = time % 2 === 0 ? other : one
    const way = await replace(next, time)
    const since = performance.now()
    await sleep(LIMIT_MS + 2000)
    const { serialNumber } = new X509Certificate(next.certificate)
    const late = shown.filter(({ serial, ms }) => serial !== serialNumber && ms > since)
    const ms = Math.round((late.at(-1)?.ms ?? since) - since)
    const isShown = shown.at(-1)?.serial === serialNumber
    verdict.check(
      isShown && ms < LIMIT_MS,
      `${way}: the last new connection with the former certificate is ${ms} ms later, of ${shown.length}`
    )
    shown.length = 0
  }
  isOver = true
}

async function replace(next: Pair, time: number): Promise<string> {
  if (time % 2 === 0) {
    secret.replace(filesOf(next))
    return 'replaced as a Secret is'
  }
  const files = filesOf(next)
  const order = time % 4 === 1 ? (['tls.crt', 'tls.key'] as const) : (['tls.key', 'tls.crt'] as const)
  for (const [index, name] of order.entries()) {
    if (index > 0) await sleep(HALF_MS)
    writeFileSync(secret.path(name), files[name])
  }
  return `replaced file by file, ${order.join(' before ')}`
}
