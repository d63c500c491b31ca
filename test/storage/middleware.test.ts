import { generateKeyPairSync, verify } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { followRanges, parseRanges } from '../../storage/aws-ranges.ts'
import { cloudfrontRedirect } from '../../storage/cloudfront.ts'
import { applyMiddleware } from '../../storage/middleware.ts'
import type { CloudFront, Middleware, S3Options } from '../../storage/options.ts'

const KEY = 'docker/registry/v2/blobs/sha256/ab/abcd/data'
const AROUND = { env: {}, log: { info() {}, warn() {} } }
const driver = async (key: string) => `https://bucket.s3.example.com:9000/root/${key}?sig=a%2Fb`

const applied = async (middleware: Middleware[], inner: typeof driver | undefined = driver, s3?: S3Options) =>
  (await applyMiddleware(inner, { middleware, s3 }, AROUND))(KEY)

t.test('redirect sends clients below its base, with any driver', async (t) => {
  const redirect = { name: 'redirect', baseurl: 'https://mirror.example.com/x/' } as const
  t.equal(await applied([redirect]), `https://mirror.example.com/x/${KEY}`)
  t.equal(
    await (await applyMiddleware(undefined, { middleware: [redirect], s3: undefined }, AROUND))(KEY),
    `https://mirror.example.com/x/${KEY}`
  )
})

t.test('rewrite changes the driver’s URL and keeps its query', async (t) => {
  const rewrite = (options: object) =>
    applied([{ name: 'rewrite', scheme: undefined, host: undefined, trimpathprefix: undefined, ...options }])
  t.equal(await rewrite({}), `https://bucket.s3.example.com:9000/root/${KEY}?sig=a%2Fb`)
  t.equal(await rewrite({ scheme: 'http' }), `http://bucket.s3.example.com:9000/root/${KEY}?sig=a%2Fb`)
  t.equal(await rewrite({ host: 'cdn.example.com' }), `https://cdn.example.com/root/${KEY}?sig=a%2Fb`)
  t.equal(await rewrite({ trimpathprefix: '/root/' }), `https://bucket.s3.example.com:9000/${KEY}?sig=a%2Fb`)
  t.equal(
    await rewrite({ trimpathprefix: '/other' }),
    `https://bucket.s3.example.com:9000/root/${KEY}?sig=a%2Fb`
  )
  const none = { name: 'rewrite', scheme: 'http', host: 'a', trimpathprefix: undefined } as const
  t.equal(
    await (await applyMiddleware(undefined, { middleware: [none], s3: undefined }, AROUND))(KEY),
    undefined
  )
})

t.test('middlewares apply one after the other', async (t) => {
  const url = await applied([
    { name: 'redirect', baseurl: 'https://a.example.com/' },
    { name: 'rewrite', scheme: undefined, host: 'b.example.com', trimpathprefix: '/docker' }
  ])
  t.equal(url, `https://b.example.com${KEY.replace('docker', '')}`)
})

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })

function cloudfront(t: Test, options: Partial<CloudFront> = {}): CloudFront {
  const privatekey = join(t.testdir(), 'private.pem')
  // As AWS gives them out.
  writeFileSync(privatekey, privateKey.export({ type: 'pkcs1', format: 'pem' }))
  return {
    name: 'cloudfront',
    baseurl: 'https://d111.cloudfront.example.net/',
    privatekey,
    keypairid: 'K1',
    duration: 600_000,
    ipfilteredby: 'none',
    awsregion: [],
    updatefrequency: 3_600_000,
    iprangesurl: '',
    ...options
  }
}

