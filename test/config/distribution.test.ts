import t from 'tap'
import { readConfig } from '../../src/config/read.ts'
import { fileWith, problemsOf } from './problems.ts'

const HEAD = 'version: 0.1\n'
const FILESYSTEM = 'storage: {filesystem: {rootdirectory: /var/lib/registry}}\n'
const LOCAL = 'http: {addr: localhost:5000}\n'

/** For trying things out, with nearly every section. */
const DEVELOPMENT = `version: 0.1
log:
  accesslog: {disabled: false}
  level: DEBUG
  formatter: text
  fields: {service: registry, environment: development}
  hooks:
    - type: mail
      levels: [panic]
      options: {smtp: {addr: mail.example.com:25, username: u, password: hush, insecure: true}, from: a@example.com, to: [b@example.com]}
storage:
  delete: {enabled: true}
  cache: {blobdescriptor: redis}
  filesystem: {rootdirectory: /var/lib/registry, maxthreads: 100}
  maintenance:
    uploadpurging: {enabled: true, age: 168h, interval: 24h, dryrun: false}
    readonly: {enabled: false}
  tag: {concurrencylimit: 8}
http:
  addr: localhost:5000
  net: tcp
  draintimeout: 60s
  relativeurls: false
  secret: asecretforlocaldevelopment
  debug: {addr: 'localhost:5001', prometheus: {enabled: true, path: /metrics}}
  headers: {X-Content-Type-Options: [nosniff]}
  http2: {disabled: false}
  h2c: {enabled: false}
redis: {addrs: ['localhost:6379'], db: 0, dialtimeout: 10ms, pool: {maxidle: 16}}
notifications:
  events: {includereferences: true}
  endpoints:
    - {name: local, url: 'http://localhost:5003/callback', headers: {Authorization: [Bearer hush]}, timeout: 1s, threshold: 10, backoff: 1s, disabled: true}
health:
  storagedriver: {enabled: true, interval: 10s, threshold: 3}
  file: [{file: /tmp/down, interval: 10s}]
  http: [{uri: 'http://localhost', statuscode: 200}]
  tcp: [{addr: 'redis.example.com:6379', timeout: 3s}]
catalog: {maxentries: 1000}
validation: {manifests: {urls: {allow: ['^https?://example\\.com/'], deny: []}, indexes: {platforms: All}}}
compatibility: {schema1: {enabled: false}}
`

/** The keys of `cmd/registry/config-example.yml`, as distribution 2 and 3 have it. */
const EXAMPLE = `version: 0.1
log: {fields: {service: registry}}
storage:
  cache: {blobdescriptor: inmemory}
  filesystem: {rootdirectory: /var/lib/registry}
  tag: {concurrencylimit: 8}
http:
  addr: :5000
  headers: {X-Content-Type-Options: [nosniff]}
auth: {htpasswd: {realm: basic-realm, path: /etc/registry}}
health: {storagedriver: {enabled: true, interval: 10s, threshold: 3}}
`

const NOBODY_LOGS_IN = /:\d+: http.addr lets other machines connect, .*; use 127.0.0.1, add the line "auth: /

/** `config-dev.yml` of distribution 3. */
const DEVELOPMENT_3 = `version: 0.1
log: {level: debug, fields: {service: registry, environment: development}}
storage:
  delete: {enabled: true}
  cache: {blobdescriptor: inmemory}
  filesystem: {rootdirectory: /var/lib/registry}
  maintenance: {uploadpurging: {enabled: false}}
  tag: {concurrencylimit: 8}
http:
  addr: :5000
  debug: {addr: ':5001', prometheus: {enabled: true, path: /metrics}}
  headers: {X-Content-Type-Options: [nosniff]}
health: {storagedriver: {enabled: true, interval: 10s, threshold: 3}}
`

