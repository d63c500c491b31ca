import t from 'tap'
import { printConfig } from '../../src/config/print.ts'
import { readConfig } from '../../src/config/read.ts'
import { fileWith, problemsOf } from './problems.ts'

const MIB = 1024 * 1024
const LEAST = "version: 0.1\nhttp: {addr: 'localhost:5000'}\n"
const S3 = { REGISTRY_STORAGE: 's3', REGISTRY_STORAGE_S3_BUCKET: 'b', REGISTRY_STORAGE_S3_REGION: 'mars-1' }
const GCS = { REGISTRY_STORAGE: 'gcs', REGISTRY_STORAGE_GCS_BUCKET: 'b' }
const AZURE = {
  REGISTRY_STORAGE: 'azure',
  REGISTRY_STORAGE_AZURE_ACCOUNTNAME: 'a',
  REGISTRY_STORAGE_AZURE_CONTAINER: 'c'
}

const storageOf = async (env: Record<string, string>) => (await readConfig(env)).config.storage

t.test('S3 is opened with distribution’s defaults', async (t) => {
  const { driver, s3, gcs, azure, memory } = await storageOf({ ...S3, REGISTRY_HTTP_PROCESSES: '2' })
  t.strictSame([driver, gcs, azure, memory], ['s3', undefined, undefined, 64 * MIB])
  t.strictSame(s3, {
    accesskey: undefined,
    secretkey: undefined,
    credentialsconfigpath: undefined,
    bucket: 'b',
    region: 'mars-1',
    regionendpoint: undefined,
    redirectendpoint: undefined,
    forcepathstyle: false,
    encrypt: false,
    keyid: undefined,
    secure: true,
    skipverify: false,
    chunksize: 10 * MIB,
    multipartcopychunksize: 32 * MIB,
    multipartcopymaxconcurrency: 100,
    multipartcopythresholdsize: 32 * MIB,
    rootdirectory: undefined,
    storageclass: 'STANDARD',
    objectacl: 'private',
    useragent: undefined,
    usedualstack: false,
    accelerate: false,
    usefipsendpoint: false
  })
})

t.test('GCS and Azure are opened with distribution’s defaults', async (t) => {
  t.strictSame((await storageOf(GCS)).gcs, {
    bucket: 'b',
    keyfile: undefined,
    credentials: undefined,
    rootdirectory: undefined,
    chunksize: 16 * MIB,
    maxconcurrency: 50,
    useragent: undefined,
    kmskeyname: undefined
  })
  t.strictSame((await storageOf(AZURE)).azure, {
    accountname: 'a',
    container: 'c',
    credentials: { type: 'default_credentials' },
    realm: 'core.windows.net',
    serviceurl: undefined,
    rootdirectory: undefined,
    legacyrootprefix: undefined,
    islegacy: false,
    max_retries: 5,
    retry_delay: 100,
    skipverify: false
  })
})

