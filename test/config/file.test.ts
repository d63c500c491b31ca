import t from 'tap'
import { readConfig } from '../../src/config/read.ts'
import { fileWith, problemsOf } from './problems.ts'

/** The lines that every file has. */
const LEAST = `version: 0.1
http: {addr: '127.0.0.1:5000'}
storage: filesystem
`

t.test('with a file the defaults are distribution’s', async (t) => {
  const { config } = await readConfig({}, fileWith(t, LEAST))
  t.equal(config.storage.delete.enabled, false)
  t.equal(config.storage.filesystem.rootdirectory, '/var/lib/registry')
  t.match(config.log, { level: 'info', accesslog: { disabled: false } })
})

t.test('a file must say its version, where to listen and what to store in', async (t) => {
  const file = fileWith(t, 'log: {level: info}')
  t.match(await problemsOf({}, file), [
    new RegExp(`^${file}: version must be set.*"version: 0.1"`),
    new RegExp(`^${file}: http.addr must be set`),
    new RegExp(`^${file}: storage must be set: add`)
  ])
  const variables = { REGISTRY_HTTP_ADDR: '127.0.0.1:1', REGISTRY_STORAGE: 'filesystem' }
  t.strictSame(await problemsOf(variables, fileWith(t, 'version: 0.1')), [])
  t.match(await problemsOf({}, fileWith(t, 'just text')), [/must be a section/])
  t.match(await problemsOf({}, fileWith(t, '')), [/must be a section/])
  t.match(await problemsOf({}, '/nowhere'), [/^\/nowhere: cannot be read/])
  t.match(await problemsOf({ REGISTRY_CONFIGURATION_PATH: '/nowhere' }), [/^\/nowhere: cannot be read/])
})

t.test('the argument outranks REGISTRY_CONFIGURATION_PATH', async (t) => {
  const { config } = await readConfig({ REGISTRY_CONFIGURATION_PATH: '/nowhere' }, fileWith(t, LEAST))
  t.equal(config.storage.delete.enabled, false)
})

t.test('every problem of a file is told at once, with its line and no value', async (t) => {
  const file = fileWith(
    t,
    `version: 0.2
log:
  level: hunter2
http:
  addr: 'hunter2'
  tls: hunter2
storage:
  filesystem: {rootdirectory: [hunter2]}
  delete: {enabled: hunter2}
`
  )
  const problems = await problemsOf({}, file)
  t.strictSame(problems.map((problem) => problem.slice(file.length).split(' must')[0]).sort(), [
    ':1: version',
    ':3: log.level',
    ':5: http.addr',
    ':6: http.tls',
    ':8: storage.filesystem.rootdirectory',
    ':9: storage.delete.enabled'
  ])
  t.notMatch(problems.join(), /hunter2/)
})

t.test('what is no YAML is told with its line, without repeating it', async (t) => {
  for (const [text, line] of [
    ['version: 0.1\nhttp:\n  secret: @hunter2\n', 3],
    ['version: 0.1\nhttp:\n  secret: *hunter2\n', 3],
    ['version: 0.1\nhttp: {secret: hunter2\n', 3],
    ['version: 0.1\nversion: 0.1\n', 2],
    ['http:\n  secret: "a" hunter2\n', 2],
    ['http: {secret: a}\n hunter2: }\n', 2],
    ['http: |hunter2\n a\n', 1],
    ['a: &a [*a]\n', 1],
    ['a: 1\nb: *nothing\n', 2]
  ] as const) {
    const file = fileWith(t, text)
    const problems = await problemsOf({}, file)
    t.ok(problems[0]?.startsWith(`${file}:${line}: `), problems.join('\n'))
    t.notMatch(problems.join(), /hunter2/)
  }
  t.match(await problemsOf({ REGISTRY_HTTP_SECRET: 'hunter2:' }), [/^REGISTRY_HTTP_SECRET: must be text$/])
  const file = fileWith(t, LEAST.replace('}', ', secret: of-the-file}'))
  t.equal((await readConfig({ REGISTRY_HTTP_SECRET: "''" }, file)).config.http.secret, 'of-the-file')
  for (const begin of ['*', '@', '%', '|', '#', '!', '&', '"', "'", '[', '{', '? - ']) {
    const problems = await problemsOf({ REGISTRY_HTTP_SECRET: `${begin}hunter2` })
    t.match(problems, [/^REGISTRY_HTTP_SECRET: .*(single quotes|must be text)/], begin)
    t.notMatch(problems.join(), /hunter2/)
  }
})

