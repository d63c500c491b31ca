import { writeFileSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { StorageUnavailable } from '../../../storage/driver.ts'
import { ConditionFailed } from '../../../storage/objects/store.ts'
import { createCalls, readXml } from '../../../storage/s3/calls.ts'
import { connect } from '../../../storage/s3/client.ts'
import { createStore } from '../../../storage/s3/store.ts'
import { listOf, parseXml, textOf, toXml } from '../../../storage/s3/xml.ts'
import { bytes } from '../bodies.ts'
import * as objects from '../objects/contract/whole-objects.ts'
import { S3Error } from './fake/errors.ts'
import { type ACCOUNT, type FakeS3, type Mishap, startFakeS3 } from './fake/server.ts'
import { OPTIONS, openStore, surroundings } from './support.ts'

/** From now on each call of an operation fails in turn as said, then no more. */
function fail(fake: FakeS3, operation: string, ...mishaps: Mishap[]): void {
  fake.mishap = (seen) => (seen.operation === operation ? mishaps.shift() : undefined)
}

const countOf = (fake: FakeS3, operation: string): number =>
  fake.seen.filter((seen) => seen.operation === operation).length

async function serve(t: Test, answer: (response: ServerResponse) => void): Promise<string> {
  const server = createServer((_, response) => answer(response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

t.test('whose object it is after a lost answer is found out over connections that break', async (t) => {
  const fake = await startFakeS3(t)
  const store = await openStore(t, { regionendpoint: fake.url })
  const mishaps: Record<string, Mishap[]> = { PutObject: [{ cut: 'after' }], GetObject: [{ cut: 'body' }] }
  fake.mishap = ({ operation }) => mishaps[operation]?.shift()
  await store.put('k', [bytes('mine')], { isNew: true })
  t.equal(mishaps.GetObject?.length, 0)
})

t.test('an object of another size is not opened to see whose it is', async (t) => {
  const fake = await startFakeS3(t)
  const store = await openStore(t, { regionendpoint: fake.url })
  await store.put('k', [bytes('somebody else’s')])
  const before = countOf(fake, 'GetObject')
  fail(fake, 'PutObject', { cut: 'before' })
  await t.rejects(store.put('k', [bytes('mine')], { isNew: true }), ConditionFailed)
  t.equal(countOf(fake, 'GetObject'), before)
})

t.test('the text of an answer ends with its try, be it a refusal or not', async (t) => {
  for (const status of [503, 200]) {
    const regionendpoint = await serve(t, (response) => {
      response.writeHead(status).write('<')
      const timer = setInterval(() => response.write(' '), 5)
      response.once('close', () => clearInterval(timer))
    })
    const { send, close } = await connect({ ...OPTIONS, regionendpoint }, {})
    t.teardown(close)
    const signal = AbortSignal.timeout(100)
    const answered = send({ method: 'GET' }, signal).then((answer) => readXml('Result')(answer, signal))
    await t.rejects(answered, { name: 'TimeoutError' })
  }
})

t.test('bytes of another place, or of no known number, are not taken for those of an object', async (t) => {
  const fake = await startFakeS3(t)
  const store = await openStore(t, { regionendpoint: fake.url })
  const body = '0123456789'
  const ten = { 'content-length': '10' }
  const range = { start: 5, end: 9 }
  fail(fake, 'GetObject', { answer: { status: 200, headers: ten, body } })
  await t.rejects(store.get('k', range), StorageUnavailable)
  fail(fake, 'GetObject', { answer: { status: 206, headers: { 'content-range': 'bytes 0-9/20' }, body } })
  await t.rejects(store.get('k', range), StorageUnavailable)
  fail(fake, 'GetObject', { answer: { status: 200, headers: { 'transfer-encoding': 'chunked' }, body } })
  await t.rejects(store.get('k'), StorageUnavailable)
  // Those from the beginning on are right, however many come.
  fail(fake, 'GetObject', { answer: { status: 200, headers: ten, body } })
  const opened = await store.get('k', { start: 0, end: 1 })
  t.equal(opened?.size, 10)
  for await (const _ of opened?.chunks ?? []);
})

t.test('a list that goes on, nobody knows where, is not taken for the whole', async (t) => {
  const fake = await startFakeS3(t)
  const store = await openStore(t, { regionendpoint: fake.url })
  const body = '<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>'
  fail(fake, 'ListObjectsV2', { answer: { status: 200, body } })
  await t.rejects(store.list('', { byFolder: false }), StorageUnavailable)
})

t.test('where there is nothing to sign an address with, that is told in words', async (t) => {
  const path = join(t.testdir(), 'missing')
  const none = { accesskey: undefined, secretkey: undefined, credentialsconfigpath: path }
  const options = { ...OPTIONS, ...none, regionendpoint: 'http://127.0.0.1:1' }
  const connection = await connect(options, {})
  t.teardown(() => connection.close())
  const calls = createCalls(connection, options.bucket, surroundings())
  const store = createStore(connection, calls, options, { create: true, remove: true })
  const error = await store.sign?.('k', 60).catch((error: unknown) => error)
  t.match(error, { name: 'StorageUnavailable', message: /no credentials were found in .*Give storage\.s3/ })
})

t.test('a bucket in another region is told with it', async (t) => {
  const fake = await startFakeS3(t)
  const store = await openStore(t, { regionendpoint: fake.url })
  const headers = { 'x-amz-bucket-region': 'eu-west-1' }
  fail(fake, 'HeadObject', { answer: { status: 301, headers, body: '' } })
  await t.rejects(store.head('k'), { message: /in another region \(eu-west-1\). Correct storage.s3.region/ })
})

t.test('a HEAD, to which no reason is given, is asked again with what the files say now', async (t) => {
  const fake = await startFakeS3(t)
  const path = join(t.testdir(), 'credentials')
  const write = ({ accessKeyId, secretAccessKey }: typeof ACCOUNT): void =>
    writeFileSync(
      path,
      `[default]\naws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}\n`
    )
  write(fake.account)
  const none = { accesskey: undefined, secretkey: undefined, credentialsconfigpath: path }
  const store = await openStore(t, { ...none, regionendpoint: fake.url })
  await store.put('k', [bytes('x')])
  fake.account = { accessKeyId: 'OTHER', secretAccessKey: 'SECRET' }
  write({ accessKeyId: 'OTHER', secretAccessKey: 'SECRET' })
  t.equal((await store.head('k'))?.size, 1)

  // If it was a permission, that does not make twice the calls.
  const before = countOf(fake, 'HeadObject')
  fake.mishap = () => new S3Error(403, 'AccessDenied')
  await t.rejects(store.head('k'), StorageUnavailable)
  t.equal(countOf(fake, 'HeadObject'), before + 1)
})

t.test('credentials that have expired are no store without DeleteObjects', async (t) => {
  const fake = await startFakeS3(t)
  const store = await openStore(t, { regionendpoint: fake.url })
  fake.mishap = () => new S3Error(400, 'ExpiredToken')
  await t.rejects(store.deleteAll(['a', 'b']), { message: /the credentials from .* are refused/ })
  fake.mishap = () => undefined
  const before = countOf(fake, 'DeleteObjects')
  await store.deleteAll(['a', 'b'])
  t.equal(countOf(fake, 'DeleteObjects'), before + 1)
})

t.test('a store that fails to join parts is not told to have lost them', async (t) => {
  const fake = await startFakeS3(t)
  const store = await openStore(t, { regionendpoint: fake.url })
  const parts = await store.parts?.('k')
  await parts?.put(1, [bytes('content')])
  fail(fake, 'CompleteMultipartUpload', ...Array(5).fill(new S3Error(500, 'InternalError')))
  const error = await parts?.complete().catch((error: unknown) => error)
  t.match(error, {
    name: 'StorageUnavailable',
    message: /could not be joined by the store \(InternalError\)/
  })
  await parts?.abort()
  t.equal(await objects.textOf(store, 'k'), undefined)
})

t.test('keys in XML keep their spaces and line ends', async (t) => {
  const page = parseXml('<L>\n<Contents>\n<Key> a&#13; </Key>\n</Contents>\n</L>', 'L')
  t.strictSame(
    listOf(page ?? {}, 'Contents').map((found) => textOf(found, 'Key')),
    [' a\r ']
  )
  t.strictSame(parseXml('<DeleteResult>\n</DeleteResult>', 'DeleteResult'), {})
  t.match(toXml('Delete', { Key: 'a\r<&>' }).toString(), '<Key>a&#13;&lt;&amp;&gt;</Key>')
})