/** `config-dev.yml` of distribution 2, where `log.hooks`, Redis' pool and notifications come along. */
const DEVELOPMENT_2 = `version: 0.1
log:
  level: debug
  fields: {service: registry, environment: development}
  hooks:
    - type: mail
      disabled: true
      levels: [panic]
      options: {smtp: {addr: 'mail.example.com:25', username: u, password: hush, insecure: true}, from: a@example.com, to: [b@example.com]}
storage:
  delete: {enabled: true}
  cache: {blobdescriptor: redis}
  filesystem: {rootdirectory: /var/lib/registry}
  maintenance: {uploadpurging: {enabled: false}}
http:
  addr: :5000
  debug: {addr: ':5001', prometheus: {enabled: true, path: /metrics}}
  headers: {X-Content-Type-Options: [nosniff]}
redis: {addr: 'localhost:6379', tls: {clientcas: [/ca.pem]}, pool: {maxidle: 16, maxactive: 64, idletimeout: 300s}, dialtimeout: 10ms, readtimeout: 10ms, writetimeout: 10ms}
notifications:
  events: {includereferences: true}
  endpoints:
    - {name: one, url: 'http://localhost:5003/callback', headers: {Authorization: [Bearer hush]}, timeout: 1s, threshold: 10, backoff: 1s, disabled: true}
    - {name: two, url: 'http://localhost:8083/callback', timeout: 1s, threshold: 10, backoff: 1s, disabled: true}
health: {storagedriver: {enabled: true, interval: 10s, threshold: 3}}
`

/** `config-cache.yml`: a pull-through cache. */
const PULL_THROUGH = `version: 0.1
log: {level: debug, fields: {service: registry, environment: development}}
storage:
  cache: {blobdescriptor: redis}
  filesystem: {rootdirectory: /var/lib/registry-cache}
  maintenance: {uploadpurging: {enabled: false}}
  tag: {concurrencylimit: 8}
http:
  addr: :5000
  secret: asecretforlocaldevelopment
  debug: {addr: 'localhost:5001'}
  headers: {X-Content-Type-Options: [nosniff]}
redis: {addrs: ['localhost:6379'], maxidleconns: 16, poolsize: 64, connmaxidletime: 300s, dialtimeout: 10ms, readtimeout: 10ms, writetimeout: 10ms}
notifications:
  events: {includereferences: true}
  endpoints:
    - {name: one, url: 'http://localhost:5003/callback', headers: {Authorization: [Bearer hush]}, timeout: 1s, threshold: 10, backoff: 1s, disabled: true}
proxy: {remoteurl: 'https://registry.example.com', username: u, password: hush}
health: {storagedriver: {enabled: true, interval: 10s, threshold: 3}}
`

/** Of the recipe for macOS. */
const MACOS = `version: 0.1
log: {level: info, fields: {service: registry, environment: macbook-air}}
storage:
  cache: {blobdescriptor: inmemory}
  filesystem: {rootdirectory: /Users/Shared/Registry}
http: {addr: '0.0.0.0:5000', secret: mytokensecret, debug: {addr: 'localhost:5001'}}
`

