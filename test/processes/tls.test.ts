import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import t from 'tap'
import { type RunningServer, startBerth } from '../integration/support/processes.ts'

/** For these tests alone: a certificate for 127.0.0.1 that nobody trusts. */
const CERTIFICATE = join(import.meta.dirname, 'tls', 'localhost.crt')
const KEY = join(import.meta.dirname, 'tls', 'localhost.key')
const ca = readFileSync(CERTIFICATE)

function start(certificate = CERTIFICATE): Promise<RunningServer> {
  return startBerth({
    env: {
      REGISTRY_HTTP_PROCESSES: '3',
      REGISTRY_HTTP_TLS_CERTIFICATE: certificate,
      REGISTRY_HTTP_TLS_KEY: KEY
    }
  })
}

function statusOf(port: number): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path: '/v2/', ca, agent: false }, (answer) => {
      answer.resume()
      resolve(answer.statusCode)
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
  await t.rejects(start('/nowhere.crt'), { message: /REGISTRY_HTTP_TLS_CERTIFICATE: ENOENT/ })
  await t.rejects(start(KEY), { message: /berth cannot start: .*REGISTRY_HTTP_TLS_CERTIFICATE/s })
})
