import t from 'tap'
import { readConfig } from '../../src/config/read.ts'
import { fileWith, problemsOf } from './problems.ts'

/** What OpenShift's registry brings as its configuration file. */
const SHIPPED = `version: 0.1
log:
  level: info
http:
  addr: :5000
storage:
  filesystem:
    rootdirectory: /registry
  delete:
    enabled: true
  cache:
    blobdescriptor: inmemory
auth:
  openshift: {}
openshift:
  version: 1.0
  auth:
    realm: openshift
  audit:
    enabled: false
  metrics:
    enabled: false
  requests:
    read: {maxrunning: 0, maxinqueue: 0, maxwaitinqueue: 0}
    write: {maxrunning: 0, maxinqueue: 0, maxwaitinqueue: 0}
  quota:
    enabled: false
    cachettl: 1m
  cache:
    blobrepositoryttl: 10m
  pullthrough:
    enabled: true
    mirror: true
  compatibility:
    acceptschema2: true
`

const SECRET = '0123456789abcdef'.repeat(8)

/** What the operator sets whatever the storage. */
const ALWAYS = {
  REGISTRY_HTTP_ADDR: ':5000',
  REGISTRY_HTTP_NET: 'tcp',
  REGISTRY_HTTP_SECRET: SECRET,
  REGISTRY_LOG_LEVEL: 'info',
  REGISTRY_OPENSHIFT_QUOTA_ENABLED: 'true',
  REGISTRY_STORAGE_CACHE_BLOBDESCRIPTOR: 'inmemory',
  REGISTRY_STORAGE_DELETE_ENABLED: 'true',
  REGISTRY_HEALTH_STORAGEDRIVER_ENABLED: 'true',
  REGISTRY_HEALTH_STORAGEDRIVER_INTERVAL: '10s',
  REGISTRY_HEALTH_STORAGEDRIVER_THRESHOLD: '1',
  REGISTRY_OPENSHIFT_METRICS_ENABLED: 'true',
  REGISTRY_OPENSHIFT_SERVER_ADDR: 'image-registry.openshift-image-registry.svc:5000',
  REGISTRY_HTTP_TLS_CERTIFICATE: '/etc/secrets/tls.crt',
  REGISTRY_HTTP_TLS_KEY: '/etc/secrets/tls.key'
}

/** What it sets when an administrator asks for it, or the cluster has it. */
const SOMETIMES = {
  REGISTRY_STORAGE_REDIRECT_DISABLE: 'true',
  HTTP_PROXY: 'http://proxy.example.com:3128',
  HTTPS_PROXY: 'http://proxy.example.com:3128',
  NO_PROXY: '.cluster.local,.svc,10.0.0.0/16',
  REGISTRY_OPENSHIFT_REQUESTS_READ_MAXRUNNING: '10',
  REGISTRY_OPENSHIFT_REQUESTS_READ_MAXINQUEUE: '20',
  REGISTRY_OPENSHIFT_REQUESTS_READ_MAXWAITINQUEUE: '30s',
  REGISTRY_OPENSHIFT_REQUESTS_WRITE_MAXRUNNING: '10',
  REGISTRY_OPENSHIFT_REQUESTS_WRITE_MAXINQUEUE: '20',
  REGISTRY_OPENSHIFT_REQUESTS_WRITE_MAXWAITINQUEUE: '0s',
  REGISTRY_HTTP_TLS_MINVERSION: 'VersionTLS12',
  OPENSHIFT_REGISTRY_HTTP_TLS_CIPHERSUITES:
    'TLS_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,TLS_CHACHA20_POLY1305_SHA256'
}

const FILESYSTEM = {
  REGISTRY_STORAGE: 'filesystem',
  REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: '/registry'
}

