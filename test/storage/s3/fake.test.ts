import { Readable } from 'node:stream'
import { PutObjectCommand, S3Client, UploadPartCommand } from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import t from 'tap'
import { noise } from '../bodies.ts'
import { ACCOUNT, startFakeS3 } from './fake/server.ts'

const clientOf = (endpoint: string, more: object = {}): S3Client =>
  new S3Client({
    endpoint,
    region: 'eu-west-1',
    forcePathStyle: true,
    credentials: ACCOUNT,
    maxAttempts: 1,
    ...more
  })

const NAME = { Bucket: 'images', Key: 'k' }

t.test('the fake takes what the SDK sends by itself: a stream with its checksum behind it', async (t) => {
  const fake = await startFakeS3(t)
  const client = clientOf(fake.url)
  const whole = noise(300_000)
  const Body = Readable.from([whole.subarray(0, 100_000), whole.subarray(100_000)])
  await client.send(new PutObjectCommand({ ...NAME, Body, ContentLength: whole.length }))
  t.ok(fake.bucket.objects.get('k')?.bytes.equals(whole))
  t.equal(fake.seen[0]?.headers['x-amz-trailer'], 'x-amz-checksum-crc32')
})

t.test('the fake refuses damaged bodies', async (t) => {
  const fake = await startFakeS3(t)
  const client = clientOf(fake.url)
  const put = async (more: object) => client.send(new PutObjectCommand({ ...NAME, Body: 'content', ...more }))
  await t.rejects(put({ ChecksumCRC32: 'AAAAAA==' }), { name: 'BadDigest' })
  await t.rejects(put({ ContentMD5: 'AAAAAAAAAAAAAAAAAAAAAA==' }), { name: 'BadDigest' })
  const other = clientOf(fake.url)
  other.middlewareStack.add(
    (next) => async (args) => {
      const { headers } = args.request as { headers: Record<string, string> }
      headers['x-amz-content-sha256'] = '0'.repeat(64)
      return next(args)
    },
    { step: 'build' }
  )
  await t.rejects(other.send(new PutObjectCommand({ ...NAME, Body: 'content' })), {
    name: 'XAmzContentSHA256Mismatch'
  })
  t.equal(fake.bucket.objects.size, 0)
})

t.test(
  'the fake refuses who is not the account, and addresses that were changed or are too old',
  async (t) => {
    let time = Date.now()
    const fake = await startFakeS3(t, { now: () => time })
    const command = new PutObjectCommand({ ...NAME, Body: 'x' })
    const others: [object, string][] = [
      [{ ...ACCOUNT, secretAccessKey: 'other' }, 'SignatureDoesNotMatch'],
      [{ ...ACCOUNT, accessKeyId: 'other' }, 'InvalidAccessKeyId'],
      [{ ...ACCOUNT, sessionToken: 'other' }, 'InvalidToken']
    ]
    for (const [credentials, name] of others) {
      await t.rejects(clientOf(fake.url, { credentials }).send(command), { name })
    }
    const url = await getSignedUrl(clientOf(fake.url), new PutObjectCommand(NAME), { expiresIn: 60 })
    const put = async (at: string) => (await fetch(at, { method: 'PUT', body: 'x' })).status
    t.equal(await put(url), 200)
    t.equal(await put(url.replace('/k?', '/other?')), 403)
    t.equal((await fetch(url)).status, 403, 'by another method')
    time += 61_000
    t.equal(await put(url), 403)
    time += 3_600_000
    await t.rejects(clientOf(fake.url).send(command), { name: 'RequestTimeTooSkewed' })
  }
)

t.test('the fake refuses what does not belong to an upload', async (t) => {
  const fake = await startFakeS3(t)
  const part = new UploadPartCommand({ ...NAME, UploadId: 'none', PartNumber: 1, Body: 'x' })
  await t.rejects(clientOf(fake.url).send(part), { name: 'NoSuchUpload' })
})