/** By the variable's end, of one driver: what it comes to, or what it must be. */
const VALUES: [base: Record<string, string>, name: string, value: string, becomes: unknown][] = [
  [S3, 'S3_CHUNKSIZE', '5242880', 5 * MIB],
  [S3, 'S3_CHUNKSIZE', '5242879', /must be a whole number from 5242880 to 5368709120/],
  [S3, 'S3_CHUNKSIZE', '5368709121', /must be a whole number from 5242880/],
  [S3, 'S3_MULTIPARTCOPYCHUNKSIZE', '1', /must be a whole number from 5242880/],
  [S3, 'S3_MULTIPARTCOPYMAXCONCURRENCY', '0', /must be a whole number from 1 to 1000/],
  [S3, 'S3_MULTIPARTCOPYTHRESHOLDSIZE', '5368709121', /must be a whole number from 0 to 5368709120/],
  [S3, 'S3_STORAGECLASS', 'intelligent_tiering', 'INTELLIGENT_TIERING'],
  [S3, 'S3_STORAGECLASS', 'none', 'NONE'],
  [S3, 'S3_STORAGECLASS', 'COLD', /must be one of STANDARD, NONE/],
  [S3, 'S3_OBJECTACL', 'bucket-owner-full-control', 'bucket-owner-full-control'],
  [S3, 'S3_OBJECTACL', 'mine', /must be one of private, none/],
  [S3, 'S3_REDIRECTENDPOINT', 'https://cdn.example.com', 'https://cdn.example.com'],
  [S3, 'S3_REDIRECTENDPOINT', 'https://cdn.example.com/path', /must be a URL without a path/],
  [S3, 'S3_REGIONENDPOINT', 'minio:9000', 'minio:9000'],
  [S3, 'S3_REGIONENDPOINT', 'http://minio:9000', 'http://minio:9000'],
  [S3, 'S3_REGIONENDPOINT', 'https://user:hush@minio', /must be the URL of an S3 server/],
  [AZURE, 'AZURE_ACCOUNTKEY', 'not base64!', /must be a key in base64/],
  [S3, 'S3_BUCKET', 'a/b', /must be the name of a bucket, without a slash/],
  [S3, 'S3_ROOTDIRECTORY', '/', '/'],
  [S3, 'S3_USEFIPSENDPOINT', 'yes', true],
  [S3, 'S3_SECURE', 'http', /must be true or false/],
  [S3, 'S3_USERAGENT', 'é', /must be printable ASCII/],
  [GCS, 'GCS_CHUNKSIZE', '6291456', 6 * MIB],
  [GCS, 'GCS_CHUNKSIZE', '262144', 5 * MIB],
  [GCS, 'GCS_CHUNKSIZE', '6291457', /a multiple of 262144/],
  [GCS, 'GCS_MAXCONCURRENCY', '3', 25],
  [GCS, 'GCS_KMSKEYNAME', 'projects/p/k', 'projects/p/k'],
  [GCS, 'GCS_CREDENTIALS', '{type: service_account, a: {b: 1}}', { type: 'service_account', a: { b: '1' } }],
  [GCS, 'GCS_CREDENTIALS', 'hush', /must be a section with what a key file holds/],
  [AZURE, 'AZURE_REALM', 'core.usgovcloudapi.net', 'core.usgovcloudapi.net'],
  [AZURE, 'AZURE_SERVICEURL', 'http://127.0.0.1:10000/dev', 'http://127.0.0.1:10000/dev'],
  [AZURE, 'AZURE_SERVICEURL', '127.0.0.1', /must be a URL such as/],
  [AZURE, 'AZURE_LEGACYROOTPREFIX', 'false', false],
  [AZURE, 'AZURE_MAX_RETRIES', '-1', -1],
  [AZURE, 'AZURE_MAX_RETRIES', '-2', /must be a whole number from -1 to 100/],
  [AZURE, 'AZURE_RETRY_DELAY', '1s', 1000],
  [AZURE, 'AZURE_RETRY_DELAY', '2m', /must be a duration from 0s to 1m/],
  [AZURE, 'AZURE_SKIPVERIFY', 'true', true],
  [AZURE, 'AZURE_CREDENTIALS_TYPE', 'sas', /must be one of shared_key/]
]

for (const [base, name, value, becomes] of VALUES) {
  t.test(`${name} ${value}: ${becomes instanceof RegExp ? 'refused' : 'taken'}`, async (t) => {
    const variable = `REGISTRY_STORAGE_${name}`
    const env = { ...base, [variable]: value }
    if (becomes instanceof RegExp) {
      const problems = await problemsOf(env)
      t.equal(problems.length, 1, problems.join('\n'))
      t.match(problems[0], becomes)
      t.ok(problems[0]?.startsWith(`${variable}: `))
      t.notMatch(problems.join(), /hush/)
      return
    }
    const { driver, ...storage } = await storageOf(env)
    const key = name.slice(name.indexOf('_') + 1).toLowerCase()
    const options = storage[driver] as Record<string, unknown>
    t.strictSame(options[key], becomes)
  })
}

t.test('the older name of a driver is as good, in a file and in variables', async (t) => {
  const file = fileWith(t, `${LEAST}storage: {s3aws: {bucket: b, region: r}, delete: {enabled: true}}\n`)
  t.match((await readConfig({}, file)).config.storage, {
    s3: { bucket: 'b', region: 'r' },
    delete: { enabled: true }
  })
  const { s3 } = await storageOf({
    REGISTRY_STORAGE: 's3aws',
    REGISTRY_STORAGE_S3AWS_BUCKET: 'b',
    REGISTRY_STORAGE_S3AWS_REGION: 'r'
  })
  t.match(s3, { bucket: 'b', region: 'r' })
  t.match(await problemsOf({ ...S3, REGISTRY_STORAGE_S3AWS_BUCKET: 'b' }), [
    /^storage takes one of s3 .* and s3aws/
  ])
  t.match(await problemsOf({ REGISTRY_STORAGE_S3AWS_BUCKET: 'b' }), [
    /^REGISTRY_STORAGE_S3_REGION: must be set/
  ])
})

