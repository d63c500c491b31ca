import { readFileSync } from 'node:fs'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { type ConnectionOptions, connect } from 'node:tls'
import t, { type Test } from 'tap'
import type { ClientAuth } from '../../src/http/tls.ts'
import { fileLogger, type Line } from '../operations/logs/support.ts'
import { berth, listen } from './support.ts'

const OWN = join(import.meta.dirname, '../processes/tls')
const OTHERS = join(import.meta.dirname, '../kubernetes/tls')
const cert = readFileSync(join(OWN, 'localhost.crt'))
const key = readFileSync(join(OWN, 'localhost.key'))
const ca = readFileSync(join(OTHERS, 'ca.crt'))
const CLIENT = {
  cert: readFileSync(join(OTHERS, 'client.crt')),
  key: readFileSync(join(OTHERS, 'client.key'))
}

async function world(t: Test, clientauth?: ClientAuth | 'no TLS', level: 'info' | 'debug' = 'info') {
  const { logger, lines } = fileLogger(t, { level })
  const tls = { cert, key, minVersion: 'TLSv1.3' as const, ca: [ca], clientauth: clientauth as ClientAuth }
  const port = await listen(
    await berth(t, { logger, accessLog: true, ...(clientauth !== 'no TLS' && { tls }) })
  )
  return {
    lines,
    /** What plain text is answered. */
    async plain(text: string | Buffer): Promise<string> {
      const socket = createConnection({ port, host: '127.0.0.1' })
      socket.on('error', () => {})
      socket.end(text)
      return Buffer.concat(await socket.toArray().catch(() => [])).toString()
    },
    async secure(
      options: ConnectionOptions = {},
      text = 'GET /v2/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'
    ) {
      const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options })
      socket.on('error', () => {})
      socket.write(text)
      let answer = ''
      socket.on('data', (chunk) => {
        answer += chunk
      })
      await new Promise((resolve) => socket.once('close', resolve))
      return answer
    },
    async told(): Promise<Line[]> {
      while (lines().length === 0) await new Promise((resolve) => setTimeout(resolve, 10))
      return lines()
    }
  }
}

const refused = (reason: string) => [
  {
    level: 'warn',
    msg: `a connection from 127.0.0.1 was refused: ${reason}`,
    error: undefined,
    stack: undefined
  }
]

t.test('plain HTTP on a port of HTTPS is answered, and told of', async (t) => {
  const { plain, told } = await world(t)
  const answer = await plain('GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n')
  t.match(answer, /^HTTP\/1.0 400 .*\r\n\r\nClient sent an HTTP request to an HTTPS server.\n$/s)
  t.match(await told(), refused('it speaks plain HTTP, and this port HTTPS'))
})

t.test('TLS on a port of plain HTTP is told of', async (t) => {
  const { secure, told } = await world(t, 'no TLS')
  await secure()
  t.match(await told(), refused('it speaks TLS, and this port plain HTTP'))
})

t.test('what is no HTTP is told of, without what it said', async (t) => {
  const { plain, told } = await world(t, 'no TLS')
  t.match(await plain('password\r\n\r\n'), /^HTTP\/1.1 400 /)
  t.match(await told(), [
    { level: 'warn', msg: /from 127.0.0.1 was refused: it sent no valid HTTP request \(.*\)$/ }
  ])
  t.notMatch(JSON.stringify(await told()), 'password')
})

t.test('a version of TLS that is too old is told of', async (t) => {
  const { secure, told } = await world(t)
  await secure({ maxVersion: 'TLSv1.2' })
  t.match(await told(), refused('it knows no version of TLS that is new enough (http.tls.minversion)'))
})

for (const mode of [
  'require-and-verify-client-cert',
  'require-any-client-cert',
  'verify-client-cert-if-given'
] as const) {
  t.test(`a client certificate that does not do is told of: ${mode}`, async (t) => {
    const { secure, lines, told } = await world(t, mode)
    t.match(await secure(CLIENT), /^HTTP\/1.1 200 /)
    t.match(await told(), [{ msg: 'response' }])
    t.equal(lines().length, 1)
    const bad = mode === 'require-any-client-cert' ? {} : { cert, key }
    t.equal(await secure(bad), '')
    while (lines().length < 2) await new Promise((resolve) => setTimeout(resolve, 10))
    const reason =
      mode === 'require-any-client-cert'
        ? 'it shows no client certificate \\(http.tls.clientauth\\)'
        : 'none of http.tls.clientcas vouches for its certificate \\(.*SELF_SIGNED.*\\)'
    t.match(lines()[1]?.msg, new RegExp(`from 127.0.0.1 was refused: ${reason}$`))
  })
}

t.test('no client certificate at all is told of', async (t) => {
  const { secure, told } = await world(t, 'require-and-verify-client-cert')
  await secure()
  t.match(await told(), refused('it shows no client certificate (http.tls.clientauth)'))
})

t.test('a probe that only connects is told of at level debug', async (t) => {
  for (const mode of [undefined, 'no TLS'] as const) {
    const { plain, secure, told, lines } = await world(t, mode, 'debug')
    await plain('')
    if (mode === undefined) await secure()
    else await plain('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    await told()
    t.notOk(lines().some(({ level }) => level === 'warn'))
  }
})

t.test('refusals that differ in the port or the address only are counted', async (t) => {
  const { plain, told, lines } = await world(t)
  for (let count = 0; count < 5; count++) await plain('GET / HTTP/1.1\r\n\r\n')
  await told()
  t.match(
    lines().map(({ msg }) => msg),
    [/speaks plain HTTP, and this port HTTPS$/, /\(4 more times in 0 s\)$/]
  )
})