/** What a file says, what of it is named in a warning, and what refuses it. */
const CASES: { title: string; text: string; ignored?: RegExp[]; problems?: RegExp[] }[] = [
  { title: 'the least there is', text: HEAD + FILESYSTEM + LOCAL },
  { title: 'config-example.yml', text: EXAMPLE, ignored: [/storage\.tag\.concurrencylimit/] },
  { title: 'config-dev.yml of distribution 3, open to all', text: DEVELOPMENT_3, problems: [NOBODY_LOGS_IN] },
  {
    title: 'config-dev.yml of distribution 3, with the line that says so',
    text: `${DEVELOPMENT_3}auth: none\n`,
    ignored: [/http\.debug/, /storage\.tag/]
  },
  { title: 'config-dev.yml of distribution 2, open to all', text: DEVELOPMENT_2, problems: [NOBODY_LOGS_IN] },
  {
    title: 'config-dev.yml of distribution 2, for this machine',
    text: DEVELOPMENT_2.replace('addr: :5000', 'addr: localhost:5000'),
    ignored: [/blobdescriptor/, /http\.debug/, /redis/]
  },
  {
    title: 'config-cache.yml',
    text: PULL_THROUGH,
    problems: [NOBODY_LOGS_IN, /:\d+: proxy asks for what berth cannot do yet .*; remove it$/]
  },
  { title: 'the recipe for macOS', text: MACOS, problems: [NOBODY_LOGS_IN] },
  {
    title: 'development',
    text: DEVELOPMENT,
    ignored: [
      /log\.hooks/,
      /storage\.cache\.blobdescriptor/,
      /storage\.filesystem\.maxthreads/,
      /http\.debug/,
      /redis/,
      /health\.file/,
      /health\.tcp/,
      /validation\.manifests\.urls/,
      /validation\.manifests\.indexes/
    ]
  },
  {
    title: 'a pull-through cache',
    text: `${HEAD}${FILESYSTEM}${LOCAL}proxy: {remoteurl: 'https://registry.example.com', username: u, password: hush, ttl: 168h}\n`,
    problems: [/:4: proxy asks for what berth cannot do yet \(it is no pull-through cache\); remove it$/]
  },
  {
    title: 's3',
    text: `${HEAD}${LOCAL}storage:
  s3:
    accesskey: hush
    secretkey: hush
    region: us-west-1
    regionendpoint: https://s3.example.com
    bucket: images
    encrypt: true
    keyid: k
    secure: true
    v4auth: true
    chunksize: 5242880
    multipartcopychunksize: 33554432
    multipartcopymaxconcurrency: 100
    multipartcopythresholdsize: 33554432
    rootdirectory: /some/where
  redirect: {disable: false}
`
  },
  {
    title: 'gcs with a wrong chunk size',
    text: `${HEAD}${LOCAL}storage:\n  gcs: {bucket: images, keyfile: /k, chunksize: big}\n`,
    problems: [/:4: storage.gcs.chunksize must be a whole number from 262144 .* a multiple of 262144$/]
  },
  {
    title: 'in memory',
    text: `${HEAD}${LOCAL}storage: inmemory\n`,
    problems: [/:3: storage must be filesystem, .*; inmemory would forget .*use filesystem$/]
  },
  {
    title: 'silly',
    text: `${HEAD}${FILESYSTEM}${LOCAL}auth: {silly: {realm: silly, service: registry}}\n`,
    problems: [/:4: auth must be openshift .*; silly is not there$/]
  },
  {
    title: 'token',
    text: `${HEAD}${FILESYSTEM}${LOCAL}auth:
  token:
    autoredirect: true
    realm: https://auth.example.com/token
    service: registry
    issuer: issuer
    rootcertbundle: /root/certs/bundle
    signingalgorithms: [EdDSA, HS256]
`,
    problems: [/:5: auth must be openshift .*; token is not there yet$/]
  },
  {
    title: 'htpasswd, open to others',
    text: `${HEAD}${FILESYSTEM}http: {addr: ':5000', tls: {certificate: /c, key: /k}}\nauth: {htpasswd: {realm: basic-realm, path: /users}}\n`
  },
  {
    title: 'TLS with certificates of clients',
    text: `${HEAD}${FILESYSTEM}http: {addr: 'localhost:1', tls: {certificate: /c, key: /k, clientcas: [/ca.pem], clientauth: verify-client-cert-if-given, minimumtls: tls1.2}}\n`
  },
  {
    title: 'certificates that it gets by itself',
    text: `${HEAD}${FILESYSTEM}http: {addr: 'localhost:1', tls: {letsencrypt: {cachefile: /c, email: a@example.com, hosts: [example.com]}}}\n`,
    problems: [/:3: http.tls.letsencrypt asks for what berth cannot do yet/]
  },
  {
    title: 'middleware',
    text: `${HEAD}${FILESYSTEM}${LOCAL}middleware: {storage: [{name: redirect, options: {baseurl: 'https://example.com/'}}]}\n`
  }
]

for (const { title, text, ignored, problems } of CASES) {
  t.test(
    `distribution's example is ${problems ? 'refused with a reason' : 'accepted'}: ${title}`,
    async (t) => {
      const file = fileWith(t, text)
      if (problems !== undefined) {
        const told = await problemsOf({}, file)
        t.match(told, problems)
        t.equal(told.length, problems.length)
        t.notMatch(told.join(), /hush/)
        return
      }
      const { warnings } = await readConfig({}, file)
      t.equal(warnings.length, ignored === undefined ? 0 : 1, warnings.join('\n'))
      for (const name of ignored ?? []) t.match(warnings[0], name)
      t.notMatch(warnings.join(), /hush/)
    }
  )
}
