import { mkdirSync, readFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import t from 'tap'
import { ALWAYS, FILESYSTEM, SHIPPED } from '../config/operator.ts'
import { freePort, startBerth } from '../integration/support/processes.ts'
import { fakeCluster } from '../kubernetes/fake-api-server.ts'
import { digestOf } from '../registry/support.ts'

const TLS = join(import.meta.dirname, 'tls')
const ca = readFileSync(join(TLS, 'localhost.crt'))

interface Answer {
  status: number | undefined
  text: string
}

function ask(port: number, method: string, path: string, token = '', body = ''): Promise<Answer> {
  const headers = { ...(token !== '' && { authorization: `Bearer ${token}` }), 'content-length': body.length }
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, method, path, headers, ca, agent: false }, async (answer) => {
      let text = ''
      for await (const chunk of answer.setEncoding('utf8')) text += chunk
      resolve({ status: answer.statusCode, text })
    })
      .on('error', reject)
      .end(body)
  })
}

t.test("berth starts as OpenShift's operator starts its registry, and serves", async (t) => {
  const cluster = await fakeCluster(t, { host: '::1' })
  cluster.createNamespace('team')
  const pusher = cluster.addServiceAccount('team', 'builder')
  cluster.grant('system:serviceaccount:team:builder', 'system:image-builder', 'team')
  const prometheus = cluster.addServiceAccount('openshift-monitoring', 'prometheus-k8s')
  cluster.grant('system:serviceaccount:openshift-monitoring:prometheus-k8s', 'prometheus-scraper')

  const folder = t.testdir({ 'config.yml': SHIPPED, kubeconfig: cluster.kubeconfig() })
  const root = join(folder, 'registry')
  mkdirSync(root)
  const port = await freePort()
  const server = await startBerth({
    port,
    root,
    env: {
      ...ALWAYS,
      ...FILESYSTEM,
      // What the test has in other places than the pod.
      REGISTRY_HTTP_ADDR: `:${port}`,
      REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: root,
      REGISTRY_HTTP_TLS_CERTIFICATE: join(TLS, 'localhost.crt'),
      REGISTRY_HTTP_TLS_KEY: join(TLS, 'localhost.key'),
      REGISTRY_CONFIGURATION_PATH: join(folder, 'config.yml'),
      KUBECONFIG: join(folder, 'kubeconfig')
    }
  })
  t.teardown(() => server.stop())

  for (const path of ['/', '/healthz']) t.equal((await ask(port, 'GET', path)).status, 200, path)
  t.equal((await ask(port, 'GET', '/v2/')).status, 401)
  const blob = 'some bytes'
  const path = `/v2/team/app/blobs/uploads/?digest=${digestOf(blob)}`
  t.equal((await ask(port, 'POST', path, prometheus, blob)).status, 403)
  t.equal((await ask(port, 'POST', path, pusher, blob)).status, 201)
  t.equal((await ask(port, 'GET', `/v2/team/app/blobs/${digestOf(blob)}`, pusher)).text, blob)
  t.equal((await ask(port, 'DELETE', `/v2/team/app/blobs/${digestOf(blob)}`, pusher)).status, 403)
  t.match((await ask(port, 'GET', '/extensions/v2/metrics', prometheus)).text, 'imageregistry_build_info')
  t.equal((await ask(port, 'GET', '/extensions/v2/metrics', pusher)).status, 403)

  const log = server.log()
  t.match(log, `berth listens on https://[::]:${port} `)
  t.match(log, /the API server is https:\/\/\[::1\]:\d+/)
  t.equal(log.match(/ level=warn /g)?.length, 1, log)
  t.notMatch(log, ALWAYS.REGISTRY_HTTP_SECRET)
})
