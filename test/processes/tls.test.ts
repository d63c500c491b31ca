import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { connect, type TLSSocket } from 'node:tls'
import { hash } from 'bcrypt'
import t from 'tap'
import { type RunningServer, startBerth } from '../integration/support/processes.ts'
import { eventually } from '../integration/support/verdict.ts'
import { workersOf } from '../integration/support/workers.ts'

/** For these tests alone: a certificate for 127.0.0.1 that nobody trusts. */
const CERTIFICATE = join(import.meta.dirname, 'tls', 'localhost.crt')
const KEY = join(import.meta.dirname, 'tls', 'localhost.key')
const ca = readFileSync(CERTIFICATE)

function start(
  certificate = CERTIFICATE,
  key = KEY,
  env: Record<string, string> = {}
): Promise<RunningServer> {
  return startBerth({
    env: {
      REGISTRY_HTTP_PROCESSES: '3',
      REGISTRY_HTTP_TLS_CERTIFICATE: certificate,
      REGISTRY_HTTP_TLS_KEY: key,
      ...env
    }
  })
}

async function statusOf(port: number): Promise<number | undefined> {
  return (await ask(port, '/v2/')).status
}

function ask(
  port: number,
  path: string,
  authorization?: string
): Promise<{ status: number | undefined; text: string }> {
  const headers = authorization === undefined ? {} : { authorization }
  const trust = authorization === undefined ? { ca } : { rejectUnauthorized: false }
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path, headers, agent: false, ...trust }, async (answer) => {
      resolve({ status: answer.statusCode, text: Buffer.concat(await answer.toArray()).toString() })
    })
      .on('error', reject)
      .end()
  })
}

/** Connects, and gives whether a former session went on, and the new one if there is one. */
function session(port: number, former?: Buffer): Promise<{ reused: boolean; next: Buffer | undefined }> {
  return new Promise((resolve, reject) => {
    let next: Buffer | undefined
    let reused = false
    const socket: TLSSocket = connect({ host: '127.0.0.1', port, ca, session: former }, () => {
      reused = socket.isSessionReused()
      socket.write('GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n')
      socket.resume()
    })
    socket.on('session', (ticket) => {
      next = ticket
    })
    socket.once('close', () => resolve({ reused, next }))
    socket.once('error', reject)
  })
}

t.test('with a certificate and its key it speaks TLS, and a session goes on in any process', async (t) => {
  const server = await start()
  t.teardown(() => server.stop())
  t.equal(await statusOf(server.port), 200)
  const { next, reused } = await session(server.port)
  t.equal(reused, false)
  for (let i = 0; i < 20; i += 1) t.equal((await session(server.port, next)).reused, true)
})

t.test('a certificate that is not there, or is none, is told of with its variable', async (t) => {
  await t.rejects(start('/nowhere.crt', '/nowhere.key'), {
    message:
      /berth cannot start: http.tls.certificate \(REGISTRY_HTTP_TLS_CERTIFICATE\): \/nowhere.crt cannot be read \(ENOENT\).*\n.*REGISTRY_HTTP_TLS_KEY\): \/nowhere.key/
  })
})

/** The serial number of the certificate that a new connection gets. */
function serialNumber(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().serialNumber)
      socket.destroy()
    })
    socket.once('error', reject)
  })
}

t.test('a renewed certificate is taken up by all processes, and tokens stay good', async (t) => {
  const folder = t.testdir({ htpasswd: `user:${await hash('password', 4)}\n` })
  const [certificate, key] = [join(folder, 'tls.crt'), join(folder, 'tls.key')]
  copyFileSync(CERTIFICATE, certificate)
  copyFileSync(KEY, key)
  const server = await start(certificate, key, {
    REGISTRY_AUTH: 'htpasswd',
    REGISTRY_AUTH_HTPASSWD_PATH: join(folder, 'htpasswd'),
    REGISTRY_HTTP_SECRET: 'a secret for this test'
  })
  t.teardown(() => server.stop())
  const { port } = server
  const basic = `Basic ${Buffer.from('user:password').toString('base64')}`
  const token = JSON.parse((await ask(port, '/openshift/token', basic)).text).token
  const former = await serialNumber(port)

  copyFileSync(join(import.meta.dirname, '../kubernetes/tls/server.key'), key) // half of a renewal changes nothing
  await pause(6000)
  t.equal(await serialNumber(port), former)
  copyFileSync(join(import.meta.dirname, '../kubernetes/tls/server.crt'), certificate)
  await pause(6000)
  for (let count = 0; count < 12; count++) {
    t.not(await serialNumber(port), former)
    t.equal((await ask(port, '/v2/', `Bearer ${token}`)).status, 200)
  }
  t.match(server.log(), 'the former TLS files stay in use')
  t.match(server.log(), 'the TLS files have changed')
})

t.test('a process that takes the place of another goes on with what is in use', async (t) => {
  const folder = t.testdir({ htpasswd: `user:${await hash('password', 4)}\n` })
  const [certificate, key, users] = ['tls.crt', 'tls.key', 'htpasswd'].map((name) => join(folder, name)) as [
    string,
    string,
    string
  ]
  copyFileSync(CERTIFICATE, certificate)
  copyFileSync(KEY, key)
  const server = await start(certificate, key, {
    REGISTRY_HTTP_PROCESSES: '2',
    REGISTRY_AUTH: 'htpasswd',
    REGISTRY_AUTH_HTPASSWD_PATH: users,
    REGISTRY_HTTP_SECRET: 'a secret for this test'
  })
  t.teardown(() => server.stop())
  const { port } = server
  const basic = `Basic ${Buffer.from('user:password').toString('base64')}`
  const former = await serialNumber(port)
  copyFileSync(join(import.meta.dirname, '../kubernetes/tls/server.key'), key)
  rmSync(users)
  for (let round = 0; round < 2; round++) {
    const [victim = 0] = workersOf(server)
    process.kill(victim, 'SIGKILL')
    await eventually(() => server.log().split('serves again').length === round + 2, 20_000)
  }
  // Both of them have read nothing themselves.
  for (let count = 0; count < 8; count++) {
    t.equal(await serialNumber(port), former)
    t.equal((await ask(port, '/v2/', basic)).status, 200)
  }
  t.match(server.log(), /goes on with what the others hold: http.tls.key/)
  t.match(server.log(), /goes on with what the others hold: the htpasswd file/)
  t.notMatch(server.log(), /cannot start|PRIVATE KEY|\$2/)

  for (const worker of workersOf(server)) process.kill(worker, 'SIGKILL')
  await eventually(
    () => /level=fatal msg="process . of 2 cannot start: http.tls.key/.test(server.log()),
    20_000
  )
  copyFileSync(KEY, key)
  writeFileSync(users, `user:${await hash('password', 4)}\n`)
  await eventually(() => server.log().split('serves again').length > 4, 20_000)
  t.equal((await ask(port, '/v2/', basic)).status, 200)
})
