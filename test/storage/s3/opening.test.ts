import t from 'tap'
import { ConditionFailed } from '../../../storage/objects/store.ts'
import { createAssembly } from '../../../storage/s3/assembly.ts'
import { createCalls } from '../../../storage/s3/calls.ts'
import { connect } from '../../../storage/s3/client.ts'
import { creationOf } from '../../../storage/s3/creation.ts'
import { bytes, noise } from '../bodies.ts'
import { textOf } from '../objects/contract/whole-objects.ts'
import { S3Error } from './fake/errors.ts'
import { ACCOUNT, startFakeS3 } from './fake/server.ts'
import { OPTIONS, openStore, surroundings } from './support.ts'

const failure = async (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'it was opened',
    (error: Error) => `${error.name}: ${error.message}`
  )

t.test('each permission that is missing is named at the start', async (t) => {
  const fake = await startFakeS3(t)
  const cases: [string, RegExp][] = [
    ['ListObjectsV2', /Allow s3:ListBucket on the bucket/],
    ['PutObject', /Allow s3:PutObject/],
    ['DeleteObject', /Allow s3:DeleteObject/],
    ['GetObject', /Allow s3:GetObject/],
    ['CreateMultipartUpload', /Allow s3:PutObject/],
    ['AbortMultipartUpload', /Allow s3:AbortMultipartUpload/],
    ['ListMultipartUploads', /Allow s3:ListBucketMultipartUploads on the bucket/]
  ]
  for (const [operation, remedy] of cases) {
    fake.mishap = (seen) => (seen.operation === operation ? new S3Error(403, 'AccessDenied') : undefined)
    t.match(await failure(openStore(t, { regionendpoint: fake.url })), remedy, operation)
  }
  fake.mishap = () => undefined
  fake.bucket.objects.clear()
  fake.bucket.uploads.clear()
  t.equal(await failure(openStore(t, { regionendpoint: fake.url })), 'it was opened')
  t.equal(fake.bucket.objects.size + fake.bucket.uploads.size, 0, 'nothing is left')
})

t.test('a store that cannot list uploads under way is used all the same', async (t) => {
  const fake = await startFakeS3(t)
  fake.mishap = ({ operation }) =>
    operation === 'ListMultipartUploads' ? new S3Error(501, 'NotImplemented') : undefined
  const store = await openStore(t, { regionendpoint: fake.url })
  t.equal(await store.abortParts?.(new Date()), 0)
})

t.test('what else can be wrong at the start is told with its remedy', async (t) => {
  const fake = await startFakeS3(t)
  const cases: [Parameters<typeof openStore>[1], RegExp][] = [
    [
      { bucket: 'other' },
      /^StorageUnavailable: the bucket other at .*Create it, or correct storage.s3.bucket$/
    ],
    [
      { accesskey: 'WRONG' },
      /the credentials from storage.s3.accesskey and secretkey are refused. Renew or correct them$/
    ],
    [{ secretkey: 'wrong' }, /SignatureDoesNotMatch.*are refused. Renew or correct them$/]
  ]
  for (const [options, message] of cases) {
    t.match(await failure(openStore(t, { regionendpoint: fake.url, ...options })), message)
  }
  fake.mishap = () => new S3Error(400, 'AuthorizationHeaderMalformed', "expecting 'eu-west-1'")
  t.match(
    await failure(openStore(t, { regionendpoint: fake.url })),
    /another region \(expecting 'eu-west-1'\). Correct storage.s3.region$/
  )
  fake.mishap = () => new S3Error(400, 'KMS.NotFoundException', 'no key')
  t.match(
    await failure(openStore(t, { regionendpoint: fake.url })),
    /Allow kms:GenerateDataKey and kms:Decrypt/
  )
})