t.test('problems are told in the order of the file, then those of variables', async (t) => {
  const file = fileWith(
    t,
    'auth: {htpasswd: users}\nlog: {level: loud}\nhttp: {addr: 1}\nproxy: {remoteurl: a}\nstorage: {delete: true, filesystem: {}}\n'
  )
  const problems = await problemsOf({ REGISTRY_HTTP_PROCESSES: '0' }, file)
  t.strictSame(
    problems.map((problem) => problem.replace(`${file}:`, '').split(' ')[0]),
    ['', '1:', '2:', '3:', '4:', '5:', 'REGISTRY_HTTP_PROCESSES:'],
    problems.join('\n')
  )
})

t.test('what is no section is told with a setting that may stand in it', async (t) => {
  for (const [text, such] of [
    [
      'storage: {filesystem: {}, maintenance: {readonly: true}}',
      /readonly must be .* such as {enabled: true}$/
    ],
    ['storage: {filesystem: {}, delete: no}', /delete must be .* such as {enabled: false}$/],
    ['storage: {filesystem: {}, delete: 5}', /delete must be .* such as {enabled: …}$/],
    ['storage: {filesystem: /data}', /filesystem must be .* such as {rootdirectory: …}$/],
    ['storage: filesystem\nhealth: true', /health must be .* such as {storagedriver: …}$/]
  ] as const) {
    const file = fileWith(t, `version: 0.1\nhttp: {addr: 'localhost:1'}\n${text}\n`)
    t.match(await problemsOf({}, file), [such], text)
  }
  t.match(await problemsOf({}, fileWith(t, `${LEAST}auth: {htpasswd: users}`)), [/such as {path: …}$/])
})

t.test('what is not YAML is told with what helps', async (t) => {
  for (const [text, remedy] of [
    ['version: 0.1\nversion: 0.1\n', /:2: is not YAML \(duplicate key\); it may stand there once/],
    ['http:\n\taddr: a\n', /indent by spaces/],
    ['log:\n   level: info\n  formatter: text\n', /:3: .*as many spaces/],
    ['http:\n  secret: @a\n', /single quotes/]
  ] as const) {
    const [problem] = await problemsOf({}, fileWith(t, text))
    t.match(problem, remedy)
    t.equal(problem?.includes('single quotes'), String(remedy).includes('single quotes'), text)
  }
})

t.test('a name in capitals, and a variable below no section, are told with the nearest name', async (t) => {
  const file = fileWith(t, `${LEAST}Log: {level: info}\nopenshift: {Audit: {enabled: true}}\n`)
  const env = { REGISTRY_CONFIGURATON_PATH: '/x', REGISTRY_HTPP_ADDR: 'a', REGISTRY_HTPP_SECRET: 'b' }
  t.strictSame((await readConfig(env, file)).warnings, [
    'ignored, since berth does not know them: ' +
      `Log (${file}:4; did you mean log?), openshift.Audit (${file}:5; did you mean openshift.audit?), ` +
      'REGISTRY_CONFIGURATON_PATH (did you mean REGISTRY_CONFIGURATION_PATH?), ' +
      'REGISTRY_HTPP_ADDR (did you mean REGISTRY_HTTP_ADDR?), ' +
      'REGISTRY_HTPP_SECRET (did you mean REGISTRY_HTTP_SECRET?)'
  ])
})

t.test('what berth does not know is told of in one line, with the nearest known name', async (t) => {
  const file = fileWith(
    t,
    `${LEAST}logg: {level: info}\nlog: {levle: info}\nopenshift: {audits: {enabled: true}}\n`
  )
  const { warnings } = await readConfig({ REGISTRY_HTTP_ADRR: 'x' }, file)
  t.strictSame(warnings, [
    `ignored, since berth does not know them: REGISTRY_HTTP_ADRR (did you mean REGISTRY_HTTP_ADDR?), ` +
      `logg (${file}:4; did you mean log?), log.levle (${file}:5; did you mean log.level?), ` +
      `openshift.audits (${file}:6; did you mean openshift.audit?)`
  ])
})

t.test('how lines of the log are written, and what is audited', async (t) => {
  const { config, warnings } = await readConfig(
    { REGISTRY_LOG_FIELDS_PLACE: 'here' },
    fileWith(
      t,
      `${LEAST}log: {formatter: json, fields: {service: my registry, count: 3}}\nopenshift: {audit: {enabled: true}}\n`
    )
  )
  t.strictSame(warnings, [])
  t.match(config.log, { formatter: 'json', fields: { service: 'my registry', count: '3', place: 'here' } })
  t.equal(config.openshift.audit.enabled, true)
  for (const [log, problem] of [
    ['formatter: combined', /:4: log.formatter must be one of text, json, logstash$/],
    ['fields: {msg: hush}', /:4: log.fields must be up to 20 names/],
    ['fields: {"a b": hush}', /log.fields must be/],
    ['fields: {a: {b: hush}}', /log.fields must be/],
    ['fields: [hush]', /log.fields must be/],
    [`fields: {a: ${'hush'.repeat(200)}}`, /log.fields must be/]
  ] as const) {
    const problems = await problemsOf({}, fileWith(t, `${LEAST}log: {${log}}\n`))
    t.match(problems, [problem])
    t.equal(problems.length, 1)
    t.notMatch(problems.join(), /hush/)
  }
})

