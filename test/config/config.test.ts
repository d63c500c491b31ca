import { availableParallelism } from 'node:os'
import t from 'tap'
import { readConfig } from '../../src/config/read.ts'
import { problemsOf } from './problems.ts'

t.test('without any setting berth serves this machine only, from ./data', async (t) => {
  const { config, warnings } = await readConfig({ PATH: '/bin', HOME: '/root' })
  t.match(config.http, { host: '127.0.0.1', port: 5000, secret: undefined, tls: undefined })
  t.equal(config.http.processes, Math.min(4, availableParallelism()))
  t.equal(config.storage.filesystem.rootdirectory, './data')
  t.equal(config.storage.delete.enabled, true)
  t.strictSame(config.log, { level: 'info', formatter: 'text', fields: {}, accesslog: { disabled: false } })
  t.equal(config.auth, undefined)
  t.strictSame(warnings, [])
})

t.test('each setting has the name that CNCF distribution gives it', async (t) => {
  const { config, warnings } = await readConfig({
    REGISTRY_HTTP_ADDR: '127.0.0.2:8080',
    REGISTRY_HTTP_SECRET: 'hush',
    REGISTRY_HTTP_PROCESSES: '3',
    REGISTRY_HTTP_TLS_CERTIFICATE: '/tls/tls.crt',
    REGISTRY_HTTP_TLS_KEY: '/tls/tls.key',
    REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: '/var/lib/registry',
    REGISTRY_STORAGE_DELETE_ENABLED: 'false',
    REGISTRY_LOG_LEVEL: 'debug',
    REGISTRY_LOG_ACCESSLOG_DISABLED: 'true'
  })
  const tls = { certificate: '/tls/tls.crt', key: '/tls/tls.key' }
  t.match(config.http, { host: '127.0.0.2', port: 8080, secret: 'hush', processes: 3, tls })
  t.equal(config.storage.filesystem.rootdirectory, '/var/lib/registry')
  t.equal(config.storage.delete.enabled, false)
  t.match(config.log, { level: 'debug', accesslog: { disabled: true } })
  t.strictSame(warnings, [])
})

const LOOPBACK: [string, string, number][] = [
  ['127.0.0.1:5000', '127.0.0.1', 5000],
  ['localhost:5000', '127.0.0.1', 5000],
  ['[::1]:5000', '::1', 5000],
  ['127.8.9.10:0', '127.8.9.10', 0],
  ['[0:0:0:0:0:0:0:1]:5000', '0:0:0:0:0:0:0:1', 5000],
  ['[::ffff:127.0.0.1]:5000', '::ffff:127.0.0.1', 5000],
  ['[::ffff:7f00:1]:5000', '::ffff:7f00:1', 5000],
  [' 127.0.0.1:65535 ', '127.0.0.1', 65535]
]

t.test('an address of this machine alone needs nothing else', async (t) => {
  for (const [given, host, port] of LOOPBACK) {
    const { http } = (await readConfig({ REGISTRY_HTTP_ADDR: given })).config
    t.strictSame([http.host, http.port], [host, port], given)
  }
})

const EXPOSED: [string, string][] = [
  [':5000', '::'],
  ['0.0.0.0:5000', '0.0.0.0'],
  ['[::]:5000', '::'],
  ['10.0.0.1:80', '10.0.0.1'],
  ['registry.example.org:443', 'registry.example.org'],
  ['127.0.0.1.example.org:5000', '127.0.0.1.example.org'],
  ['[::ffff:10.0.0.1]:5000', '::ffff:10.0.0.1'],
  ['[fd00::1]:5000', 'fd00::1'],
  ['[::2]:5000', '::2'],
  ['[::7f00:1]:5000', '::7f00:1']
]

t.test('an address that others can reach is refused unless REGISTRY_AUTH=none says so', async (t) => {
  for (const [given, host] of EXPOSED) {
    const problems = await problemsOf({ REGISTRY_HTTP_ADDR: given })
    t.equal(problems.length, 1, given)
    t.match(problems[0], /^REGISTRY_HTTP_ADDR: .*REGISTRY_AUTH=none/s, 'it says what to do')
    const { config } = await readConfig({ REGISTRY_HTTP_ADDR: given, REGISTRY_AUTH: 'none' })
    t.equal(config.http.host, host)
    t.equal(config.auth, 'none')
  }
})