t.test('what a driver cannot be without is asked for', async (t) => {
  t.match(await problemsOf({ REGISTRY_STORAGE: 's3' }), [
    /^REGISTRY_STORAGE_S3_BUCKET: must be set/,
    /^REGISTRY_STORAGE_S3_REGION: must be set, .* or regionendpoint/
  ])
  t.match(await problemsOf({ REGISTRY_STORAGE: 'gcs' }), [/^REGISTRY_STORAGE_GCS_BUCKET: must be set/])
  t.match(await problemsOf({ REGISTRY_STORAGE: 'azure' }), [
    /^REGISTRY_STORAGE_AZURE_ACCOUNTNAME: must be set/,
    /^REGISTRY_STORAGE_AZURE_CONTAINER: must be set/
  ])
  const { REGISTRY_STORAGE_S3_REGION, ...others } = S3
  await readConfig({ ...others, REGISTRY_STORAGE_S3_REGIONENDPOINT: 'minio:9000' })
})

t.test('settings that contradict each other are told, and none of their values', async (t) => {
  const cases: [Record<string, string>, RegExp][] = [
    [{ ...S3, REGISTRY_STORAGE_S3_ACCESSKEY: 'hush' }, /S3_SECRETKEY: must be set as well/],
    [{ ...S3, REGISTRY_STORAGE_S3_SECRETKEY: 'hush' }, /S3_ACCESSKEY: must be set as well/],
    [
      {
        ...S3,
        REGISTRY_STORAGE_S3_ACCESSKEY: 'hush',
        REGISTRY_STORAGE_S3_SECRETKEY: 'hush',
        REGISTRY_STORAGE_S3_CREDENTIALSCONFIGPATH: '/c'
      },
      /S3_CREDENTIALSCONFIGPATH: names a file with a key/
    ],
    [
      { ...S3, REGISTRY_STORAGE_S3_FORCEPATHSTYLE: 'true', REGISTRY_STORAGE_S3_VIRTUALHOSTEDSTYLE: 'true' },
      /S3_VIRTUALHOSTEDSTYLE: is the opposite/
    ],
    [{ ...S3, REGISTRY_STORAGE_S3_KEYID: 'k' }, /S3_KEYID: names a key that nothing is encrypted with/],
    [{ ...S3, REGISTRY_STORAGE_S3_V4AUTH: 'false' }, /S3_V4AUTH: .*AWS accepts no signatures of version 2/],
    [
      { ...GCS, REGISTRY_STORAGE_GCS_KEYFILE: '/k', REGISTRY_STORAGE_GCS_CREDENTIALS: '{private_key: hush}' },
      /GCS_CREDENTIALS: says what storage.gcs.keyfile says/
    ],
    [
      { ...AZURE, REGISTRY_STORAGE_AZURE_CREDENTIALS_TYPE: 'shared_key' },
      /AZURE_ACCOUNTKEY: must be set with/
    ],
    [
      {
        ...AZURE,
        REGISTRY_STORAGE_AZURE_CREDENTIALS_SECRET: 'hush',
        REGISTRY_STORAGE_AZURE_CREDENTIALS_CLIENTID: 'c'
      },
      /AZURE_CREDENTIALS_TENANTID: must be set with credentials of the type client_secret/
    ],
    [
      { ...S3, REGISTRY_HTTP_PROCESSES: '4', REGISTRY_STORAGE_S3_MEMORY: '32MiB' },
      /S3_MEMORY: must hold one part .* each of the 4 processes: 40MiB or more/
    ]
  ]
  for (const [env, message] of cases) {
    const problems = await problemsOf(env)
    t.match(problems, [message])
    t.equal(problems.length, 1, problems.join('\n'))
    t.notMatch(problems.join(), /hush/)
  }
})