const OVERRIDES: [string, Record<string, string>, object][] = [
  ['a value is YAML', { REGISTRY_LOG_LEVEL: '"debug"' }, { log: { level: 'debug' } }],
  [
    'a map takes the place of a section',
    { REGISTRY_LOG: '{level: warn, accesslog: {disabled: true}}' },
    { log: { level: 'warn', accesslog: { disabled: true } } }
  ],
  [
    'parts come after the section, in the order of names',
    { REGISTRY_LOG_LEVEL: 'error', REGISTRY_LOG: '{level: warn, accesslog: {disabled: true}}' },
    { log: { level: 'error', accesslog: { disabled: true } } }
  ],
  [
    'a driver’s name takes the place of all that the file says of storage',
    { REGISTRY_STORAGE: 'filesystem' },
    { storage: { filesystem: { rootdirectory: '/var/lib/registry' }, delete: { enabled: false } } }
  ],
  [
    'and later variables add to it',
    { REGISTRY_STORAGE: 'filesystem', REGISTRY_STORAGE_DELETE: '{enabled: true}' },
    { storage: { filesystem: { rootdirectory: '/var/lib/registry' }, delete: { enabled: true } } }
  ],
  [
    'reserved keys are no drivers',
    {
      REGISTRY_STORAGE_CACHE: '{blobdescriptor: inmemory}',
      REGISTRY_STORAGE_REDIRECT_DISABLE: 'true',
      REGISTRY_STORAGE_TAG_CONCURRENCYLIMIT: '5',
      REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_AGE: '168h'
    },
    { storage: { filesystem: { rootdirectory: '/of/the/file' }, delete: { enabled: true } } }
  ],
  [
    'a number may be a secret',
    { REGISTRY_HTTP_SECRET: '01234567890123450' },
    { http: { secret: '01234567890123450' } }
  ],
  [
    'so may it look like one',
    { REGISTRY_HTTP_SECRET: '0123456789e12345' },
    { http: { secret: '0123456789e12345' } }
  ],
  [
    'an empty value leaves the file’s',
    { REGISTRY_STORAGE: '', REGISTRY_LOG_LEVEL: '""' },
    { log: { level: 'warn' } }
  ],
  ['none is a way to let people in', { REGISTRY_AUTH: 'none' }, { auth: 'none' }],
  ['however it is written', { REGISTRY_AUTH: '{none: }' }, { auth: 'none' }],
  [
    'an item of a list is set by its number',
    { REGISTRY_HTTP_TRUSTEDPROXIES_0: '10.0.0.2', REGISTRY_HTTP_TRUSTEDPROXIES_1: '10.0.0.3' },
    { http: { trustedproxies: ['10.0.0.2', '10.0.0.3'] } }
  ]
]

t.test('variables override the file by distribution’s rules', async (t) => {
  const file = fileWith(
    t,
    `version: 0.1
log: {level: warn}
http: {addr: 'localhost:5000', trustedproxies: [10.0.0.1]}
storage:
  filesystem: {rootdirectory: /of/the/file}
  delete: {enabled: true}
auth:
  htpasswd: {path: /users}
`
  )
  t.match((await readConfig({}, file)).config, {
    auth: 'htpasswd',
    storage: { filesystem: { rootdirectory: '/of/the/file' } }
  })
  for (const [title, env, expected] of OVERRIDES)
    t.match((await readConfig(env, file)).config, expected, title)
})

t.test('two drivers at once are refused, with the place of each', async (t) => {
  const file = fileWith(
    t,
    `${LEAST.replace('storage: filesystem', 'storage: {filesystem: {}, inmemory: {}}')}`
  )
  t.match(await problemsOf({}, file), [/^storage takes one of filesystem \(.*:3\) and inmemory \(.*:3\)/])
  t.match(await problemsOf({ REGISTRY_STORAGE_S3_BUCKET: 'x' }, fileWith(t, LEAST)), [
    /^storage takes one of filesystem \(.*:3\) and s3 \(REGISTRY_STORAGE_S3_BUCKET\): .*set REGISTRY_STORAGE/
  ])
  const both = { REGISTRY_AUTH: 'openshift', REGISTRY_AUTH_HTPASSWD_PATH: '/x' }
  t.match(await problemsOf(both), [/^auth takes one of openshift \(REGISTRY_AUTH\) and htpasswd/])
})

