import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { StorageFull, StorageUnavailable } from '../../../storage/driver.ts'
import { readObject } from '../../../storage/objects/reading.ts'
import { ConditionFailed } from '../../../storage/objects/store.ts'
import { createCalls } from '../../../storage/s3/calls.ts'
import { connect } from '../../../storage/s3/client.ts'
import { faultOf, isPassing } from '../../../storage/s3/faults.ts'
import { createStore } from '../../../storage/s3/store.ts'
import { bytes, gather, noise } from '../bodies.ts'
import { contentOf, textOf } from '../objects/contract/whole-objects.ts'
import { S3Error } from './fake/errors.ts'
import { type FakeS3, type Mishap, startFakeS3 } from './fake/server.ts'
import { OPTIONS, openStore, surroundings } from './support.ts'

const MIB = 1 << 20

/** From now on each call of an operation fails in turn as said, then no more. */
function fail(fake: FakeS3, operation: string, ...mishaps: Mishap[]): void {
  fake.mishap = (seen) => (seen.operation === operation ? mishaps.shift() : undefined)
}

const countOf = (fake: FakeS3, operation: string): number =>
  fake.seen.filter((seen) => seen.operation === operation).length

async function messageOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'nothing was thrown',
    (error: Error) => `${error.name}: ${error.message}`
  )
}

t.test('case 27: a part that fails twice is sent again, and each failure is told', async (t) => {
  const fake = await startFakeS3(t)
  const retries: string[] = []
  const around = surroundings({ onRetry: (...retry) => retries.push(retry.join(' ')) })
  const store = await openStore(t, { regionendpoint: fake.url }, around)
  const parts = await store.parts?.('k')
  fail(fake, 'UploadPart', new S3Error(500, 'InternalError'), { cut: 'after' })
  const whole = noise(MIB)
  await parts?.put(1, [whole.subarray(0, 1000), whole.subarray(1000)])
  await parts?.complete()
  t.ok((await contentOf(store, 'k'))?.equals(whole))
  t.strictSame(retries, ['UploadPart InternalError', 'UploadPart ECONNRESET'])
})

t.test(
  'case 15: a body that falls silent in the middle is gone on with over another connection',
  async (t) => {
    const fake = await startFakeS3(t)
    const options = { ...OPTIONS, regionendpoint: fake.url }
    const connection = await connect(options, {}, { silenceMs: 100 })
    t.teardown(() => connection.close())
    const calls = createCalls(connection, 'images', surroundings())
    const store = createStore(connection, calls, options, { create: true, remove: true })
    const whole = noise(MIB)
    await store.put('k', [whole])
    fail(fake, 'GetObject', { stalls: true }, { stalls: true })
    t.ok((await gather(readObject(store, 'k'))).equals(whole))
    t.equal(countOf(fake, 'GetObject'), 3)
  }
)

t.test('who reads slowly is not taken for a store that is silent', async (t) => {
  const fake = await startFakeS3(t)
  const options = { ...OPTIONS, regionendpoint: fake.url }
  const connection = await connect(options, {}, { silenceMs: 500 })
  t.teardown(() => connection.close())
  const calls = createCalls(connection, 'images', surroundings())
  const store = createStore(connection, calls, options, { create: true, remove: true })
  const whole = noise(8 * MIB)
  await store.put('k', [whole])
  const opened = await store.get('k')
  const chunks: Uint8Array[] = []
  for await (const chunk of opened?.chunks ?? []) {
    if (chunks.length === 0) await setTimeout(2000)
    chunks.push(Buffer.from(chunk))
  }
  t.ok(Buffer.concat(chunks).equals(whole))
})

t.test('case 31: a completion that answers 200 with an error is tried again', async (t) => {
  const fake = await startFakeS3(t)
  const store = await openStore(t, { regionendpoint: fake.url })
  const parts = await store.parts?.('k')
  await parts?.put(1, [bytes('content')])
  const body = '<?xml version="1.0"?><Error><Code>InternalError</Code><Message>we</Message></Error>'
  fail(fake, 'CompleteMultipartUpload', { answer: { status: 200, body } })
  await parts?.complete()
  t.equal(await textOf(store, 'k'), 'content')
  t.equal(countOf(fake, 'CompleteMultipartUpload'), 2)
})

