import t from 'tap'
import { nearest } from '../../src/config/nearest.ts'
import { readConfig } from '../../src/config/read.ts'
import { fileWith, problemsOf } from './problems.ts'

const LEAST = "version: 0.1\nhttp: {addr: 'localhost:5000'}\nstorage: filesystem\n"

/** A misspelt name in a section that nothing comes of, and the name that was meant. */
const MISSPELT: [text: string, wrong: string, meant: string][] = [
  ['redis: {adrs: [a]}', 'redis.adrs', 'redis.addrs'],
  ['redis: {pool: {maxidel: 1}}', 'redis.pool.maxidel', 'redis.pool.maxidle'],
  ['redis: {tls: {rootca: a}}', 'redis.tls.rootca', 'redis.tls.rootcas'],
  [
    'notifications: {endpoints: [{name: a}, {name: b, timout: 1s}]}',
    'notifications.endpoints.1.timout',
    'notifications.endpoints.1.timeout'
  ],
  ['notifications: {event: {includereferences: true}}', 'notifications.event', 'notifications.events'],
  [
    'middleware: {registry: [{name: a, option: {baseurl: a}}]}',
    'middleware.registry.0.option',
    'middleware.registry.0.options'
  ],
  ['validation: {disable: true}', 'validation.disable', 'validation.disabled'],
  [
    'validation: {manifests: {urls: {alow: [a]}}}',
    'validation.manifests.urls.alow',
    'validation.manifests.urls.allow'
  ],
  ['log: {hooks: [{type: mail, level: [panic]}]}', 'log.hooks.0.level', 'log.hooks.0.levels'],
  ['health: {file: [{path: a, fil: b}]}', 'health.file.0.fil', 'health.file.0.file'],
  ['health: {http: [{url: a}]}', 'health.http.0.url', 'health.http.0.uri'],
  ['health: {tcp: [{adr: a}]}', 'health.tcp.0.adr', 'health.tcp.0.addr'],
  ['reporting: {bugsnag: {apikye: hush}}', 'reporting.bugsnag.apikye', 'reporting.bugsnag.apikey'],
  ['catalog: {maxentrys: 10}', 'catalog.maxentrys', 'catalog.maxentries'],
  ['tags: {maxtag: 10}', 'tags.maxtag', 'tags.maxtags']
]

t.test('names are checked in sections that nothing comes of as well', async (t) => {
  for (const [text, wrong, meant] of MISSPELT) {
    const file = fileWith(t, `${LEAST}${text}\n`)
    const { warnings } = await readConfig({}, file)
    const told = `${wrong} (${file}:4; did you mean ${meant}?)`
    t.ok(warnings.at(-1)?.includes(told), `${told}\n${warnings.join('\n')}`)
    t.notMatch(warnings.join(), /hush/)
  }
  const { warnings } = await readConfig({
    REGISTRY_REDIS_ADRS: 'a',
    REGISTRY_NOTIFICATIONS_ENDPOINTS_0_URI: 'a'
  })
  t.match(warnings.at(-1), 'REGISTRY_REDIS_ADRS (did you mean REGISTRY_REDIS_ADDRS?)')
  t.match(
    warnings.at(-1),
    'REGISTRY_NOTIFICATIONS_ENDPOINTS_0_URI (did you mean REGISTRY_NOTIFICATIONS_ENDPOINTS_0_URL?)'
  )
})

t.test('what would stop distribution in such a section stops berth, with its line', async (t) => {
  for (const [text, problem] of [
    ['redis: a', 'redis must be a section, such as {addr: …}'],
    ['redis: {db: hush}', 'redis.db must be a whole number'],
    ['redis: {dialtimeout: hush}', 'redis.dialtimeout must be a duration such as 10s, 5m or 168h'],
    ['redis: {pool: [hush]}', 'redis.pool must be a section, such as {maxidle: …}'],
    ['notifications: {endpoints: {url: hush}}', 'notifications.endpoints must be a list'],
    ['notifications: {endpoints: [hush]}', 'notifications.endpoints.0 must be a section, such as {name: …}'],
    [
      'notifications: {endpoints: [{headers: {Authorization: hush}}, {headers: hush}]}',
      'notifications.endpoints.1.headers must be names of headers, each with a list of values'
    ],
    ['middleware: {registry: [{name: [hush]}]}', 'middleware.registry.0.name must be text'],
    [
      'middleware: {storage: [{name: a, options: hush}]}',
      'middleware.storage.0.options must be a section, with options of its own'
    ],
    ['validation: {enabled: hush}', 'validation.enabled must be true or false'],
    [
      'validation: {manifests: {indexes: {platforms: hush}}}',
      'validation.manifests.indexes.platforms must be one of all, none, list, All, None, List'
    ],
    [
      'http: {addr: "localhost:1", debug: {prometheus: {enabled: hush}}}',
      'http.debug.prometheus.enabled must be true or false'
    ],
    ['health: {http: [{statuscode: hush}]}', 'health.http.0.statuscode must be a whole number']
  ] as const) {
    const least = text.startsWith('http:') ? 'version: 0.1\n\nstorage: filesystem\n' : LEAST
    const file = fileWith(t, `${least}${text}\n`)
    const problems = await problemsOf({}, file)
    t.strictSame(problems, [`${file}:4: ${problem}`], text)
  }
})

