import t from 'tap'
import { readConfig } from '../../src/config/read.ts'
import { ALWAYS, FILESYSTEM, SECRET, SHIPPED, SOMETIMES } from './operator.ts'
import { fileWith, problemsOf } from './problems.ts'

/** What its limits on requests come to, and what they are otherwise. */
const REQUESTS = {
  read: { maxrunning: 10, maxinqueue: 20, maxwaitinqueue: 30_000 },
  write: { maxrunning: 10, maxinqueue: 20, maxwaitinqueue: 0 }
}
const NO_LIMIT = { maxrunning: 0, maxinqueue: 0, maxwaitinqueue: 0 }
const UNLIMITED = { read: NO_LIMIT, write: NO_LIMIT }

/** Per type of storage what its administrator may have chosen. */
const TYPES: Record<string, Record<string, string>> = {
  pvc: FILESYSTEM,
  emptyDir: FILESYSTEM,
  s3: {
    REGISTRY_STORAGE: 's3',
    REGISTRY_STORAGE_S3_BUCKET: 'image-registry-us-east-1',
    REGISTRY_STORAGE_S3_REGION: 'us-east-1',
    REGISTRY_STORAGE_S3_ENCRYPT: 'true',
    REGISTRY_STORAGE_S3_FORCEPATHSTYLE: 'true',
    REGISTRY_STORAGE_S3_CREDENTIALSCONFIGPATH: '/var/run/secrets/cloud/credentials'
  },
  's3 with an endpoint, a key and CloudFront': {
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
    REGISTRY_MIDDLEWARE_STORAGE: `- name: cloudfront
  options:
    baseurl: https://d.cloudfront.net
    duration: 1200s
    ipfilteredby: none
    keypairid: K1
    privatekey: /etc/docker/cloudfront/private.pem
`
  },
  ibmcos: {
    REGISTRY_STORAGE: 's3',
    REGISTRY_STORAGE_S3_BUCKET: 'image-registry',
    REGISTRY_STORAGE_S3_REGION: 'us-east',
    REGISTRY_STORAGE_S3_REGIONENDPOINT: 'https://s3.us-east.cloud-object-storage.appdomain.cloud',
    REGISTRY_STORAGE_S3_ENCRYPT: 'false',
    REGISTRY_STORAGE_S3_FORCEPATHSTYLE: 'true',
    REGISTRY_STORAGE_S3_USEDUALSTACK: 'false',
    REGISTRY_STORAGE_S3_CREDENTIALSCONFIGPATH: '/var/run/secrets/cloud/credentials'
  },
  gcs: {
    REGISTRY_STORAGE: 'gcs',
    REGISTRY_STORAGE_GCS_BUCKET: 'image-registry',
    REGISTRY_STORAGE_GCS_KEYFILE: '/gcs/keyfile'
  },
  'azure with a key': {
    REGISTRY_STORAGE: 'azure',
    REGISTRY_STORAGE_AZURE_CONTAINER: 'image-registry',
    REGISTRY_STORAGE_AZURE_ACCOUNTNAME: 'imageregistry',
    REGISTRY_STORAGE_AZURE_REALM: 'core.windows.net',
    REGISTRY_STORAGE_AZURE_ACCOUNTKEY: 'aGVsbG8gd29ybGQ='
  },
  'azure with workload identity': {
    REGISTRY_STORAGE: 'azure',
    REGISTRY_STORAGE_AZURE_CONTAINER: 'image-registry',
    REGISTRY_STORAGE_AZURE_ACCOUNTNAME: 'imageregistry',
    AZURE_CLIENT_ID: '1',
    AZURE_TENANT_ID: '2',
    AZURE_FEDERATED_TOKEN_FILE: '/var/run/secrets/openshift/serviceaccount/token',
    AZURE_AUTHORITY_HOST: 'https://login.microsoftonline.com'
  },
  'swift with a password': {
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
  'swift with nothing but what is always set': {
    REGISTRY_STORAGE: 'swift',
    REGISTRY_STORAGE_SWIFT_CONTAINER: 'image-registry',
    REGISTRY_STORAGE_SWIFT_AUTHURL: 'https://keystone.example.com/v3',
    REGISTRY_STORAGE_SWIFT_AUTHVERSION: '3',
    REGISTRY_STORAGE_SWIFT_USERNAME: '""',
    REGISTRY_STORAGE_SWIFT_PASSWORD: '""',
    REGISTRY_STORAGE_SWIFT_TOKENID: '""',
    REGISTRY_STORAGE_SWIFT_APPLICATIONCREDENTIALID: '""',
    REGISTRY_STORAGE_SWIFT_APPLICATIONCREDENTIALNAME: '""',
    REGISTRY_STORAGE_SWIFT_APPLICATIONCREDENTIALSECRET: '""'
  }
}

const IN_A_FOLDER = { driver: 'filesystem', filesystem: { rootdirectory: '/registry' } }

/** What comes of those that are not in a folder. */
const EXPECTED: Record<string, object> = {
  s3: {
    driver: 's3',
    s3: {
      bucket: 'image-registry-us-east-1',
      region: 'us-east-1',
      encrypt: true,
      // As with OpenShift's registry it counts only with an endpoint.
      forcepathstyle: false,
      credentialsconfigpath: '/var/run/secrets/cloud/credentials',
      chunksize: 10_485_760,
      storageclass: 'STANDARD'
    },
    middleware: []
  },
  's3 with an endpoint, a key and CloudFront': {
    driver: 's3',
    s3: {
      regionendpoint: 'https://s3.us-east-1.amazonaws.com',
      forcepathstyle: true,
      keyid: 'arn:aws:kms:us-east-1:111122223333:key/1234abcd',
      chunksize: 10_485_760,
      usedualstack: true
    },
    middleware: [
      {
        name: 'cloudfront',
        baseurl: 'https://d.cloudfront.net/',
        duration: 1_200_000,
        ipfilteredby: 'none',
        keypairid: 'K1',
        privatekey: '/etc/docker/cloudfront/private.pem'
      }
    ]
  },
  ibmcos: {
    driver: 's3',
    s3: {
      bucket: 'image-registry',
      region: 'us-east',
      regionendpoint: 'https://s3.us-east.cloud-object-storage.appdomain.cloud',
      encrypt: false,
      forcepathstyle: true,
      usedualstack: false,
      credentialsconfigpath: '/var/run/secrets/cloud/credentials'
    }
  },
  gcs: { driver: 'gcs', gcs: { bucket: 'image-registry', keyfile: '/gcs/keyfile' } },
  'azure with a key': {
    driver: 'azure',
    azure: {
      container: 'image-registry',
      accountname: 'imageregistry',
      realm: 'core.windows.net',
      credentials: { type: 'shared_key', accountkey: 'aGVsbG8gd29ybGQ=' },
      islegacy: true
    }
  },
  'azure with workload identity': {
    driver: 'azure',
    azure: {
      container: 'image-registry',
      accountname: 'imageregistry',
      realm: 'core.windows.net',
      credentials: { type: 'default_credentials' },
      islegacy: true
    }
  }
}

const TEXT: [string, RegExp] = ['[hush-hush]', /: must be text$/]
const TRUTH: [string, RegExp] = ['hush-hush', /: must be true or false$/]
const NAME: [string, RegExp] = ['hush hush', /: must be the name of a/]
const PATH: [string, RegExp] = ['{a: b}', /: must be the path of a/]

/** For each variable a value that it cannot have, and what is said of it. */
const WRONG: Record<string, [value: string, message: RegExp]> = {
  REGISTRY_HTTP_ADDR: ['5000', /: must be host:port/],
  REGISTRY_HTTP_NET: ['unix', /: asks for what berth cannot do yet \(it listens on TCP only\)/],
  REGISTRY_HTTP_SECRET: ['changeme', /16 characters/],
  REGISTRY_LOG_LEVEL: ['loud', /: must be one of debug/],
  REGISTRY_OPENSHIFT_QUOTA_ENABLED: TRUTH,
  REGISTRY_STORAGE_CACHE_BLOBDESCRIPTOR: ['memcached', /: must be one of inmemory/],
  REGISTRY_STORAGE_DELETE_ENABLED: ['1', /: must be true or false/],
  REGISTRY_HEALTH_STORAGEDRIVER_ENABLED: TRUTH,
  REGISTRY_HEALTH_STORAGEDRIVER_INTERVAL: ['10', /: must be a duration from 1s/],
  REGISTRY_HEALTH_STORAGEDRIVER_THRESHOLD: ['one', /: must be a whole number/],
  REGISTRY_OPENSHIFT_METRICS_ENABLED: ['{}x', /: is not YAML/],
  REGISTRY_OPENSHIFT_SERVER_ADDR: TEXT,
  REGISTRY_HTTP_TLS_CERTIFICATE: PATH,
  REGISTRY_HTTP_TLS_KEY: PATH,
  REGISTRY_STORAGE_MAINTENANCE_READONLY: ['true', /: must be a section/],
  REGISTRY_STORAGE_REDIRECT_DISABLE: TRUTH,
  REGISTRY_OPENSHIFT_REQUESTS_READ_MAXRUNNING: ['ten', /: must be a whole number/],
  REGISTRY_OPENSHIFT_REQUESTS_READ_MAXINQUEUE: ['ten', /: must be a whole number/],
  REGISTRY_OPENSHIFT_REQUESTS_READ_MAXWAITINQUEUE: ['long', /: must be a duration/],
  REGISTRY_OPENSHIFT_REQUESTS_WRITE_MAXRUNNING: ['ten', /: must be a whole number/],
  REGISTRY_OPENSHIFT_REQUESTS_WRITE_MAXINQUEUE: ['ten', /: must be a whole number/],
  REGISTRY_OPENSHIFT_REQUESTS_WRITE_MAXWAITINQUEUE: ['long', /: must be a duration/],
  REGISTRY_HTTP_TLS_MINVERSION: ['1.2', /: must be one of VersionTLS/],
  REGISTRY_STORAGE: ['filesytem', /: must be filesystem/],
  REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: PATH,
  REGISTRY_STORAGE_S3_BUCKET: NAME,
  REGISTRY_STORAGE_S3_REGION: TEXT,
  REGISTRY_STORAGE_S3_ENCRYPT: ['AES256', /: must be true or false$/],
  REGISTRY_STORAGE_S3_FORCEPATHSTYLE: TRUTH,
  REGISTRY_STORAGE_S3_CREDENTIALSCONFIGPATH: PATH,
  REGISTRY_STORAGE_S3_REGIONENDPOINT: ['ftp://hush', /: must be the URL of an S3 server/],
  REGISTRY_STORAGE_S3_KEYID: TEXT,
  REGISTRY_STORAGE_S3_CHUNKSIZE: ['5242879', /: must be a whole number from 5242880 to 5368709120$/],
  REGISTRY_STORAGE_S3_USEDUALSTACK: TRUTH,
  REGISTRY_MIDDLEWARE_STORAGE: ['{name: cloudfront}', /: must be a list$/],
  REGISTRY_STORAGE_GCS_BUCKET: NAME,
  REGISTRY_STORAGE_GCS_KEYFILE: PATH,
  REGISTRY_STORAGE_AZURE_CONTAINER: NAME,
  REGISTRY_STORAGE_AZURE_ACCOUNTNAME: NAME,
  REGISTRY_STORAGE_AZURE_REALM: ['https://hush', /: must be the domain of a cloud/],
  REGISTRY_STORAGE_AZURE_ACCOUNTKEY: ['hush-hush', /: must be a key in base64/],
  REGISTRY_STORAGE_SWIFT_CONTAINER: TEXT,
  REGISTRY_STORAGE_SWIFT_AUTHURL: TEXT,
  REGISTRY_STORAGE_SWIFT_AUTHVERSION: ['v3', /: must be a whole number$/],
  REGISTRY_STORAGE_SWIFT_USERNAME: TEXT,
  REGISTRY_STORAGE_SWIFT_PASSWORD: TEXT,
  REGISTRY_STORAGE_SWIFT_TOKENID: TEXT,
  REGISTRY_STORAGE_SWIFT_APPLICATIONCREDENTIALID: TEXT,
  REGISTRY_STORAGE_SWIFT_APPLICATIONCREDENTIALNAME: TEXT,
  REGISTRY_STORAGE_SWIFT_APPLICATIONCREDENTIALSECRET: TEXT,
  REGISTRY_STORAGE_SWIFT_DOMAIN: TEXT,
  REGISTRY_STORAGE_SWIFT_DOMAINID: TEXT,
  REGISTRY_STORAGE_SWIFT_TENANT: TEXT,
  REGISTRY_STORAGE_SWIFT_TENANTID: TEXT,
  REGISTRY_STORAGE_SWIFT_REGION: TEXT
}

/** Not the configuration's: libraries of clouds read them, and what calls other servers. */
const OTHERS = /^(AZURE_|HTTPS?_PROXY$|NO_PROXY$)/

/** Names of cipher suites are not judged by the configuration: whoever opens TLS does. */
const JUDGED_LATER = ['OPENSHIFT_REGISTRY_HTTP_TLS_CIPHERSUITES']

t.test('every variable of the operator has a value that it cannot have', async (t) => {
  const all = [ALWAYS, SOMETIMES, ...Object.values(TYPES)].flatMap((env) => Object.keys(env))
  const settings = new Set(all.filter((name) => !OTHERS.test(name) && !JUDGED_LATER.includes(name)))
  t.strictSame(Object.keys(WRONG).sort(), [...settings].sort())
})

/** With the file that OpenShift's image brings, or with none and what would stand in it. */
const ways = (t: Parameters<typeof fileWith>[0]): [Record<string, string>, string | undefined][] => [
  [{}, fileWith(t, SHIPPED)],
  [{ REGISTRY_AUTH: 'openshift' }, undefined]
]

for (const [type, env] of Object.entries(TYPES)) {
  t.test(`the environment of OpenShift's operator for ${type} is understood`, async (t) => {
    for (const [more, file] of ways(t)) {
      for (const conditional of [{}, SOMETIMES]) {
        const given: Record<string, string> = { ...ALWAYS, ...conditional, ...env, ...more }
        if (given.REGISTRY_STORAGE === 'swift') {
          t.match(await problemsOf(given, file), [
            /^REGISTRY_STORAGE: must be filesystem, .*no driver for swift: .* use s3 with its regionendpoint$/
          ])
          continue
        }
        const { config, warnings } = await readConfig(given, file)
        t.match(config, {
          auth: 'openshift',
          http: {
            host: '::',
            port: 5000,
            secret: SECRET,
            tls: { certificate: '/etc/secrets/tls.crt', key: '/etc/secrets/tls.key' }
          },
          storage: { ...(EXPECTED[type] ?? IN_A_FOLDER), delete: { enabled: true } },
          log: { level: 'info' },
          storageHealth: { intervalMs: 10_000, threshold: 1 },
          openshift: { requests: conditional === SOMETIMES ? REQUESTS : UNLIMITED }
        })
        t.equal(config.storage.redirect.disable, conditional === SOMETIMES)
        t.notMatch(warnings[0], /requests/i)
        t.equal(warnings.length, 1, 'nothing is unknown')
        const line = warnings[0]?.replaceAll(file ?? 'no file', '/config.yml') ?? ''
        t.ok(line.length <= 1024, 'the log does not cut it')
        t.match(warnings[0], /it has no image streams yet: REGISTRY_OPENSHIFT_SERVER_ADDR($|[;,])/)
      }
    }
  })

  t.test(`one wrong value in the environment for ${type} is told by its name`, async (t) => {
    const given: Record<string, string> = { ...ALWAYS, ...SOMETIMES, ...env }
    const others = await problemsOf(given, fileWith(t, SHIPPED))
    for (const [name, [value, message]] of Object.entries(WRONG)) {
      if (!(name in given)) continue
      const problems = await problemsOf({ ...given, [name]: value }, fileWith(t, SHIPPED))
      const news = problems.filter((problem) => !others.includes(problem))
      t.ok(
        news.some((problem) => problem.startsWith(`${name}:`) && message.test(problem)),
        `${name}: ${problems.join('\n')}`
      )
      t.equal(news.length, 1, name)
      t.notMatch(problems.join(), /hush|aGVsbG8/, 'no secret is told')
    }
  })
}

t.test('the image’s own file stands in the way of no variable', async (t) => {
  const file = new URL('../../deploy/config.yml', import.meta.url).pathname
  t.match(await problemsOf({}, file), [/: http.addr lets other machines connect.*REGISTRY_AUTH says/])
  t.match((await readConfig({ REGISTRY_AUTH: 'none' }, file)).config, {
    http: { host: '::', port: 5000 },
    storage: { filesystem: { rootdirectory: '/registry' }, delete: { enabled: true } }
  })
  const s3 = await readConfig({ ...ALWAYS, ...TYPES.s3, REGISTRY_AUTH: 'openshift' }, file)
  t.match(s3.config.storage, { driver: 's3', delete: { enabled: true } })
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