t.test('case 31: a completion whose answer was lost is found to have succeeded', async (t) => {
  const fake = await startFakeS3(t)
  const store = await openStore(t, { regionendpoint: fake.url })
  const parts = await store.parts?.('k')
  await parts?.put(1, [bytes('content')])
  fail(fake, 'CompleteMultipartUpload', { cut: 'after' })
  await parts?.complete()
  t.equal(await textOf(store, 'k'), 'content')
})

t.test('parts that were removed meanwhile do not become an object', async (t) => {
  const fake = await startFakeS3(t)
  const store = await openStore(t, { regionendpoint: fake.url })
  await store.put('k', [bytes('1234567')])
  const parts = await store.parts?.('k')
  await parts?.put(1, [bytes('content')])
  fail(fake, 'CompleteMultipartUpload', { cut: 'before' })
  fake.bucket.uploads.clear()
  t.match(
    await messageOf(parts?.complete() ?? Promise.resolve()),
    /^StorageUnavailable: the parts of k were removed/
  )
  t.equal(await textOf(store, 'k'), '1234567')
})

t.test('who creates an object learns that it is theirs when the answer was lost', async (t) => {
  const fake = await startFakeS3(t)
  const store = await openStore(t, { regionendpoint: fake.url })
  fail(fake, 'PutObject', { cut: 'after' })
  await store.put('k', [bytes('mine')], { isNew: true })
  t.equal(await textOf(store, 'k'), 'mine')

  // The other one was first, but our connection broke as well.
  fail(fake, 'PutObject', { cut: 'before' })
  await t.rejects(store.put('k', [bytes('late')], { isNew: true }), ConditionFailed)
  t.equal(await textOf(store, 'k'), 'mine')
})

t.test('case 8: a missing permission is told by name, and never taken for a missing object', async (t) => {
  const fake = await startFakeS3(t)
  const store = await openStore(t, { regionendpoint: fake.url })
  await store.put('k', [bytes('x')])
  fake.mishap = () => new S3Error(403, 'AccessDenied', 'Access Denied')
  const calls: [string, () => Promise<unknown>, RegExp][] = [
    ['head', async () => store.head('gone'), /s3:GetObject, and s3:ListBucket/],
    ['get', async () => store.get('k'), /s3:GetObject/],
    ['put', async () => store.put('k', [bytes('y')]), /s3:PutObject/],
    ['delete', async () => store.delete('k'), /s3:DeleteObject/],
    ['deleteAll', async () => store.deleteAll(['k']), /s3:DeleteObject/],
    ['list', async () => store.list('', { byFolder: true }), /s3:ListBucket/],
    ['assemble', async () => store.assemble('t', [{ key: 'k', size: 1 }]), /s3:GetObject and s3:PutObject/],
    ['parts', async () => store.parts?.('k'), /s3:PutObject/],
    ['abortParts', async () => store.abortParts?.(new Date()), /s3:ListBucketMultipartUploads/]
  ]
  for (const [name, call, permission] of calls) {
    const message = await messageOf(call())
    t.match(message, /^StorageUnavailable: the bucket images at http:.*lack a permission/, name)
    t.match(message, permission, name)
    t.match(message, /storage\.s3\.accesskey/, 'where the credentials come from')
  }
})

t.test('a bucket that is not there is told, also by calls that would find nothing', async (t) => {
  const fake = await startFakeS3(t)
  const store = await openStore(t, { regionendpoint: fake.url })
  fake.isBucketThere = false
  for (const call of [
    async () => store.get('k'),
    async () => store.list('', { byFolder: true }),
    async () => store.delete('k'),
    async () => store.deleteAll(['k'])
  ]) {
    const message = await messageOf(call())
    t.match(message, /^StorageUnavailable: .*no such bucket. Create it, or correct storage.s3.bucket/)
  }
  const error = await store.get('k').catch((error: unknown) => error)
  t.ok(error instanceof StorageUnavailable && error.isGone)
})

t.test('a store that refuses for load is asked again when it says so', async (t) => {
  const fake = await startFakeS3(t)
  const store = await openStore(t, { regionendpoint: fake.url })
  const body = '<Error><Code>SlowDown</Code></Error>'
  const slowDown = { answer: { status: 503, headers: { 'retry-after': '0' }, body } }
  fail(fake, 'PutObject', slowDown, slowDown)
  await store.put('k', [bytes('x')])
  t.equal(await textOf(store, 'k'), 'x')
  const answer = { statusCode: 503, headers: { 'retry-after': '7' } }
  t.match(faultOf({ name: 'SlowDown', $metadata: { httpStatusCode: 503 }, $response: answer }), {
    code: 'SlowDown',
    status: 503,
    retryAfterMs: 7000
  })
})

