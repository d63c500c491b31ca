import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { openConnection } from '../../src/kubernetes/connection.ts'
import { connectProxy } from '../outgoing/connect-proxy.ts'
import { fakeCluster } from './fake-api-server.ts'
import { pem } from './faulty-server.ts'
import { bed, failureOf } from './support.ts'

/** The API server of a pod, by a name that only the proxy finds unless another is given. */
async function pod(t: Test, env: Record<string, string>, host = 'kubernetes.default.svc') {
  const cluster = await fakeCluster(t)
  cluster.createNamespace('team')
  const folder = t.testdir({ token: cluster.ownToken(), 'ca.crt': pem('ca.crt') })
  const { port } = new URL(cluster.url)
  const connection = await openConnection({
    env: { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port, ...env },
    serviceAccountFolder: folder
  })
  return { cluster, folder, connection, port }
}

t.test('the API server is reached through the proxy, over a connection that is kept', async (t) => {
  const proxy = await connectProxy(t)
  const { cluster, connection, port } = await pod(t, {
    HTTPS_PROXY: `http://user:s3cret@127.0.0.1:${proxy.port}`,
    NO_PROXY: '.cluster.local,10.0.0.0/16'
  })
  const { get } = await bed(t, { cluster, connection })
  for (let count = 0; count < 3; count++) t.equal((await get()).status, 200)
  const authorization = `Basic ${Buffer.from('user:s3cret').toString('base64')}`
  t.strictSame(proxy.asked, [{ target: `kubernetes.default.svc:${port}`, authorization }])
  t.equal(cluster.connections(), 1)
  t.equal(cluster.requests[0]?.headers['proxy-authorization'], undefined, 'that is for the proxy alone')
})

t.test('what NO_PROXY names, and this machine, is reached without', async (t) => {
  const proxy = await connectProxy(t)
  const env = { HTTPS_PROXY: `http://127.0.0.1:${proxy.port}` }
  const { cluster, connection } = await pod(t, env, '127.0.0.1')
  const { get } = await bed(t, { cluster, connection })
  t.equal((await get()).status, 200)
  const excepted = await pod(t, { ...env, NO_PROXY: '.cluster.local,.svc' })
  await failureOf(t, (await bed(t, excepted)).get())
  t.strictSame(proxy.asked, [])
})

t.test('an answer through a proxy may take longer than a connection', async (t) => {
  const proxy = await connectProxy(t)
  const { cluster, connection } = await pod(t, { HTTPS_PROXY: `http://127.0.0.1:${proxy.port}` })
  const { get } = await bed(t, { cluster, connection, connectMs: 1000 })
  cluster.fault({ times: 1, until: pause(1500) })
  t.equal((await get()).status, 200)
  t.equal(cluster.requests.length, 1)
})

t.test('a proxy that refuses, or is not there, is named without its password', async (t) => {
  const proxy = await connectProxy(t, { refuses: true })
  const cases: [number, RegExp][] = [
    [proxy.port, /403 Forbidden.*, through the proxy http:\/\/127.0.0.1:\d+ \(HTTPS_PROXY\)/],
    [1, /ECONNREFUSED.*, through the proxy http:\/\/127.0.0.1:1 \(HTTPS_PROXY\)/]
  ]
  for (const [port, text] of cases) {
    const { cluster, connection } = await pod(t, { HTTPS_PROXY: `http://user:s3cret@127.0.0.1:${port}` })
    const { get } = await bed(t, { cluster, connection })
    const message = await failureOf(t, get())
    t.match(message, text)
    t.notMatch(message, 's3cret')
  }
  await t.rejects(pod(t, { HTTPS_PROXY: 'socks5://user:s3cret@proxy' }), {
    name: 'ProxyError',
    message: /^HTTPS_PROXY must be/
  })
})

t.test('whom we trust is the same through a proxy', async (t) => {
  const proxy = await connectProxy(t)
  const { cluster, connection, folder } = await pod(t, { HTTPS_PROXY: `http://127.0.0.1:${proxy.port}` })
  cluster.useCertificate('other-server')
  const { get } = await bed(t, { cluster, connection })
  t.match(await failureOf(t, get()), /its certificate is not trusted \(.+\): check the certificate/)
  t.equal(cluster.requests.length, 0, 'a token goes only to whom we trust')
  writeFileSync(join(folder, 'ca.crt'), pem('other-ca.crt'))
  t.equal((await get()).status, 200)
})

t.test("a kubeconfig's own proxy counts, whatever the environment says", async (t) => {
  const proxy = await connectProxy(t)
  const cluster = await fakeCluster(t)
  cluster.createNamespace('team')
  const file = JSON.parse(cluster.kubeconfig())
  file.clusters[0].cluster['proxy-url'] = `http://127.0.0.1:${proxy.port}`
  const folder = t.testdir({ kubeconfig: JSON.stringify(file) })
  const env = { HTTPS_PROXY: 'http://127.0.0.1:1', NO_PROXY: '*' }
  const connection = await openConnection({ kubeconfig: join(folder, 'kubeconfig'), env })
  const { get } = await bed(t, { cluster, connection })
  t.equal((await get()).status, 200)
  t.equal(proxy.asked[0]?.target, new URL(cluster.url).host)
})