t.test('the bucket is in the path where the endpoint is not Amazon’s, unless told otherwise', async (t) => {
  const pathStyle = async (more: Record<string, string>) =>
    (await storageOf({ ...S3, ...more })).s3?.forcepathstyle
  const endpoint = (url: string) => ({ REGISTRY_STORAGE_S3_REGIONENDPOINT: url })
  t.equal(await pathStyle(endpoint('https://minio.example.com')), true)
  t.equal(await pathStyle(endpoint('https://s3.us-east-1.amazonaws.com')), false)
  t.equal(await pathStyle(endpoint('https://notamazonaws.com')), true)
  t.equal(
    await pathStyle({
      ...endpoint('https://minio.example.com'),
      REGISTRY_STORAGE_S3_FORCEPATHSTYLE: 'false'
    }),
    false
  )
  t.equal(
    await pathStyle({
      ...endpoint('https://minio.example.com'),
      REGISTRY_STORAGE_S3_VIRTUALHOSTEDSTYLE: 'true'
    }),
    false
  )
  t.equal(await pathStyle({ REGISTRY_STORAGE_S3_FORCEPATHSTYLE: 'true' }), false)
})

t.test('Azure’s credentials are what is given, whether their type is said or not', async (t) => {
  const credentials = async (more: Record<string, string>) =>
    (await storageOf({ ...AZURE, ...more })).azure?.credentials
  const secret = {
    REGISTRY_STORAGE_AZURE_CREDENTIALS_CLIENTID: 'c',
    REGISTRY_STORAGE_AZURE_CREDENTIALS_TENANTID: 't',
    REGISTRY_STORAGE_AZURE_CREDENTIALS_SECRET: 's'
  }
  t.strictSame(await credentials({ REGISTRY_STORAGE_AZURE_ACCOUNTKEY: 'a2V5' }), {
    type: 'shared_key',
    accountkey: 'a2V5'
  })
  const principal = { type: 'client_secret', clientid: 'c', tenantid: 't', secret: 's' }
  t.strictSame(await credentials(secret), principal)
  t.strictSame(
    await credentials({ ...secret, REGISTRY_STORAGE_AZURE_CREDENTIALS_TYPE: 'client_secret' }),
    principal
  )
  for (const type of ['default', 'default_credentials']) {
    t.strictSame(await credentials({ ...secret, REGISTRY_STORAGE_AZURE_CREDENTIALS_TYPE: type }), {
      type: 'default_credentials'
    })
  }
})

t.test('a part of the size that was asked for fits into the memory of each process', async (t) => {
  const memory = async (more: Record<string, string>) =>
    (await storageOf({ ...S3, REGISTRY_HTTP_PROCESSES: '4', ...more })).memory
  t.equal(await memory({}), 64 * MIB)
  t.equal(await memory({ REGISTRY_STORAGE_S3_CHUNKSIZE: String(100 * MIB) }), 400 * MIB)
  t.equal(await memory({ REGISTRY_STORAGE_S3_MEMORY: '1GiB' }), 1024 * MIB)
  t.match(await problemsOf({ ...S3, REGISTRY_STORAGE_S3_MEMORY: '64MB' }), [
    /S3_MEMORY: must be a size from 32MiB/
  ])
})

t.test('redirects are on for 10 minutes unless told otherwise', async (t) => {
  t.strictSame((await storageOf(S3)).redirect, { disable: false, duration: 600_000 })
  const told = { REGISTRY_STORAGE_REDIRECT_DISABLE: 'true', REGISTRY_STORAGE_REDIRECT_DURATION: '1h' }
  t.strictSame((await storageOf({ ...S3, ...told })).redirect, { disable: true, duration: 3_600_000 })
  for (const wrong of ['10s', '10', '169h']) {
    t.match(await problemsOf({ ...S3, REGISTRY_STORAGE_REDIRECT_DURATION: wrong }), [
      /REDIRECT_DURATION: must be a duration from 1m to 168h/
    ])
  }
})