t.test('a value that cannot be is refused with its variable and what it must be', async (t) => {
  const cases: [string, string[]][] = [
    [
      'REGISTRY_HTTP_ADDR',
      [
        '5000',
        'localhost',
        '127.0.0.1:65536',
        '127.0.0.1:x',
        '::1:5000',
        '[::1]',
        "'[::1'",
        "'[::1]5000'",
        '[127.0.0.1]:1',
        '[a]:1',
        "'[::1%lo]:1'",
        '[:::]:1',
        'http://a:1',
        'a b:1'
      ]
    ],
    ['REGISTRY_STORAGE_DELETE_ENABLED', ['1', 'yess', 'maybe', '[true]']],
    ['REGISTRY_LOG_LEVEL', ['loud', 'trace?']],
    ['REGISTRY_LOG_ACCESSLOG_DISABLED', ['onn']],
    ['REGISTRY_HTTP_PROCESSES', ['0', '65', '-1', '1.5', 'many', '1e1']],
    ['REGISTRY_OPENSHIFT_REQUESTS_READ_MAXRUNNING', ['-1', '1.5', '1000001', 'many']],
    ['REGISTRY_OPENSHIFT_REQUESTS_WRITE_MAXINQUEUE', ['-1', '10s']],
    ['REGISTRY_OPENSHIFT_REQUESTS_READ_MAXWAITINQUEUE', ['-1s', '30', 'long']],
    ['REGISTRY_AUTH', ['ldap', 'token', 'None?']]
  ]
  for (const [name, values] of cases) {
    for (const value of values) {
      const problems = await problemsOf({ [name]: value })
      t.equal(problems.length, 1, `${name}=${value}`)
      t.match(problems[0], new RegExp(`^${name}: must be `))
    }
  }
})

t.test('TLS takes a certificate and its key', async (t) => {
  t.match(await problemsOf({ REGISTRY_HTTP_TLS_KEY: '/x' }), [
    /^REGISTRY_HTTP_TLS_CERTIFICATE: must be set as well/
  ])
  t.match(await problemsOf({ REGISTRY_HTTP_TLS_CERTIFICATE: '/x' }), [
    /^REGISTRY_HTTP_TLS_KEY: must be set as well/
  ])
})

t.test('an empty value is none, as templates leave it', async (t) => {
  const names = [
    'REGISTRY_HTTP_ADDR',
    'REGISTRY_HTTP_SECRET',
    'REGISTRY_STORAGE',
    'REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY',
    'REGISTRY_STORAGE_DELETE_ENABLED',
    'REGISTRY_LOG_LEVEL',
    'REGISTRY_LOG_ACCESSLOG_DISABLED',
    'REGISTRY_AUTH',
    'REGISTRY_HTTP_TLS_CERTIFICATE'
  ]
  for (const empty of ['', ' ']) {
    const env = Object.fromEntries(names.map((name) => [name, empty]))
    t.strictSame((await readConfig(env)).config, (await readConfig({})).config)
  }
})

t.test('all problems are told at once, a line each', async (t) => {
  const env = {
    REGISTRY_HTTP_ADDR: 'x',
    REGISTRY_STORAGE_DELETE_ENABLED: 'x',
    REGISTRY_LOG_LEVEL: 'x',
    REGISTRY_LOG_ACCESSLOG_DISABLED: 'x',
    REGISTRY_AUTH: 'x'
  }
  const problems = await problemsOf(env)
  t.strictSame(problems.map((problem) => problem.split(':')[0]).sort(), Object.keys(env).sort())
  await t.rejects(readConfig(env), { name: 'ConfigError' })
  try {
    await readConfig(env)
  } catch (error) {
    for (const problem of problems) t.ok((error as Error).message.includes(problem))
  }
})

t.test('an exposed address is told of along with other problems', async (t) => {
  const names = await problemsOf({
    REGISTRY_HTTP_ADDR: '0.0.0.0:5000',
    REGISTRY_AUTH: 'x',
    REGISTRY_LOG_LEVEL: 'x'
  })
  t.strictSame(names.map((problem) => problem.split(':')[0]).sort(), [
    'REGISTRY_AUTH',
    'REGISTRY_HTTP_ADDR',
    'REGISTRY_LOG_LEVEL'
  ])
})

t.test('no message repeats a value, which may be a secret', async (t) => {
  const secret = 'hunter2-hunter2'
  for (const name of [
    'REGISTRY_HTTP_ADDR',
    'REGISTRY_STORAGE_DELETE_ENABLED',
    'REGISTRY_LOG_LEVEL',
    'REGISTRY_LOG_ACCESSLOG_DISABLED',
    'REGISTRY_AUTH'
  ]) {
    const problems = await problemsOf({ [name]: secret, REGISTRY_HTTP_SECRET: secret })
    t.equal(problems.length, 1)
    t.notMatch(problems.join(), secret, name)
  }
})

