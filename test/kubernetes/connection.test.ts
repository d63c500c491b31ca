import { renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import t, { type Test } from 'tap'
import { type Environment, openConnection } from '../../src/kubernetes/connection.ts'
import { pem, pemPath } from './faulty-server.ts'

const POD = { KUBERNETES_SERVICE_HOST: '10.96.0.1', KUBERNETES_SERVICE_PORT: '443' }

/** A pod's service account, and a clock. */
function pod(t: Test, files: Record<string, string> = { token: 'first\n', 'ca.crt': pem('ca.crt') }) {
  const folder = t.testdir(files)
  let time = 0
  return {
    folder,
    pass: (ms: number) => {
      time += ms
    },
    open: (env: Environment = POD) => openConnection({ env, serviceAccountFolder: folder, now: () => time })
  }
}

function kubeconfig(token: string, user: object = { token }): string {
  return JSON.stringify({
    'current-context': 'c',
    contexts: [{ name: 'c', context: { cluster: 'c', user: 'c' } }],
    clusters: [{ name: 'c', cluster: { server: 'https://api.example.org' } }],
    users: [{ name: 'c', user }]
  })
}

t.test('in a pod, its service account says who we are', async (t) => {
  const { folder, open } = pod(t)
  const connection = await open()
  t.equal(connection.url, 'https://10.96.0.1')
  t.equal(connection.origin, `the pod's service account (${folder})`)
  t.strictSame(await connection.identity(), {
    trust: { ca: pem('ca.crt').trim(), rejectUnauthorized: true },
    token: 'first'
  })
})

t.test('the address of the API server is written as a URL, IPv6 in brackets', async (t) => {
  const { open } = pod(t)
  const cases: [Environment, string][] = [
    [
      { KUBERNETES_SERVICE_HOST: 'fd00:10:96::1', KUBERNETES_SERVICE_PORT: '6443' },
      'https://[fd00:10:96::1]:6443'
    ],
    [{ KUBERNETES_SERVICE_HOST: '[::1]', KUBERNETES_SERVICE_PORT: '6443' }, 'https://[::1]:6443'],
    [{ ...POD, KUBERNETES_SERVICE_PORT_HTTPS: '8443' }, 'https://10.96.0.1:8443'],
    [{ ...POD, KUBERNETES_SERVICE_HOST: 'api.internal' }, 'https://api.internal']
  ]
  for (const [env, url] of cases) t.equal((await open(env)).url, url)
  const bad: Environment[] = [
    { KUBERNETES_SERVICE_HOST: '10.96.0.1' },
    { ...POD, KUBERNETES_SERVICE_PORT: '70000' },
    { ...POD, KUBERNETES_SERVICE_PORT: 'tcp://10.96.0.1:443' },
    { ...POD, KUBERNETES_SERVICE_HOST: 'a/b' },
    { ...POD, KUBERNETES_SERVICE_HOST: 'user@host' },
    { ...POD, KUBERNETES_SERVICE_HOST: ':::' }
  ]
  for (const env of bad) {
    await t.rejects(open(env), {
      name: 'ConnectionError',
      message:
        /KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT do not name .* REGISTRY_OPENSHIFT_KUBECONFIG/
    })
  }
})

t.test('a token and an authority that were replaced are in use within seconds', async (t) => {
  const { folder, open, pass } = pod(t)
  const connection = await open()
  writeFileSync(join(folder, 'token'), 'second')
  writeFileSync(join(folder, 'ca.crt'), pem('other-ca.crt'))
  pass(4_999)
  t.equal((await connection.identity()).token, 'first')
  pass(1)
  const identity = await connection.identity()
  t.equal(identity.token, 'second')
  t.equal(identity.trust.ca, pem('other-ca.crt').trim())
  writeFileSync(join(folder, 'token'), 'first')
  pass(4_999)
  t.equal((await connection.identity()).token, 'second', 'nobody looks more often than that')
  pass(1)
  t.equal((await connection.identity()).token, 'first')
})

t.test('who was refused looks at once', async (t) => {
  const { folder, open } = pod(t)
  const connection = await open()
  writeFileSync(join(folder, 'token'), 'second')
  t.equal((await connection.identity(true)).token, 'second')
  t.equal((await connection.identity()).token, 'second')
})

t.test('files behind a symbolic link, as Kubernetes mounts them, are followed', async (t) => {
  const folder = t.testdir({
    one: { token: 'first', 'ca.crt': pem('ca.crt') },
    two: { token: 'second', 'ca.crt': pem('ca.crt') },
    '..data': t.fixture('symlink', 'one'),
    token: t.fixture('symlink', '..data/token'),
    'ca.crt': t.fixture('symlink', '..data/ca.crt')
  })
  const connection = await openConnection({ env: POD, serviceAccountFolder: folder })
  symlinkSync('two', join(folder, 'new'))
  renameSync(join(folder, 'new'), join(folder, '..data'))
  t.equal((await connection.identity(true)).token, 'second')
})

t.test('what is unreadable, empty or damaged later leaves the last good one, and says so', async (t) => {
  const { folder, open } = pod(t)
  const connection = await open()
  const spoilt: [string, () => void, RegExp][] = [
    [
      'a token that is gone',
      () => rmSync(join(folder, 'token')),
      /token .* cannot be read \(ENOENT\): correct/
    ],
    ['an empty token', () => writeFileSync(join(folder, 'token'), '\n'), /token .* does not hold a token/],
    ['two lines', () => writeFileSync(join(folder, 'token'), 's3cret\nb'), /token .* does not hold a token/],
    [
      'half an authority',
      () => writeFileSync(join(folder, 'ca.crt'), pem('ca.crt').slice(0, -40)),
      /ca.crt .* whole/
    ]
  ]
  for (const [title, spoil, problem] of spoilt) {
    spoil()
    const identity = await connection.identity(true)
    t.equal(identity.token, 'first', title)
    t.equal(identity.trust.ca, pem('ca.crt').trim(), title)
    t.match(identity.problem, problem, title)
    t.notMatch(identity.problem, 's3cret')
    writeFileSync(join(folder, 'token'), 'first')
    writeFileSync(join(folder, 'ca.crt'), pem('ca.crt'))
    t.equal((await connection.identity(true)).problem, undefined, 'until all is well again')
  }
})

t.test('a pod without a usable service account is told how to get one', async (t) => {
  const cases: [Record<string, string>, RegExp][] = [
    [{}, /(ca\.crt|token) \(the pod's service account\) cannot be read \(ENOENT\)/],
    [{ token: '', 'ca.crt': pem('ca.crt') }, /token \(.*\) does not hold a token/],
    [{ token: 'a', 'ca.crt': 's3cret' }, /ca\.crt \(.*\) does not hold whole certificates in PEM form/],
    [{ token: 'a', 'ca.crt': `${pem('ca.crt')}-----BEGIN CERTIFICATE-----\ns3cret` }, /ca\.crt .* whole cert/]
  ]
  for (const [files, message] of cases) {
    const { open } = pod(t, files)
    const error: Error = await open().then(
      () => t.fail('opened') as never,
      (error) => error
    )
    t.equal(error.name, 'ConnectionError')
    t.match(error.message, message)
    t.match(error.message, /automountServiceAccountToken: true; otherwise .* REGISTRY_OPENSHIFT_KUBECONFIG/)
    t.notMatch(error.message, 's3cret')
  }
})

t.test('the kubeconfig given wins, then KUBECONFIG, then the pod, then the one at home', async (t) => {
  const folder = t.testdir({
    given: kubeconfig('given'),
    listed: kubeconfig('listed'),
    token: 'pod',
    'ca.crt': pem('ca.crt'),
    home: { '.kube': { config: kubeconfig('home') } },
    'no-home': {}
  })
  const given = join(folder, 'given')
  const KUBECONFIG = ['', join(folder, 'gone'), join(folder, 'listed'), given].join(delimiter)
  const HOME = join(folder, 'home')
  const cases: [string, Environment, string | undefined][] = [
    ['given', { KUBECONFIG, ...POD, HOME }, given],
    ['listed', { KUBECONFIG, ...POD, HOME }, undefined],
    ['listed', { KUBECONFIG, ...POD, HOME }, ''],
    ['pod', { ...POD, HOME, KUBECONFIG: '' }, undefined],
    ['home', { HOME }, undefined]
  ]
  for (const [token, env, kubeconfig] of cases) {
    const connection = await openConnection({
      env,
      serviceAccountFolder: folder,
      ...(kubeconfig !== undefined && { kubeconfig })
    })
    t.equal((await connection.identity()).token, token)
  }
  await t.rejects(openConnection({ env: { KUBECONFIG: '/gone:/lost', ...POD } }), {
    name: 'ConnectionError',
    message: 'KUBECONFIG names no file that exists: /gone, /lost. Correct it or unset it'
  })
  for (const env of [{}, { HOME: join(folder, 'no-home') }]) {
    await t.rejects(openConnection({ env }), {
      name: 'ConnectionError',
      message: /no Kubernetes API server is known: .* REGISTRY_OPENSHIFT_KUBECONFIG or KUBECONFIG/
    })
  }
})

t.test('a client certificate needs its own key', async (t) => {
  const config = (key: string) =>
    kubeconfig('', { 'client-certificate': pemPath('client.crt'), 'client-key': pemPath(key) })
  const folder = t.testdir({ good: config('client.key'), bad: config('server.key'), odd: config('ca.crt') })
  const good = await openConnection({ kubeconfig: join(folder, 'good'), env: {} })
  t.strictSame(await good.identity(), {
    trust: { rejectUnauthorized: true },
    clientCertificate: { cert: pem('client.crt').trim(), key: pem('client.key').trim() }
  })
  await t.rejects(openConnection({ kubeconfig: join(folder, 'bad'), env: {} }), {
    name: 'ConnectionError',
    message: /user "c": "client-key"\): not usable for TLS \(ERR_OSSL_\w+\): replace/
  })
  await t.rejects(openConnection({ kubeconfig: join(folder, 'odd'), env: {} }), {
    message: /ca\.crt \(.*"client-key"\) does not hold a private key in PEM form/
  })
})