t.test('secrets are masked, and of other drivers nothing is printed', async (t) => {
  const text = printConfig(
    await readConfig({
      ...S3,
      REGISTRY_STORAGE_S3_ACCESSKEY: 'hush',
      REGISTRY_STORAGE_S3_SECRETKEY: 'hush',
      REGISTRY_HTTP_SECRET: 'hush-hush-hush-hush'
    })
  )
  t.notMatch(text, /hush|gcs|azure|filesystem/)
  t.match(text, /accesskey: "\*{8}" # REGISTRY_STORAGE_S3_ACCESSKEY/)
  const others = [
    { ...GCS, REGISTRY_STORAGE_GCS_CREDENTIALS: '{private_key: hush}' },
    { ...AZURE, REGISTRY_STORAGE_AZURE_ACCOUNTKEY: 'hush' }
  ]
  for (const env of others) t.notMatch(printConfig(await readConfig(env)), /hush/)
  const env = { ...AZURE, REGISTRY_STORAGE_AZURE_CONNECTIONSTRING: 'AccountKey=hush' }
  t.notMatch(JSON.stringify((await readConfig(env)).warnings), /hush/)
})

const CLOUDFRONT = 'baseurl: https://d.example.net, privatekey: /k.pem, keypairid: K1'
const withMiddleware = (options: string, name = 'cloudfront') => ({
  ...S3,
  REGISTRY_MIDDLEWARE_STORAGE: `[{name: ${name}, options: {${options}}}]`
})

t.test('middleware of storage has distribution’s options', async (t) => {
  const [cloudfront] = (await storageOf(withMiddleware(CLOUDFRONT))).middleware
  t.strictSame(cloudfront, {
    name: 'cloudfront',
    baseurl: 'https://d.example.net/',
    privatekey: '/k.pem',
    keypairid: 'K1',
    duration: 1_200_000,
    ipfilteredby: 'none',
    awsregion: [],
    updatefrequency: 12 * 3_600_000,
    iprangesurl: 'https://ip-ranges.amazonaws.com/ip-ranges.json'
  })
  const old = `${CLOUDFRONT}, ipfilteredby: awsregion, awsregion: "us-east-1, eu-west-1", updatefrenquency: 1h`
  t.match((await storageOf(withMiddleware(old))).middleware, [
    { ipfilteredby: 'awsregion', awsregion: ['us-east-1', 'eu-west-1'], updatefrequency: 3_600_000 }
  ])
  t.strictSame((await storageOf(withMiddleware('baseurl: https://m.example.com/x', 'redirect'))).middleware, [
    { name: 'redirect', baseurl: 'https://m.example.com/x/' }
  ])
  t.strictSame((await storageOf(withMiddleware('host: cdn.example.com', 'rewrite'))).middleware, [
    { name: 'rewrite', scheme: undefined, host: 'cdn.example.com', trimpathprefix: undefined }
  ])
  const off = { ...S3, REGISTRY_MIDDLEWARE_STORAGE: '[{name: whatever, disabled: true}]' }
  t.strictSame((await storageOf(off)).middleware, [])
})

t.test('what is wrong in middleware of storage is told by its place', async (t) => {
  const cases: [Record<string, string>, RegExp][] = [
    [withMiddleware('', 'googlecdn'), /storage\.0\.name must be cloudfront, redirect or rewrite/],
    [withMiddleware('privatekey: /k, keypairid: K'), /options\.baseurl must be set: cloudfront takes a URL/],
    [withMiddleware(`${CLOUDFRONT}, duration: 1s`), /options\.duration must be a duration from 1m to 168h/],
    [withMiddleware(`${CLOUDFRONT}, ipfilteredby: all`), /options\.ipfilteredby must be one of none, aws/],
    [withMiddleware('scheme: ftp', 'rewrite'), /options\.scheme must be one of http, https/],
    [
      withMiddleware('trimpathprefix: bucket', 'rewrite'),
      /options\.trimpathprefix must be the beginning of a path/
    ],
    [withMiddleware('host: "https://a"', 'rewrite'), /options\.host must be a host/],
    [
      { ...GCS, REGISTRY_MIDDLEWARE_STORAGE: `[{name: cloudfront, options: {${CLOUDFRONT}}}]` },
      /^REGISTRY_MIDDLEWARE_STORAGE: names cloudfront, which stands before a bucket of S3/
    ]
  ]
  for (const [env, message] of cases) t.match(await problemsOf(env), [message])
  const { warnings } = await readConfig(withMiddleware(`${CLOUDFRONT}, duraton: 1h`))
  t.match(warnings, [/did you mean middleware.storage.0.options.duration\?/])
})