t.test('what looks like a setting and is none is told of, what does not is not', async (t) => {
  const { warnings } = await readConfig({
    REGISTRY_HTTP_ADR: 'x',
    REGISTRY_WHATEVER: 'x',
    REGISTRY_HTTP_DEBUG_ADDR: ':5001',
    REGISTRY_STORAGE_CACHE_BLOBDESCRIPTOR: 'inmemory',
    REGISTRY_PORT: 'tcp://10.0.0.1:5000',
    REGISTRY_SERVICE_HOST: '10.0.0.1',
    REGISTRY: 'x',
    registry_http_addr: 'x',
    MY_REGISTRY_HTTP_ADDR: 'x'
  })
  t.strictSame(warnings, [
    'ignored, since berth does not do that; it has no debug server; for metrics see openshift.metrics: ' +
      'http.debug (REGISTRY_HTTP_DEBUG_ADDR)',
    'ignored, since berth does not know them: REGISTRY_HTTP_ADR (did you mean REGISTRY_HTTP_ADDR?), REGISTRY_WHATEVER'
  ])
})

t.test('what would change where, by whom or whether things are stored is never passed over', async (t) => {
  const settings: [string, string, RegExp][] = [
    ['REGISTRY_STORAGE', 'oss', /^REGISTRY_STORAGE: must be filesystem, .*no driver for oss: .* use s3/],
    ['REGISTRY_STORAGE_SWIFT_PASSWORD', 'hush', /^REGISTRY_STORAGE_SWIFT_PASSWORD: storage must be filesyst/],
    ['REGISTRY_HTTP_TLS_CLIENTCAS', '[/x]', /^REGISTRY_HTTP_TLS_CLIENTCAS: .*takes TLS/],
    [
      'REGISTRY_AUTH_TOKEN_REALM',
      'https://example.com',
      /^REGISTRY_AUTH_TOKEN_REALM: auth must be .*token is not/
    ],
    ['REGISTRY_PROXY_REMOTEURL', 'https://registry.example.org', /^REGISTRY_PROXY_REMOTEURL: proxy /]
  ]
  for (const [name, value, message] of settings) {
    const problems = await problemsOf({ [name]: value })
    t.match(problems, [message])
    t.equal(problems.length, 1, name)
    t.notMatch(problems.join(), /hush/)
  }
  for (const [name, value] of [
    ['REGISTRY_STORAGE_MAINTENANCE_READONLY', '{enabled: false}'],
    ['REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED', 'false'],
    ['REGISTRY_HTTP_TLS_MINVERSION', 'VersionTLS12'],
    ['REGISTRY_PROXY', '{}']
  ] as const) {
    t.strictSame((await readConfig({ [name]: value })).warnings, [], name)
  }
})

t.test('a secret that signs tokens must be hard to guess', async (t) => {
  const env = { REGISTRY_AUTH: 'openshift', REGISTRY_HTTP_SECRET: 'changeme' }
  t.match(await problemsOf(env), [/^REGISTRY_HTTP_SECRET: .*16 characters.*openssl rand -hex 32/])
  await t.resolves(readConfig({ ...env, REGISTRY_HTTP_SECRET: '0123456789abcdef' }))
  await t.resolves(readConfig({ REGISTRY_HTTP_SECRET: 'changeme' }))
})

t.test('variables of podman and of Kubernetes are not settings', async (t) => {
  const { warnings } = await readConfig({
    REGISTRY_AUTH_FILE: '/root/auth.json',
    REGISTRY_AUTH_PORT: 'tcp://10.0.0.1:80',
    REGISTRY_AUTH_SERVICE_HOST: '10.0.0.1',
    // Of a Service named registry-http, with a port that has a name.
    REGISTRY_HTTP_SERVICE_HOST: '10.0.0.1',
    REGISTRY_HTTP_SERVICE_PORT_HTTPS: '5000',
    REGISTRY_HTTP_PORT: 'tcp://10.0.0.1:5000',
    REGISTRY_HTTP_PORT_5000_TCP: 'tcp://10.0.0.1:5000',
    REGISTRY_HTTP_PORT_5000_TCP_PROTO: 'tcp',
    REGISTRY_STORAGE_PORT_80_TCP_ADDR: '10.0.0.1'
  })
  t.strictSame(warnings, [])
})