t.test('a file that lets others connect must say who may come in', async (t) => {
  const text = LEAST.replace('127.0.0.1', '')
  const file = fileWith(t, text)
  t.match(await problemsOf({}, file), [
    new RegExp(`^${file}:2: http.addr lets other machines connect, .*line "auth: none"`)
  ])
  for (const auth of ['none', '{none: {}}', '{none: }', 'openshift', '{openshift: }']) {
    t.strictSame(await problemsOf({}, fileWith(t, `${text}auth: ${auth}\n`)), [], auth)
  }
})

t.test('aliases and merged sections are followed', async (t) => {
  const file = fileWith(t, `${LEAST}x: &level warn\nlog: {level: *level}\n`)
  t.equal((await readConfig({}, file)).config.log.level, 'warn')
  const merged = `x: &x {accesslog: {disabled: true}, level: warn}\nlog:\n  level: error\n  <<: *x\n${LEAST}`
  t.match((await readConfig({}, fileWith(t, merged))).config.log, {
    level: 'error',
    accesslog: { disabled: true }
  })
})

t.test('names of the first OpenShift registries still count', async (t) => {
  const text = `version: 0.1
http: {addr: ':5000'}
storage: filesystem
auth:
  openshift: {realm: origin, tokenrealm: https://registry.example.com, audit: {enabled: false}}
middleware:
  repository:
    - name: openshift
      options: {acceptschema2: true}
`
  const { config, warnings } = await readConfig(
    {
      DOCKER_REGISTRY_URL: 'registry.example.com:5000',
      REGISTRY_MIDDLEWARE_REPOSITORY_OPENSHIFT_DOCKERREGISTRYURL: 'other.example.com',
      REGISTRY_MIDDLEWARE_REPOSITORY_OPENSHIFT_ENFORCEQUOTA: 'true'
    },
    fileWith(t, text)
  )
  t.equal(config.openshift.auth.tokenrealm, 'https://registry.example.com')
  t.equal(warnings.length, 1)
  t.match(warnings[0], /it has no image streams yet: openshift.server.addr \(DOCKER_REGISTRY_URL\)/)
  t.match(warnings[0], /openshift.quota.enabled \(REGISTRY_MIDDLEWARE_REPOSITORY_OPENSHIFT_ENFORCEQUOTA\)/)
  const old = { REGISTRY_MIDDLEWARE_REPOSITORY_OPENSHIFT_PULLTHROUGH: 'false', DOCKER_REGISTRY_URL: 'a:1' }
  t.strictSame((await readConfig(old)).warnings, [
    'ignored, since berth does not do that; it has no image streams yet: openshift.server.addr (DOCKER_REGISTRY_URL)'
  ])
})

t.test(
  'options of the first OpenShift registries’ middleware count where no setting says otherwise',
  async (t) => {
    const text = (options: string, more = '') => `version: 0.1
http: {addr: 'localhost:5000'}
storage: filesystem
middleware:
  registry: [{name: openshift}]
  repository:
    - name: openshift
      options: ${options}
  storage: [{name: openshift}]
${more}`
    const warnings = async (options: string, more?: string) =>
      (await readConfig({}, fileWith(t, text(options, more)))).warnings
    t.strictSame(await warnings('{}'), [], 'it is always there')
    t.strictSame(await warnings('{acceptschema2: true, pullthrough: false, projectcachettl: 1m}'), [])
    t.match(await warnings('{enforcequota: true, dockerregistryurl: a}'), [
      /it has no quotas yet: openshift.quota.enabled \(.*:8\); .*: openshift.server.addr \(.*:8\)$/
    ])
    t.match(await warnings('{acceptschema3: true}'), [/it has no middleware: middleware.repository/])
    t.match(await problemsOf({}, fileWith(t, text('{acceptschema2: false}'))), [
      /:8: openshift.compatibility.acceptschema2 asks for what berth cannot do yet/
    ])
    const today = 'openshift: {quota: {enabled: false}}\n'
    t.strictSame(await warnings('{enforcequota: true}', today), [])
    const other = fileWith(t, text('{}').replace('  storage: [{name: openshift}]', '  storage: [{name: a}]'))
    t.match(await problemsOf({}, other), [/:9: middleware.storage.0.name must be cloudfront, redirect or/])
  }
)
