import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { describe, startForwarder } from '../../bench/forwarder.ts'
import { operationOf } from '../integration/support/s3-operations.ts'
import { startFakeS3 } from '../storage/s3/fake/server.ts'
import { openStore } from '../storage/s3/support.ts'

async function forwarderTo(t: Test, listener: RequestListener) {
  const target = createServer(listener).listen(0, '127.0.0.1')
  await once(target, 'listening')
  t.teardown(() => void target.close())
  const forwarder = await startForwarder(`http://127.0.0.1:${(target.address() as AddressInfo).port}`)
  t.teardown(forwarder.close)
  return forwarder
}

t.test('calls pass as they came, so that their signatures hold, and are counted by operation', async (t) => {
  const fake = await startFakeS3(t)
  const forwarder = await startForwarder(fake.url)
  t.teardown(forwarder.close)
  const store = await openStore(t, { regionendpoint: forwarder.url, secure: false })
  await forwarder.quiet(1)
  forwarder.take()
  const bytes = Buffer.alloc(300_000, 'x')
  await store.put('a', [bytes])
  await store.put('b', [bytes])
  const pieces: Uint8Array[] = []
  for await (const piece of (await store.get('a'))?.chunks ?? []) pieces.push(piece)
  t.ok(Buffer.concat(pieces).equals(bytes))
  t.equal(await store.get('c'), undefined)
  t.equal(describe(forwarder.take()), '4: 2 PutObject, 2 GetObject')
  t.equal(describe(forwarder.take()), '0')
})

t.test('a removal is answered late, and counts when it is', async (t) => {
  const forwarder = await forwarderTo(t, (_, response) => void response.end())
  const removal = fetch(`${forwarder.url}/bucket/a`, { method: 'DELETE' })
  await fetch(`${forwarder.url}/bucket/b`)
  t.strictSame(forwarder.take(), ['GetObject'])
  await removal
  t.strictSame(forwarder.take(), ['DeleteObject'])
  await forwarder.quiet(10)
})

t.test('a store that breaks off is one that breaks off', async (t) => {
  const forwarder = await forwarderTo(t, (request) => void request.socket.destroy())
  await t.rejects(fetch(`${forwarder.url}/bucket/a`))
  await forwarder.quiet(1)
  t.strictSame(forwarder.take(), [])
})

t.test('a request has the name of its operation', async (t) => {
  for (const [method, key, query, name] of [
    ['HEAD', '', '', 'HeadBucket'],
    ['GET', '', 'list-type=2&prefix=a', 'ListObjectsV2'],
    ['GET', '', 'uploads=&prefix=a', 'ListMultipartUploads'],
    ['POST', '', 'delete=', 'DeleteObjects'],
    ['POST', 'a/b', 'uploads=', 'CreateMultipartUpload'],
    ['PUT', 'a/b', 'partNumber=1&uploadId=u', 'UploadPart'],
    ['GET', 'a/b', 'uploadId=u', 'ListParts'],
    ['POST', 'a/b', 'uploadId=u', 'CompleteMultipartUpload'],
    ['DELETE', 'a/b', 'uploadId=u', 'AbortMultipartUpload'],
    ['PUT', 'a/b', '', 'PutObject'],
    ['GET', 'a/b', '', 'GetObject'],
    ['HEAD', 'a/b', '', 'HeadObject'],
    ['DELETE', 'a/b', '', 'DeleteObject']
  ] as const) {
    t.equal(operationOf(method, key, new URLSearchParams(query), {}), name)
  }
  const copy = { 'x-amz-copy-source': 'images/a' }
  t.equal(operationOf('PUT', 'b', new URLSearchParams(), copy), 'CopyObject')
  t.equal(operationOf('PUT', 'b', new URLSearchParams('partNumber=1'), copy), 'UploadPartCopy')
})