t.test('who may come in is said by a cluster or a file, with the settings of each', async (t) => {
  const env = {
    REGISTRY_AUTH: 'openshift',
    REGISTRY_HTTP_ADDR: ':5000',
    REGISTRY_HTTP_TRUSTEDPROXIES: '10.128.0.0/14, fd01::/48',
    REGISTRY_OPENSHIFT_KUBECONFIG: '/etc/kubeconfig',
    REGISTRY_OPENSHIFT_AUTH_AUDIENCES: '["berth", https://kubernetes.default.svc]',
    REGISTRY_OPENSHIFT_AUTH_TOKENREALM: 'https://registry.example.com',
    REGISTRY_OPENSHIFT_AUTH_NAMESPACEUIDS: 'false',
    REGISTRY_OPENSHIFT_METRICS_ENABLED: 'true'
  }
  const { config, warnings } = await readConfig(env)
  t.strictSame(warnings, [])
  t.equal(config.auth, 'openshift')
  t.strictSame(config.http.trustedproxies, ['10.128.0.0/14', 'fd01::/48'])
  const numbered = { REGISTRY_HTTP_TRUSTEDPROXIES_0: '10.0.0.1', REGISTRY_HTTP_TRUSTEDPROXIES_1: '::1' }
  t.strictSame((await readConfig(numbered)).config.http.trustedproxies, ['10.0.0.1', '::1'])
  t.match(config.openshift, {
    kubeconfig: '/etc/kubeconfig',
    auth: {
      audiences: ['berth', 'https://kubernetes.default.svc'],
      tokenrealm: 'https://registry.example.com',
      nestedrepositories: false,
      namespaceuids: false,
      anonymouscatalog: false,
      curestalecredentials: true
    },
    audit: { enabled: false },
    metrics: { enabled: true, secret: undefined }
  })
  const realm = { REGISTRY_OPENSHIFT_AUTH_TOKENREALM: 'https://[FD00::1]:5000/' }
  t.equal((await readConfig(realm)).config.openshift.auth.tokenrealm, 'https://[fd00::1]:5000')
  const file = { REGISTRY_AUTH: 'htpasswd', REGISTRY_AUTH_HTPASSWD_PATH: '/etc/htpasswd' }
  t.strictSame((await readConfig(file)).config.htpasswd, {
    path: '/etc/htpasswd',
    realm: 'berth',
    anonymouspull: false
  })
  for (const [name, value] of [
    ...[
      'a',
      'proxy.example.com',
      '10.0.0',
      '10.0.0.0/33',
      '10.0.0.0/',
      '10.0.0.0/-1',
      '10.0.0.0/8/8',
      'fd00::/129',
      '"[fd00::1]"',
      'fe80::1%eth0'
    ].map((proxy) => ['REGISTRY_HTTP_TRUSTEDPROXIES', proxy] as const),
    ['REGISTRY_HTTP_MAXFAILEDLOGINS', '0'],
    ['REGISTRY_AUTH_HTPASSWD_REALM', 'a"b'],
    ...[
      'registry.example.com',
      'https://registry.example.com/path',
      'ftp://a',
      'https://a/?b',
      'https://a/#b',
      'https://b@a',
      'javascript:a',
      '/a',
      'https://fd00::1:5000'
    ].map((realm) => ['REGISTRY_OPENSHIFT_AUTH_TOKENREALM', realm] as const)
  ] as const) {
    t.match(await problemsOf({ [name]: value }), [new RegExp(`^${name}: must be `)], `${name}=${value}`)
  }
  t.match(await problemsOf({ REGISTRY_AUTH: 'htpasswd' }), [/^REGISTRY_AUTH_HTPASSWD_PATH: must be set/])
})

t.test('the storage is looked at every so often, unless told otherwise', async (t) => {
  t.strictSame((await readConfig({})).config.storageHealth, { intervalMs: 10_000, threshold: 3 })
  const name = 'REGISTRY_HEALTH_STORAGEDRIVER_INTERVAL'
  for (const [text, intervalMs] of [
    ['1s', 1000],
    ['1m30s', 90_000],
    ['1500ms', 1500],
    ['0.5h', 1_800_000],
    ['24h', 86_400_000]
  ] as const) {
    t.equal((await readConfig({ [name]: text })).config.storageHealth?.intervalMs, intervalMs, text)
  }
  for (const text of ['999ms', '25h', '-10s', '0', '10', 's', '1x', '1s2']) {
    t.match(await problemsOf({ [name]: text }), [/: must be a duration from 1s to 24h/], text)
  }
  const off = { REGISTRY_HEALTH_STORAGEDRIVER_ENABLED: 'false' }
  t.equal((await readConfig(off)).config.storageHealth, undefined)
})

t.test('the configuration cannot be changed, at any depth', async (t) => {
  const { config } = await readConfig({})
  const parts = [config, config.http, config.storage, config.storage.filesystem, config.storage.delete]
  for (const part of [...parts, config.log, config.log.accesslog]) t.ok(Object.isFrozen(part))
})

t.test('metrics take a secret where there is no cluster to say who may read them', async (t) => {
  const enabled = { REGISTRY_OPENSHIFT_METRICS_ENABLED: 'true' }
  t.match(await problemsOf(enabled), [/^REGISTRY_OPENSHIFT_METRICS_SECRET: must be set/])
  t.strictSame(await problemsOf({ ...enabled, REGISTRY_AUTH: 'openshift' }), [])
  t.strictSame(await problemsOf({ ...enabled, REGISTRY_OPENSHIFT_METRICS_SECRET: 'sesame' }), [])
  t.equal((await readConfig({})).config.openshift.metrics.enabled, false)
})
