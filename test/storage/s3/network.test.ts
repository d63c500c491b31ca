import { S3Client } from '@aws-sdk/client-s3'
import t from 'tap'
import type { S3Options } from '../../../storage/options.ts'
import { endpointOf } from '../../../storage/s3/endpoint.ts'
import { connectProxy } from '../../outgoing/connect-proxy.ts'
import { bytes } from '../bodies.ts'
import { textOf } from '../objects/contract/whole-objects.ts'
import { ACCOUNT, startFakeS3, TLS } from './fake/server.ts'
import { OPTIONS, openStore, surroundings } from './support.ts'

t.test(
  'a store is reached through the proxy that the environment names, and trusted by its authorities',
  async (t) => {
    const fake = await startFakeS3(t, { isEncrypted: true })
    const proxy = await connectProxy(t)
    // The certificate is for that name, which only the proxy finds.
    const port = new URL(fake.url).port
    const regionendpoint = `https://kubernetes.default.svc:${port}`
    const env = { HTTPS_PROXY: `http://127.0.0.1:${proxy.port}`, SSL_CERT_FILE: TLS.ca.pathname }
    const store = await openStore(t, { regionendpoint }, surroundings({ env }))
    await store.put('k', [bytes('x')])
    t.equal(await textOf(store, 'k'), 'x')
    t.ok(proxy.asked.length > 0)
    t.ok(proxy.asked.every(({ target }) => target === `kubernetes.default.svc:${port}`))
  }
)

t.test('the bucket is part of the host where paths are not asked for', async (t) => {
  const fake = await startFakeS3(t, { isEncrypted: true })
  const proxy = await connectProxy(t)
  const regionendpoint = `https://s3.example.com:${new URL(fake.url).port}`
  const env = { HTTPS_PROXY: `http://127.0.0.1:${proxy.port}` }
  const options = { regionendpoint, forcepathstyle: false, skipverify: true }
  const store = await openStore(t, options, surroundings({ env }))
  await store.put('k', [bytes('x')])
  t.equal(await textOf(store, 'k'), 'x')
  t.equal(new URL((await store.sign?.('k', 60)) ?? '').hostname, 'images.s3.example.com')
  t.ok(fake.seen.every(({ headers }) => headers.host?.startsWith('images.s3.example.com')))
})

t.test('an endpoint may be a URL or a host; only Amazon’s own count as Amazon', (t) => {
  const cases: [object, object][] = [
    [{}, { isAmazon: true, isEncrypted: true, name: 'S3 in us-east-1' }],
    [{ secure: false }, { isAmazon: true, isEncrypted: false }],
    [{ regionendpoint: 'minio:9000' }, { name: 'https://minio:9000', isAmazon: false, isEncrypted: true }],
    [
      { regionendpoint: 'minio:9000', secure: false },
      { name: 'http://minio:9000', isEncrypted: false }
    ],
    [{ regionendpoint: 'http://minio:9000/' }, { name: 'http://minio:9000', isEncrypted: false }],
    [{ regionendpoint: 'https://s3.eu-west-1.amazonaws.com' }, { isAmazon: true }],
    [{ regionendpoint: 's3.cn-north-1.amazonaws.com.cn' }, { isAmazon: true }],
    [{ regionendpoint: 'https://amazonaws.com.example.org' }, { isAmazon: false }]
  ]
  for (const [options, endpoint] of cases) t.match(endpointOf({ ...OPTIONS, ...options }), endpoint)
  t.end()
})

t.test('the bucket is where Amazon’s own library finds it', (t) => {
  const inHost = { forcepathstyle: false }
  const cases: Partial<S3Options>[] = [
    inHost,
    { forcepathstyle: true },
    { ...inHost, bucket: 'im.ages' },
    { ...inHost, bucket: 'Images_1' },
    { ...inHost, usedualstack: true, usefipsendpoint: true },
    { usedualstack: true },
    { ...inHost, accelerate: true },
    { ...inHost, accelerate: true, usedualstack: true },
    { ...inHost, usefipsendpoint: true, region: 'us-gov-west-1' },
    ...['cn-north-1', 'us-iso-east-1', 'us-isob-east-1', 'us-isof-south-1', 'eu-isoe-west-1'].map(
      (region) => ({
        ...inHost,
        region
      })
    ),
    { ...inHost, region: 'eusc-de-east-1' },
    { regionendpoint: 'https://minio:9000/base/' },
    { ...inHost, regionendpoint: 'https://minio:9000/base' },
    { ...inHost, regionendpoint: 'https://minio:9000', bucket: 'im.ages' },
    { ...inHost, regionendpoint: 'http://10.0.0.1:9000' },
    { ...inHost, regionendpoint: 'http://[::1]:9000' }
  ]
  const sdk = new S3Client({ region: 'us-east-1', credentials: ACCOUNT })
  for (const options of cases) {
    const all = { ...OPTIONS, region: 'eu-west-1', ...options }
    const { url, region } = endpointOf(all)
    const theirs = sdk.config.endpointProvider({
      Bucket: all.bucket,
      Region: all.region,
      Endpoint: all.regionendpoint?.replace(/\/$/, ''),
      ForcePathStyle: all.forcepathstyle,
      UseDualStack: all.usedualstack,
      UseFIPS: all.usefipsendpoint,
      Accelerate: all.accelerate,
      UseGlobalEndpoint: false
    })
    t.equal(url, theirs.url.href.replace(/\/$/, ''), JSON.stringify(options))
    t.match(theirs.properties?.authSchemes, [{ signingRegion: region }])
  }
  t.end()
})

t.test(
  'Amazon is given a checksum of each body, and gives it back of parts when they are joined',
  async (t) => {
    const fake = await startFakeS3(t, { isEncrypted: true })
    const proxy = await connectProxy(t)
    const port = new URL(fake.url).port
    const regionendpoint = `https://s3.us-east-1.amazonaws.com:${port}`
    const env = { HTTPS_PROXY: `http://127.0.0.1:${proxy.port}` }
    const store = await openStore(t, { regionendpoint, skipverify: true }, surroundings({ env }))
    await store.put('k', [bytes('x')])
    const parts = await store.parts?.('p')
    await parts?.put(1, [bytes('in '), bytes('pieces')])
    await parts?.complete()
    t.equal(fake.bucket.objects.get('p')?.bytes.toString(), 'in pieces')
    const summed = fake.seen.filter(({ headers }) => headers['x-amz-checksum-crc32'] !== undefined)
    t.match(
      summed.map(({ operation }) => operation),
      ['PutObject', 'UploadPart']
    )
  }
)