/** Per type of storage: its variables, one of them with a wrong value, and what is said of that one. */
const TYPES: Record<string, { env: Record<string, string>; wrong: [string, string, RegExp] }> = {
  pvc: {
    env: FILESYSTEM,
    wrong: ['REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY', '{a: b}', /: must be the path of a folder$/]
  },
  emptyDir: {
    env: FILESYSTEM,
    wrong: ['REGISTRY_STORAGE', 'filesytem', /^REGISTRY_STORAGE: must be filesystem/]
  },
  s3: {
    env: {
      REGISTRY_STORAGE: 's3',
      REGISTRY_STORAGE_S3_BUCKET: 'image-registry-us-east-1',
      REGISTRY_STORAGE_S3_REGION: 'us-east-1',
      REGISTRY_STORAGE_S3_ENCRYPT: 'true',
      REGISTRY_STORAGE_S3_FORCEPATHSTYLE: 'true',
      REGISTRY_STORAGE_S3_CREDENTIALSCONFIGPATH: '/var/run/secrets/cloud/credentials',
      REGISTRY_STORAGE_S3_REGIONENDPOINT: 'https://s3.us-east-1.amazonaws.com',
      REGISTRY_STORAGE_S3_KEYID: 'arn:aws:kms:us-east-1:111122223333:key/1234abcd',
      REGISTRY_STORAGE_S3_CHUNKSIZE: '10485760',
      REGISTRY_STORAGE_S3_USEDUALSTACK: 'true',
      REGISTRY_MIDDLEWARE_STORAGE:
        '[{"name":"cloudfront","options":{"baseurl":"https://d.cloudfront.net","privatekey":"/etc/docker/cloudfront/private.pem","keypairid":"K1","duration":"1200s","ipfilteredby":"none"}}]'
    },
    wrong: [
      'REGISTRY_STORAGE_S3_CHUNKSIZE',
      '10MiB',
      /^REGISTRY_STORAGE_S3_CHUNKSIZE: must be a whole number$/
    ]
  },
  ibmcos: {
    env: {
      REGISTRY_STORAGE: 's3',
      REGISTRY_STORAGE_S3_BUCKET: 'image-registry',
      REGISTRY_STORAGE_S3_REGION: 'us-east',
      REGISTRY_STORAGE_S3_REGIONENDPOINT: 'https://s3.us-east.cloud-object-storage.appdomain.cloud',
      REGISTRY_STORAGE_S3_ENCRYPT: 'false',
      REGISTRY_STORAGE_S3_FORCEPATHSTYLE: 'true',
      REGISTRY_STORAGE_S3_USEDUALSTACK: 'false',
      REGISTRY_STORAGE_S3_CREDENTIALSCONFIGPATH: '/var/run/secrets/cloud/credentials'
    },
    wrong: ['REGISTRY_STORAGE_S3_ENCRYPT', 'AES256', /^REGISTRY_STORAGE_S3_ENCRYPT: must be true or false$/]
  },
  gcs: {
    env: {
      REGISTRY_STORAGE: 'gcs',
      REGISTRY_STORAGE_GCS_BUCKET: 'image-registry',
      REGISTRY_STORAGE_GCS_KEYFILE: '/gcs/keyfile'
    },
    wrong: ['REGISTRY_STORAGE_GCS_KEYFILE', '{type: account}', /^REGISTRY_STORAGE_GCS_KEYFILE: must be text$/]
  },
  azure: {
    env: {
      REGISTRY_STORAGE: 'azure',
      REGISTRY_STORAGE_AZURE_CONTAINER: 'image-registry',
      REGISTRY_STORAGE_AZURE_ACCOUNTNAME: 'imageregistry',
      REGISTRY_STORAGE_AZURE_REALM: 'core.windows.net',
      REGISTRY_STORAGE_AZURE_ACCOUNTKEY: 'aGVsbG8gd29ybGQ=',
      AZURE_CLIENT_ID: '1',
      AZURE_TENANT_ID: '2',
      AZURE_FEDERATED_TOKEN_FILE: '/var/run/secrets/openshift/serviceaccount/token',
      AZURE_AUTHORITY_HOST: 'https://login.microsoftonline.com'
    },
    wrong: [
      'REGISTRY_STORAGE_AZURE_REALM',
      '[core.windows.net]',
      /^REGISTRY_STORAGE_AZURE_REALM: must be text$/
    ]
  },
  swift: {
    env: {
      REGISTRY_STORAGE: 'swift',
      REGISTRY_STORAGE_SWIFT_CONTAINER: 'image-registry',
      REGISTRY_STORAGE_SWIFT_AUTHURL: 'https://keystone.example.com/v3',
      REGISTRY_STORAGE_SWIFT_AUTHVERSION: '3',
      REGISTRY_STORAGE_SWIFT_USERNAME: 'user',
      REGISTRY_STORAGE_SWIFT_PASSWORD: 'hush-hush',
      REGISTRY_STORAGE_SWIFT_TOKENID: '""',
      REGISTRY_STORAGE_SWIFT_APPLICATIONCREDENTIALID: '""',
      REGISTRY_STORAGE_SWIFT_APPLICATIONCREDENTIALNAME: '""',
      REGISTRY_STORAGE_SWIFT_APPLICATIONCREDENTIALSECRET: '""',
      REGISTRY_STORAGE_SWIFT_DOMAIN: 'Default',
      REGISTRY_STORAGE_SWIFT_DOMAINID: 'default',
      REGISTRY_STORAGE_SWIFT_TENANT: 'tenant',
      REGISTRY_STORAGE_SWIFT_TENANTID: '0123456789',
      REGISTRY_STORAGE_SWIFT_REGION: 'RegionOne'
    },
    wrong: [
      'REGISTRY_STORAGE_SWIFT_AUTHVERSION',
      'v3',
      /^REGISTRY_STORAGE_SWIFT_AUTHVERSION: must be a whole number$/
    ]
  }
}

