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

/** What a file says, what of it is named in a warning, and what refuses it. */
const CASES: { title: string; text: string; ignored?: RegExp[]; problems?: RegExp[] }[] = [
  { title: 'the least there is', text: HEAD + FILESYSTEM + LOCAL },
  {
    title: 'development',
    text: DEVELOPMENT,
    ignored: [
      /log\.fields/,
      /log\.hooks/,
      /storage\.cache\.blobdescriptor/,
      /storage\.filesystem\.maxthreads/,
      /http\.debug/,
      /http\.headers/,
      /redis/,
      /notifications/,
      /health\.file/,
      /health\.tcp/,
      /catalog\.maxentries/,
      /validation/
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
`,
    problems: [/:4: storage must be filesystem .*; s3 is not there yet$/]
  },
  {
    title: 'gcs with a wrong chunk size',
    text: `${HEAD}${LOCAL}storage:\n  gcs: {bucket: images, keyfile: /k, chunksize: big}\n`,
    problems: [/storage must be .*gcs is not there yet$/, /:4: storage.gcs.chunksize must be a whole number$/]
  },
  {
    title: 'in memory',
    text: `${HEAD}${LOCAL}storage: inmemory\n`,
    problems: [/:3: storage must be filesystem .*; inmemory is not there yet$/]
  },
  {
    title: 'silly',
    text: `${HEAD}${FILESYSTEM}${LOCAL}auth: {silly: {realm: silly, service: registry}}\n`,
    problems: [/:4: auth must be openshift .*; silly is not there yet$/]
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
    text: `${HEAD}${FILESYSTEM}http: {addr: 'localhost:1', tls: {certificate: /c, key: /k, clientcas: [/ca.pem], minimumtls: tls1.2}}\n`,
    problems: [/:3: http.tls.clientcas asks for what berth cannot do yet/]
  },
  {
    title: 'certificates that it gets by itself',
    text: `${HEAD}${FILESYSTEM}http: {addr: 'localhost:1', tls: {letsencrypt: {cachefile: /c, email: a@example.com, hosts: [example.com]}}}\n`,
    problems: [/:3: http.tls.letsencrypt asks for what berth cannot do yet/]
  },
  {
    title: 'middleware',
    text: `${HEAD}${FILESYSTEM}${LOCAL}middleware: {storage: [{name: redirect, options: {baseurl: 'https://example.com/'}}]}\n`,
    ignored: [/middleware\.storage/]
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
