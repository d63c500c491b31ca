import { request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { hash } from 'bcrypt'
import t from 'tap'
import { freePort, type RunningServer, startBerth } from '../integration/support/processes.ts'

interface Answer {
  status: number | undefined
  challenge: string
}

function ask(host: string, port: number, path: string, headers = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    request({ host, port, path, headers, agent: false }, (answer) => {
      answer.resume()
      resolve({ status: answer.statusCode, challenge: String(answer.headers['www-authenticate']) })
    })
      .on('error', reject)
      .end()
  })
}

const basic = `Basic ${Buffer.from('alice:password').toString('base64')}`

/** Waits for the line of alice's request from this address. */
async function logged(server: RunningServer, address: string): Promise<void> {
  const line = new RegExp(`uri=/v2/ .*remoteaddr="?${address}"? .*status=200 .*user=alice`)
  while (!line.test(server.log())) await sleep(20)
}

for (const processes of ['1', '2']) {
  t.test(`without a host it listens on every address, of both families (${processes})`, async (t) => {
    const folder = t.testdir({ htpasswd: `alice:${await hash('password', 4)}\n` })
    const port = await freePort()
    const server = await startBerth({
      port,
      env: {
        REGISTRY_HTTP_PROCESSES: processes,
        REGISTRY_HTTP_ADDR: `:${port}`,
        REGISTRY_HTTP_TRUSTEDPROXIES: '::1',
        REGISTRY_AUTH: 'htpasswd',
        REGISTRY_AUTH_HTPASSWD_PATH: `${folder}/htpasswd`
      }
    })
    t.teardown(() => server.stop())
    // Lines are written a few milliseconds later.
    while (!server.log().includes('berth listens')) await sleep(20)
    t.match(server.log(), `berth listens on http://[::]:${port} with ${processes} process`)
    t.equal(server.log().split('berth listens').length, 2, 'it says so once')
    for (const [host, name] of [
      ['127.0.0.1', `127.0.0.1:${port}`],
      ['::1', `[::1]:${port}`]
    ] as const) {
      const { status, challenge } = await ask(host, port, '/v2/')
      t.equal(status, 401)
      t.match(challenge, `realm="http://${name}/openshift/token"`, 'clients are sent where they came to')
      t.equal((await ask(host, port, '/v2/', { authorization: basic })).status, 200)
      await logged(server, host)
    }
    t.notMatch(server.log(), /::ffff:/)
    const forwarded = {
      authorization: basic,
      'x-forwarded-for': '[2001:db8::7]:4711',
      'x-forwarded-host': `[2001:db8::1]:${port}`
    }
    await ask('::1', port, '/v2/', forwarded)
    await logged(server, '2001:db8::7')
    const { challenge } = await ask('::1', port, '/v2/', { ...forwarded, authorization: '' })
    t.match(challenge, `realm="http://[2001:db8::1]:${port}/openshift/token"`)
  })
}

t.test('an address of IPv6 alone is written in brackets, and is loopback', async (t) => {
  const server = await startBerth({ host: '[::1]' })
  t.teardown(() => server.stop())
  const { port } = server
  t.match(server.log(), `berth listens on http://[::1]:${port} `)
  t.equal((await ask('::1', port, '/v2/_catalog')).status, 200)
  t.equal((await ask('::1', port, '/v2/_catalog', { host: 'evil.example' })).status, 403)
  await t.rejects(ask('127.0.0.1', port, '/v2/'), { code: 'ECONNREFUSED' })
})

t.test('where the kernel knows no IPv6, every address is every one of IPv4', async (t) => {
  const without = `
    import { Server } from 'node:net'
    const { listen } = Server.prototype
    Server.prototype.listen = function (options, ...others) {
      if (!options.host?.includes(':')) return listen.call(this, options, ...others)
      const error = Object.assign(new Error('no IPv6 here'), { code: 'EAFNOSUPPORT', syscall: 'listen' })
      process.nextTick(() => this.emit('error', error))
      return this
    }`
  const port = await freePort()
  const server = await startBerth({
    port,
    env: {
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(without)}`,
      REGISTRY_HTTP_ADDR: `:${port}`,
      REGISTRY_AUTH: 'none'
    }
  })
  t.teardown(() => server.stop())
  t.match(server.log(), `berth listens on http://0.0.0.0:${port} `)
  t.equal(server.log().split('berth listens').length, 2, 'it says so once')
  t.equal((await ask('127.0.0.1', port, '/v2/')).status, 200)
  await t.rejects(ask('::1', port, '/v2/'), { code: 'ECONNREFUSED' })
})
