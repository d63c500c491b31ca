import { join } from 'node:path'
import { getCACertificates } from 'node:tls'
import t from 'tap'
import { openConnection } from '../../src/kubernetes/connection.ts'
import { readAuthorities } from '../../src/outgoing/trust.ts'
import { fakeCluster } from '../kubernetes/fake-api-server.ts'
import { pem, pemPath } from '../kubernetes/faulty-server.ts'
import { bed, failureOf } from '../kubernetes/support.ts'
import { connectProxy } from './connect-proxy.ts'

t.test('the file that is named counts, or else the merged bundle, if there is one', async (t) => {
  const folder = t.testdir({ merged: pem('ca.crt') + pem('other-ca.crt'), named: pem('ca.crt'), empty: '' })
  const merged = join(folder, 'merged')
  t.equal((await readAuthorities({}, merged)).length, 2)
  t.equal((await readAuthorities({ SSL_CERT_FILE: join(folder, 'named') }, merged)).length, 1)
  t.strictSame(await readAuthorities({}, '/nowhere'), [])
  t.strictSame(await readAuthorities({}, join(folder, 'empty')), [])
  await t.rejects(readAuthorities({ SSL_CERT_FILE: '/nowhere' }, merged), {
    name: 'TrustError',
    message: 'SSL_CERT_FILE: /nowhere cannot be read (ENOENT): correct the path or the permissions'
  })
  await t.rejects(readAuthorities({ SSL_CERT_FILE: join(folder, 'empty') }, merged), {
    message: /^SSL_CERT_FILE: .*empty holds no certificates in PEM form/
  })
})

t.test('the system’s authorities are for who has none of their own, and for proxies', async (t) => {
  const folder = t.testdir({
    bundle: pem('ca.crt') + pem('other-ca.crt'),
    token: 'a',
    'ca.crt': pem('other-ca.crt')
  })
  const cluster = await fakeCluster(t)
  cluster.createNamespace('team')
  const env = { SSL_CERT_FILE: join(folder, 'bundle') }
  const isTrusted = (): boolean =>
    getCACertificates('default').some((each) => each.trim() === pem('ca.crt').trim())

  const pod = { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: new URL(cluster.url).port }
  const own = await openConnection({ env: { ...env, ...pod }, serviceAccountFolder: folder })
  t.notOk(isTrusted(), 'nothing is read where nothing is needed')

  const file = JSON.parse(cluster.kubeconfig())
  delete file.clusters[0].cluster['certificate-authority']
  const tls = { cert: pemPath('other-server.crt'), key: pemPath('other-server.key') }
  const proxy = await connectProxy(t, { tls })
  file.clusters[0].cluster['proxy-url'] = `https://127.0.0.1:${proxy.port}`
  const kubeconfig = join(
    t.testdir({
      kubeconfig: JSON.stringify(file),
      bundle: pem('ca.crt') + pem('other-ca.crt'),
      'ca.crt': pem('other-ca.crt'),
      token: 'a'
    }),
    'kubeconfig'
  )
  const connection = await openConnection({ kubeconfig, env })
  const { get } = await bed(t, { cluster, connection })
  t.equal((await get()).status, 200)
  t.equal(proxy.asked.length, 1)
  t.ok(isTrusted(), 'from now on')

  const exclusive = await bed(t, { cluster, connection: own })
  t.match(
    await failureOf(t, exclusive.get()),
    /its certificate is not trusted/,
    'an authority of its own excludes others'
  )
})