t.test('CloudFront’s URLs are signed as its guide says, for the bucket’s own key', async (t) => {
  const now = () => 1_800_000_000_999
  const redirect = await cloudfrontRedirect(cloudfront(t), {
    ...AROUND,
    inner: driver,
    root: '/some/where/',
    now
  })
  const url = new URL((await redirect(KEY, '3.0.0.1')) ?? '')
  const resource = `https://d111.cloudfront.example.net/some/where/${KEY}`
  t.equal(`${url.origin}${url.pathname}`, resource)
  t.equal(url.searchParams.get('Expires'), '1800000600')
  t.equal(url.searchParams.get('Key-Pair-Id'), 'K1')
  const signature = url.searchParams.get('Signature') ?? ''
  t.match(signature, /^[A-Za-z0-9~_-]+$/)
  const policy = `{"Statement":[{"Resource":"${resource}","Condition":{"DateLessThan":{"AWS:EpochTime":1800000600}}}]}`
  const bytes = Buffer.from(
    signature.replaceAll('-', '+').replaceAll('_', '=').replaceAll('~', '/'),
    'base64'
  )
  t.ok(verify('sha1', Buffer.from(policy), publicKey, bytes))
})

t.test('a key that CloudFront cannot have is refused at the start, by the setting’s name', async (t) => {
  const around = { ...AROUND, inner: driver, root: undefined }
  const { privateKey: other } = generateKeyPairSync('ed25519')
  const dir = t.testdir({
    'no.pem': 'hush',
    'other.pem': other.export({ type: 'pkcs8', format: 'pem' }) as string
  })
  for (const name of ['gone.pem', 'no.pem', 'other.pem']) {
    const privatekey = join(dir, name)
    await t.rejects(cloudfrontRedirect({ ...cloudfront(t), privatekey }, around), {
      name: 'StorageUnavailable',
      message: /^middleware.storage: .* is not the RSA key .*: correct privatekey$/
    })
  }
})

const RANGES = JSON.stringify({
  prefixes: [
    { ip_prefix: '3.5.0.0/16', region: 'us-east-1', service: 'S3' },
    { ip_prefix: '52.95.0.0/16', region: 'eu-west-1', service: 'EC2' }
  ],
  ipv6_prefixes: [{ ipv6_prefix: '2600:1f00::/24', region: 'us-east-1', service: 'EC2' }]
})

t.test('AWS’s networks are those of all regions, or of some', (t) => {
  const all = parseRanges(RANGES, { ipfilteredby: 'aws', awsregion: [] })
  for (const address of ['3.5.1.1', '52.95.255.255']) t.ok(all.check(address))
  t.ok(all.check('2600:1f00::1', 'ipv6'))
  t.notOk(all.check('3.6.0.0'))
  const some = parseRanges(RANGES, { ipfilteredby: 'awsregion', awsregion: ['EU-west-1'] })
  t.ok(some.check('52.95.0.1'))
  t.notOk(some.check('3.5.1.1'))
  t.throws(() => parseRanges('{}', { ipfilteredby: 'aws', awsregion: [] }), /not a list of networks/)
  t.end()
})

t.test('clients in AWS’s networks are sent to the bucket, once its list is known', async (t) => {
  const server = createServer((_request, response) => response.end(RANGES))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const iprangesurl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/ip-ranges.json`
  const options = cloudfront(t, { ipfilteredby: 'aws', iprangesurl })
  const redirect = await cloudfrontRedirect(options, { ...AROUND, inner: driver, root: undefined })
  const hostFor = async (address?: string) => new URL((await redirect(KEY, address)) ?? '').host
  while ((await hostFor('3.5.0.1')) !== 'bucket.s3.example.com:9000') await pause(5)
  t.equal(await hostFor('2600:1f00::5'), 'bucket.s3.example.com:9000')
  for (const address of ['9.9.9.9', 'unknown', undefined]) {
    t.equal(await hostFor(address), 'd111.cloudfront.example.net', `${address}`)
  }
})

t.test('a list that cannot be had is told of, and sends nobody to the bucket', async (t) => {
  const server = createServer((_request, response) => response.writeHead(500).end())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const told = Promise.withResolvers<string>()
  const iprangesurl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  const isAmazons = followRanges(cloudfront(t, { ipfilteredby: 'aws', iprangesurl }), {
    env: {},
    log: { info() {}, warn: told.resolve }
  })
  t.match(
    await told.promise,
    /cannot be read from http:.* \(status 500\): until it can, all clients .*iprangesurl/
  )
  t.notOk(isAmazons('3.5.0.1'))
})