t.test('a bucket whose quota is used up is full, and not ill', async (t) => {
  const fake = await startFakeS3(t)
  const store = await openStore(t, { regionendpoint: fake.url })
  for (const error of [new S3Error(403, 'QuotaExceeded'), new S3Error(507, 'XMinioStorageFull')]) {
    fake.mishap = () => error
    await t.rejects(store.put('k', [bytes('x')]), StorageFull)
  }
})

t.test('a call that takes too long is tried again', async (t) => {
  const fake = await startFakeS3(t)
  const { send, close } = await connect({ ...OPTIONS, regionendpoint: fake.url }, {})
  t.teardown(close)
  fake.mishap = () => ({ silent: true })
  const request = { method: 'HEAD', name: 'k' } as const
  const error = await send(request, AbortSignal.timeout(20)).catch((error: unknown) => error)
  t.ok(isPassing(faultOf(error)))
})

t.test('when a HEAD finds nothing, a bucket that was not seen lately is looked for', async (t) => {
  const fake = await startFakeS3(t)
  const options = { ...OPTIONS, regionendpoint: fake.url }
  const connection = await connect(options, {})
  t.teardown(() => connection.close())
  const calls = createCalls(connection, options.bucket, surroundings())
  const unseen = { ...calls, lastSeen: () => Number.NEGATIVE_INFINITY }
  const store = createStore(connection, unseen, options, { create: true, remove: true })
  t.equal(await store.head('k'), undefined)
  fake.isBucketThere = false
  t.match(
    await messageOf(store.head('k')),
    /^StorageUnavailable: the bucket images at .*cannot be used \(HeadBucket: 404.*Create it/
  )
})

t.test('a store that stays ill is given up after five tries', async (t) => {
  const fake = await startFakeS3(t)
  const store = await openStore(t, { regionendpoint: fake.url })
  fake.mishap = () => new S3Error(503, 'ServiceUnavailable')
  await t.rejects(store.head('k'), StorageUnavailable)
  t.equal(countOf(fake, 'HeadObject'), 5)
})

t.test('an answer that nobody understands is an error, not an absence', async (t) => {
  const fake = await startFakeS3(t)
  const store = await openStore(t, { regionendpoint: fake.url })
  fake.mishap = () => ({
    answer: { status: 404, headers: { 'content-type': 'text/html' }, body: '<html>no' }
  })
  await t.rejects(store.get('k'), StorageUnavailable)
  await t.rejects(store.list('', { byFolder: false }), StorageUnavailable)
})

t.test('case 38: a copy of a part that fails ends the whole, and the target stays', async (t) => {
  const fake = await startFakeS3(t)
  const store = await openStore(t, { regionendpoint: fake.url })
  await store.put('target', [bytes('former')])
  const pieces = Array.from({ length: 4 }, (_, i) => ({ key: `p/${i}`, size: 5 * MIB }))
  for (const { key, size } of pieces) await store.put(key, [noise(size)])
  fail(fake, 'UploadPartCopy', new S3Error(403, 'AccessDenied'))
  await t.rejects(store.assemble('target', pieces), StorageUnavailable)
  t.equal(await textOf(store, 'target'), 'former')
  t.equal(fake.bucket.uploads.size, 0)
  t.equal((await store.head('p/0'))?.size, 5 * MIB)
})

t.test('a clock that differs from the store’s is told with its offset, and calls go on', async (t) => {
  const fake = await startFakeS3(t, { now: () => Date.now() + 3_600_000 })
  const around = surroundings()
  const store = await openStore(t, { regionendpoint: fake.url }, around)
  await store.put('k', [bytes('x')])
  t.equal(await textOf(store, 'k'), 'x')
  t.match(around.warnings, [/the store's clock is 3(600|599) s ahead of this machine's. Set the clock/])
  t.equal(around.warnings.length, 1)
})

t.test('where connections break while the object is read, that is an error or a short end', async (t) => {
  const fake = await startFakeS3(t)
  const store = await openStore(t, { regionendpoint: fake.url })
  await store.put('k', [noise(MIB)])
  fail(fake, 'GetObject', { cut: 'body' })
  await t.rejects(contentOf(store, 'k'))
  t.ok((await contentOf(store, 'k'))?.equals(noise(MIB)))
})