t.test('what is switched off, and what distribution takes as well, is not told of', async (t) => {
  for (const text of [
    'redis: {}',
    'notifications: {events: {includereferences: true}, endpoints: [{name: a, url: b, disabled: yes}]}',
    'log: {hooks: [{type: mail, disabled: true}]}',
    'middleware: {storage: [{name: cloudfront, disabled: true}]}',
    'validation: {disabled: true}',
    'compatibility: {schema1: {enabled: off}}',
    'storage: {filesystem: {}, redirect: {disable: true}, cache: {blobdescriptor: inmemory}}'
  ]) {
    const least = text.startsWith('storage:') ? LEAST.replace(/storage.*\n/, '') : LEAST
    t.strictSame((await readConfig({}, fileWith(t, `${least}${text}\n`))).warnings, [], text)
  }
  const { warnings } = await readConfig({}, fileWith(t, `${LEAST}redis: {dialtimeout: 10}\n`))
  t.equal(warnings.length, 1, 'a bare number is a duration to distribution')
})

t.test('what is missing may be there, misspelt', async (t) => {
  const file = fileWith(t, `${LEAST}auth: {htpasswd: {pth: /users}}\n`)
  await t.rejects(readConfig({}, file), {
    problems: [/auth.htpasswd.path must be set/],
    message: /auth.htpasswd.pth \(.*:4; did you mean auth.htpasswd.path\?\)/
  })
})

t.test('of a long name half may be wrong, of a short one little', (t) => {
  const known = ['storage.filesystem.rootdirectory', 'storage.filesystem', 'http.addr', 'log.level', 'log']
  for (const [name, meant] of [
    ['storage.filesystem.rootdir', 'storage.filesystem.rootdirectory'],
    ['storage.filesystem.root.directory', 'storage.filesystem.rootdirectory'],
    ['storage.filesistem', 'storage.filesystem'],
    ['http.adr', 'http.addr'],
    ['logg', 'log'],
    ['storage.filesystem.whatever', undefined],
    ['http.banana', undefined],
    ['lag', 'log'],
    ['bag', undefined],
    ['whatever', undefined]
  ] as const) {
    t.equal(nearest(name, known), meant, name)
  }
  t.end()
})

t.test('the old name of the log’s level counts where the new one is not said', async (t) => {
  t.equal((await readConfig({}, fileWith(t, `${LEAST}loglevel: debug\n`))).config.log.level, 'debug')
  t.equal((await readConfig({ REGISTRY_LOGLEVEL: 'warn' })).config.log.level, 'warn')
  const both = fileWith(t, `${LEAST}loglevel: debug\nlog: {level: error}\n`)
  t.equal((await readConfig({}, both)).config.log.level, 'error')
  t.match(await problemsOf({ REGISTRY_LOGLEVEL: 'loud' }), [
    /^REGISTRY_LOGLEVEL: log.level must be one of debug/
  ])
})

t.test('pages hold what distribution’s settings say', async (t) => {
  const pages = async (text: string) => (await readConfig({}, fileWith(t, `${LEAST}${text}\n`))).config.pages
  t.strictSame(await pages(''), { repositories: 1000, tags: 10_000 })
  t.strictSame(await pages('catalog: {maxentries: 5}'), { repositories: 5, tags: 10_000 })
  t.strictSame(await pages('catalog: {maxentries: -1}\ntags: {maxtags: 7}'), { repositories: 1000, tags: 7 })
  t.match(await problemsOf({ REGISTRY_CATALOG_MAXENTRIES: 'many' }), [/: must be a whole number/])
})

t.test('headers are what HTTP can carry, and none that answers have anyway', async (t) => {
  const headers = async (value: string) =>
    (await readConfig({ REGISTRY_HTTP_HEADERS: value })).config.http.headers
  t.strictSame(await headers(''), {})
  t.strictSame(await headers('{X-Frame-Options: [DENY], X-A: ["1", "2"], X-B: one}'), {
    'x-frame-options': 'DENY',
    'x-a': ['1', '2'],
    'x-b': 'one'
  })
  for (const value of [
    'nosniff',
    '[nosniff]',
    '{X-A: {b: c}}',
    '{X-A: [[b]]}',
    '{"X A": [b]}',
    '{"X-A:": [b]}',
    '{"": [b]}',
    '{"X-A": ["b\\r\\nX-B: c"]}',
    '{"X-A": ["\\0"]}',
    '{"X-A": ["é"]}',
    '{Content-Length: ["1"]}',
    '{X-Request-ID: [mine]}',
    '{transfer-encoding: [chunked]}',
    '{LOCATION: [b]}',
    '{Docker-Content-Digest: [b]}',
    '{WWW-Authenticate: [b]}',
    '{Connection: [close]}'
  ]) {
    t.match(
      await problemsOf({ REGISTRY_HTTP_HEADERS: value }),
      [/^REGISTRY_HTTP_HEADERS: must be names of headers/],
      value
    )
  }
})