/** With the file that OpenShift's image brings, or with none and what would stand in it. */
const ways = (t: Parameters<typeof fileWith>[0]): [Record<string, string>, string | undefined][] => [
  [{}, fileWith(t, SHIPPED)],
  [{ REGISTRY_AUTH: 'openshift' }, undefined]
]

for (const [type, { env, wrong }] of Object.entries(TYPES)) {
  t.test(`the environment of OpenShift's operator for ${type} is understood`, async (t) => {
    for (const [more, file] of ways(t)) {
      for (const conditional of [{}, SOMETIMES]) {
        const given: Record<string, string> = { ...ALWAYS, ...conditional, ...env, ...more }
        const driver = given.REGISTRY_STORAGE
        if (driver === 'filesystem') {
          const { config, warnings } = await readConfig(given, file)
          t.match(config, {
            auth: 'openshift',
            http: {
              host: '::',
              port: 5000,
              secret: SECRET,
              tls: { certificate: '/etc/secrets/tls.crt', key: '/etc/secrets/tls.key' }
            },
            storage: { filesystem: { rootdirectory: '/registry' }, delete: { enabled: true } },
            log: { level: 'info' },
            storageHealth: { intervalMs: 10_000, threshold: 1 }
          })
          t.equal(warnings.length, 1, 'nothing is unknown')
          const line = warnings[0]?.replaceAll(file ?? 'no file', '/config.yml') ?? ''
          t.ok(line.length <= 1024, 'the log does not cut it')
          t.match(warnings[0], /it has no image streams yet: REGISTRY_OPENSHIFT_SERVER_ADDR($|[;,])/)
        } else {
          t.match(await problemsOf(given, file), [
            new RegExp(`^REGISTRY_STORAGE: must be filesystem .*; ${driver} is not there yet$`)
          ])
        }
        const [name, value, message] = wrong
        const problems = await problemsOf({ ...given, [name]: value }, file)
        t.ok(
          problems.some((problem) => message.test(problem)),
          problems.join('\n')
        )
        t.notMatch(problems.join(), /hush|aGVsbG8/, 'no secret is told')
      }
    }
  })
}

t.test('the image’s own file stands in the way of no variable', async (t) => {
  const file = new URL('../../deploy/config.yml', import.meta.url).pathname
  t.match(await problemsOf({}, file), [/: http.addr every address can be reached.*REGISTRY_AUTH says/])
  t.match((await readConfig({ REGISTRY_AUTH: 'none' }, file)).config, {
    http: { host: '::', port: 5000 },
    storage: { filesystem: { rootdirectory: '/registry' }, delete: { enabled: true } }
  })
  const { env } = TYPES.s3 ?? { env: {} }
  t.match(await problemsOf({ ...ALWAYS, ...env, REGISTRY_AUTH: 'openshift' }, file), [
    /; s3 is not there yet$/
  ])
})

t.test('an operator that wants a registry read-only gets one', async (t) => {
  for (const [value, isReadOnly] of [
    ['{enabled: true}', true],
    ['{enabled: false}', false]
  ] as const) {
    const env = { ...ALWAYS, ...FILESYSTEM, REGISTRY_STORAGE_MAINTENANCE_READONLY: value }
    const { config } = await readConfig(env, fileWith(t, SHIPPED))
    t.equal(config.storage.maintenance.readonly.enabled, isReadOnly)
  }
})

t.test('one wrong value among those that are always set is told by its name', async (t) => {
  const cases: [keyof typeof ALWAYS, string, RegExp][] = [
    ['REGISTRY_HTTP_ADDR', '5000', /: must be host:port/],
    ['REGISTRY_HTTP_NET', 'unix', /: asks for what berth cannot do yet \(it listens on TCP only\)/],
    ['REGISTRY_HTTP_SECRET', 'changeme', /16 characters/],
    ['REGISTRY_LOG_LEVEL', 'loud', /: must be one of debug/],
    ['REGISTRY_OPENSHIFT_QUOTA_ENABLED', 'yes', /: must be true or false/],
    ['REGISTRY_STORAGE_CACHE_BLOBDESCRIPTOR', 'memcached', /: must be one of inmemory/],
    ['REGISTRY_STORAGE_DELETE_ENABLED', '1', /: must be true or false/],
    ['REGISTRY_HEALTH_STORAGEDRIVER_INTERVAL', '10', /: must be a duration from 1s/],
    ['REGISTRY_HEALTH_STORAGEDRIVER_THRESHOLD', 'one', /: must be a whole number/],
    ['REGISTRY_OPENSHIFT_METRICS_ENABLED', '{}x', /: is not YAML/]
  ]
  for (const [name, value, message] of cases) {
    const problems = await problemsOf({ ...ALWAYS, ...FILESYSTEM, [name]: value }, fileWith(t, SHIPPED))
    t.equal(problems.length, 1, name)
    t.match(problems[0], message)
    t.ok(problems[0]?.startsWith(`${name}:`), name)
  }
})