t.test('what a store refuses for another reason than a condition is told, with what to check', async (t) => {
  const fake = await startFakeS3(t)
  const cases: [object, S3Error, RegExp][] = [
    [
      { encrypt: true },
      new S3Error(501, 'NotImplemented', 'KMS is not configured'),
      /\(PutObject: 501 NotImplemented\): KMS is not configured. Check storage.s3.encrypt,/
    ],
    [
      {},
      new S3Error(400, 'InvalidStorageClass', 'no such class.'),
      /no such class. Check storage.s3.storageclass/
    ],
    [
      {},
      new S3Error(400, 'TooOdd', ''),
      /it gives no reason. Check storage.s3.regionendpoint, bucket and rootdirectory$/
    ]
  ]
  for (const [options, error, message] of cases) {
    fake.mishap = ({ operation }) => (operation === 'PutObject' ? error : undefined)
    t.match(await failure(openStore(t, { regionendpoint: fake.url, ...options })), message)
  }
  fake.mishap = () => undefined
  const regionendpoint = fake.url.replace('http:', 'https:')
  t.match(await failure(openStore(t, { regionendpoint })), /it does not speak TLS. Write http:\/\//)
})

t.test('nothing is tried out where nothing may be written', async (t) => {
  const fake = await startFakeS3(t)
  await openStore(t, { regionendpoint: fake.url }, surroundings({ isReadOnly: true }))
  t.strictSame(
    fake.seen.map(({ operation }) => operation),
    ['ListObjectsV2']
  )
})

t.test(
  'case 51: a store that ignores conditions is told, and what is there is looked at first',
  async (t) => {
    const fake = await startFakeS3(t, { ignoresConditions: true })
    const around = surroundings()
    const store = await openStore(t, { regionendpoint: fake.url }, around)
    t.match(around.warnings, [/the bucket images ignores "If-None-Match: \*".*Run one replica/])
    await store.put('k', [bytes('first')], { isNew: true })
    await t.rejects(store.put('k', [bytes('second')], { isNew: true }), ConditionFailed)
    await t.rejects(store.delete('k', '"another"'), ConditionFailed)
    t.equal(await textOf(store, 'k'), 'first')
  }
)

t.test('a store that does not know conditions is no reason to fail', async (t) => {
  const fake = await startFakeS3(t, { ignoresConditions: true })
  fake.mishap = ({ headers }) =>
    (headers['if-none-match'] ?? headers['if-match']) ? new S3Error(501, 'NotImplemented') : undefined
  const store = await openStore(t, { regionendpoint: fake.url })
  await store.put('k', [bytes('first')], { isNew: true })
  await t.rejects(store.put('k', [bytes('second')], { isNew: true }), ConditionFailed)
})

t.test('where many cannot be deleted in one call they are deleted one by one', async (t) => {
  const fake = await startFakeS3(t, { lacksDeleteObjects: true })
  const store = await openStore(t, { regionendpoint: fake.url })
  for (const key of ['a', 'b', 'c']) await store.put(key, [bytes(key)])
  await store.deleteAll(['a', 'b'])
  await store.deleteAll(['c'])
  t.equal(fake.bucket.objects.size, 0)
  const calls = fake.seen.filter(({ operation }) => operation === 'DeleteObjects')
  t.equal(calls.length, 1, 'it is asked once')
})

t.test('case 41: what a call leaves of many is deleted one by one, or the reason is told', async (t) => {
  const fake = await startFakeS3(t, { wantsContentMd5: true })
  const store = await openStore(t, { regionendpoint: fake.url })
  for (const key of ['a', 'b']) await store.put(key, [bytes(key)])
  const error = '<Error><Key>b</Key><Code>InternalError</Code></Error>'
  const body = `<DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${error}</DeleteResult>`
  fake.mishap = ({ operation }) =>
    operation === 'DeleteObjects' ? { answer: { status: 200, body } } : undefined
  await store.deleteAll(['b'])
  t.strictSame([...fake.bucket.objects.keys()], ['a'])
})

t.test('case 36: encryption, class, ACL and type are on every call that makes an object', async (t) => {
  const fake = await startFakeS3(t)
  const MIB = 1 << 20
  const options = {
    regionendpoint: fake.url,
    encrypt: true,
    keyid: 'key-1',
    storageclass: 'STANDARD_IA',
    objectacl: 'bucket-owner-full-control',
    rootdirectory: '/a/b/',
    useragent: 'my-registry'
  }
  const store = await openStore(t, options)
  await store.put('put', [noise(5 * MIB)])
  await store.assemble('copied', [{ key: 'put', size: 5 * MIB }])
  await store.assemble('joined', [
    { key: 'put', size: 5 * MIB },
    { key: 'put', size: 5 * MIB }
  ])
  const parts = await store.parts?.('parts')
  await parts?.put(1, [bytes('x')])
  await parts?.complete()
  t.strictSame(
    [...fake.bucket.objects.keys()].sort(),
    ['copied', 'joined', 'parts', 'put'].map((key) => `a/b/${key}`)
  )
  for (const [key, { creation }] of fake.bucket.objects) {
    t.strictSame(
      creation,
      {
        'content-type': 'application/octet-stream',
        'x-amz-acl': 'bucket-owner-full-control',
        'x-amz-server-side-encryption': 'aws:kms',
        'x-amz-server-side-encryption-aws-kms-key-id': 'key-1',
        'x-amz-storage-class': 'STANDARD_IA'
      },
      key
    )
  }
  t.ok(fake.seen.every(({ headers }) => headers['user-agent']?.includes('my-registry')))
})

t.test(
  'without a key the store’s own encrypts; nothing is said of class and ACL that some refuse',
  async (t) => {
    const fake = await startFakeS3(t)
    const store = await openStore(t, { regionendpoint: fake.url, encrypt: true, storageclass: 'NONE' })
    await store.put('k', [bytes('x')])
    t.strictSame(fake.bucket.objects.get('k')?.creation, {
      'content-type': 'application/octet-stream',
      'x-amz-server-side-encryption': 'AES256'
    })
  }
)

t.test('a large object is copied in parts, of which there are never too many', async (t) => {
  const fake = await startFakeS3(t, { smallParts: true })
  const store = await openStore(t, {
    regionendpoint: fake.url,
    multipartcopychunksize: 30_000,
    multipartcopythresholdsize: 40_000,
    multipartcopymaxconcurrency: 3
  })
  const whole = noise(100_000)
  await store.put('p', [whole])
  await store.assemble('k', [{ key: 'p', size: whole.length }])
  t.ok(fake.bucket.objects.get('k')?.bytes.equals(whole))
  const ranges = fake.seen.flatMap(({ headers }) => headers['x-amz-copy-source-range'] ?? [])
  t.strictSame(ranges.sort(), [
    'bytes=0-29999',
    'bytes=30000-59999',
    'bytes=60000-89999',
    'bytes=90000-99999'
  ])
})

t.test('uploads of others in the bucket are not ended', async (t) => {
  const fake = await startFakeS3(t)
  const store = await openStore(t, { regionendpoint: fake.url, rootdirectory: 'r' })
  const upload = { begun: new Date(0), creation: {}, parts: new Map(), hasSums: false }
  const old = [
    'r/docker/registry/v2/repositories/a/_uploads/1/data',
    'r/@drafts/1/2',
    'r/else',
    'docker/registry/v2/a'
  ]
  for (const key of old) fake.bucket.uploads.set(key, { ...upload, key })
  const young = 'r/docker/registry/v2/young'
  fake.bucket.uploads.set(young, { ...upload, key: young, begun: new Date() })
  // A body may still be coming that began before the age of what is purged.
  const going = 'r/docker/registry/v2/going'
  fake.bucket.uploads.set(going, { ...upload, key: going, begun: new Date(Date.now() - 7_200_000) })
  t.equal(await store.abortParts?.(new Date(Date.now() - 3_600_000)), 2)
  t.strictSame([...fake.bucket.uploads.keys()], ['r/else', 'docker/registry/v2/a', young, going])
})

t.test('an address for clients names its type, how long it lasts and the host that they reach', async (t) => {
  const fake = await startFakeS3(t)
  const redirectendpoint = fake.url.replace('127.0.0.1', 'localhost')
  const store = await openStore(t, { regionendpoint: fake.url, redirectendpoint })
  await store.put('k', [bytes('x')])
  const url = new URL((await store.sign?.('k', 600)) ?? '')
  t.equal(url.origin, redirectendpoint)
  t.equal(url.searchParams.get('X-Amz-Expires'), '600')
  const answer = await fetch(url)
  t.equal(await answer.text(), 'x')
  t.equal(answer.headers.get('content-type'), 'application/octet-stream')
  t.equal(answer.headers.get('cache-control'), 'private, no-store')
  t.notOk(url.href.includes(ACCOUNT.secretAccessKey))
})

t.test('a body is signed where nothing else protects it, and left to TLS where there is TLS', async (t) => {
  for (const isEncrypted of [false, true]) {
    const fake = await startFakeS3(t, { isEncrypted })
    const store = await openStore(t, { regionendpoint: fake.url, skipverify: true })
    const parts = await store.parts?.('p')
    await parts?.put(1, [bytes('in '), bytes('pieces')])
    await parts?.complete()
    await store.put('k', [bytes('whole')])
    t.equal(fake.bucket.objects.get('p')?.bytes.toString(), 'in pieces')
    const sums = fake.seen
      .filter(({ operation }) => /^(PutObject|UploadPart)$/.test(operation))
      .map(({ headers }) => headers['x-amz-content-sha256'])
    t.ok(sums.length >= 3)
    t.ok(sums.every((sum) => (sum === 'UNSIGNED-PAYLOAD') === isEncrypted))
  }
})

t.test('a certificate of an authority that is not trusted is told', async (t) => {
  const fake = await startFakeS3(t, { isEncrypted: true })
  t.match(
    await failure(openStore(t, { regionendpoint: fake.url })),
    /its certificate is not trusted \(.*\). Add its authority to SSL_CERT_FILE$/
  )
})

t.test('more pieces than an object can have parts are joined in two rounds', async (t) => {
  const fake = await startFakeS3(t, { smallParts: true })
  const connection = await connect({ ...OPTIONS, regionendpoint: fake.url }, {})
  t.teardown(() => connection.close())
  const calls = createCalls(connection, OPTIONS.bucket, surroundings())
  const options = { calls, creation: creationOf(OPTIONS), isChecked: false }
  let drafts = 0
  const removed: string[] = []
  const assemble = createAssembly(
    OPTIONS.bucket,
    options,
    { ...OPTIONS, multipartcopychunksize: 100 },
    {
      newDraft: () => `draft/${drafts++}`,
      removeDrafts: async (names) => void removed.push(...names),
      maxParts: 4
    }
  )
  const whole = noise(1003)
  const pieces = Array.from({ length: 11 }, (_, i) => ({
    name: `p/${i}`,
    key: `p/${i}`,
    size: i < 10 ? 100 : 3
  }))
  for (const [i, { name, size }] of pieces.entries()) {
    const bytes = whole.subarray(i * 100, i * 100 + size)
    fake.bucket.objects.set(name, { bytes, etag: '"x"', modified: new Date(), creation: {} })
  }
  await assemble('k', pieces)
  t.ok(fake.bucket.objects.get('k')?.bytes.equals(whole))
  t.strictSame(removed, ['draft/0', 'draft/1', 'draft/2'])
})
