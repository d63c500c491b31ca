import t from 'tap'
import { ObjectNotFound, StorageUnavailable } from '../../../storage/driver.ts'
import { ConditionFailed, type ObjectStore } from '../../../storage/objects/store.ts'
import { bytes, gather, noise } from '../bodies.ts'
import { textOf } from '../objects/contract/whole-objects.ts'
import { tidyStorage } from '../objects/driver-contract.ts'
import { fakeStore, faultsFor, gcsStore, isMedia, isPut, refusal } from './support.ts'

const CALLS: [string, (store: ObjectStore) => Promise<unknown>][] = [
  ['head', async (store) => store.head('k')],
  ['get', async (store) => store.get('k')],
  ['put', async (store) => store.put('k', [bytes('x')])],
  ['put of a new object', async (store) => store.put('k', [bytes('x')], { isNew: true })],
  ['delete', async (store) => store.delete('k')],
  ['delete of many', async (store) => store.deleteAll(['k', 'l'])],
  ['assemble', async (store) => store.assemble('k', [{ key: 'a', size: 1 }])],
  ['list', async (store) => store.list('', { byFolder: true })]
]

t.test('case 8: a bucket that is not there is never an object that is not there', async (t) => {
  const { store } = await fakeStore(t, { bucket: 'imagse' })
  for (const [name, call] of CALLS) {
    const message = /^there is no bucket imagse .*: create it, or correct storage\.gcs\.bucket$/
    await t.rejects(call(store), { name: 'StorageUnavailable', message, isGone: true }, name)
  }
})

t.test('case 8: a permission that is missing is told with the role that has it', async (t) => {
  const { store, fake, told } = await fakeStore(t)
  const google = "x@p.iam does not have storage.objects.get access. Permission 'storage.objects.get' denied"
  fake.fault = () => refusal(403, google, 'forbidden')
  for (const [name, call] of CALLS) {
    const message = /storage\.objects\.get.*grant it roles\/storage\.objectUser/
    await t.rejects(call(store), { name: 'StorageUnavailable', message, isGone: false }, name)
  }
  t.strictSame(told.retries, [], 'nor is it tried again')
})

t.test('an object that is kept by a retention policy is told, and not asked for again', async (t) => {
  const { store, fake } = await fakeStore(t)
  const google = 'Object is subject to bucket retention policy and cannot be deleted until 2030.'
  fake.fault = () => refusal(403, google, 'retentionPolicyNotMet')
  await t.rejects(store.delete('k'), { message: /lift its retention policy or hold/ })
  t.equal(fake.requests.length, 1)
})

t.test('a key of Cloud KMS that cannot be used is told', async (t) => {
  const { store, fake } = await fakeStore(t, { kmskeyname: 'projects/p/k' })
  fake.fault = () => refusal(403, 'Permission denied on Cloud KMS key. Please ensure …', 'forbidden')
  await t.rejects(store.put('k', [bytes('x')]), {
    message: /projects\/p\/k .*roles\/cloudkms\.cryptoKeyEncrypterDecrypter/
  })
})

t.test('case 27, 53: what passes is tried again, so often, and each try is counted', async (t) => {
  const { store, fake, told } = await fakeStore(t)
  const passing = [
    refusal(503, 'Backend Error', 'backendError'),
    refusal(429, 'The object exceeded the rate limit', 'rateLimitExceeded'),
    refusal(403, 'Slow down', 'userRateLimitExceeded'),
    'cut before' as const
  ]
  for (const fault of passing) {
    fake.fault = faultsFor(isPut, 2, fault)
    await store.put('k', [bytes('x')])
  }
  t.strictSame(
    told.retries,
    ['backendError', 'rateLimitExceeded', 'userRateLimitExceeded', 'ECONNRESET'].flatMap((code) => [
      `put ${code}`,
      `put ${code}`
    ])
  )
  fake.requests.length = 0
  fake.fault = () => refusal(503, 'Backend Error', 'backendError')
  await t.rejects(store.put('k', [bytes('x')]), { name: 'StorageUnavailable', message: /503: Backend Error/ })
  t.equal(fake.requests.length, 5)
})

t.test('who knows that it is the store that is dead is told where it was looked for', async (t) => {
  const { store, fake } = await fakeStore(t)
  await fake.close()
  await t.rejects(store.head('k'), {
    name: 'StorageUnavailable',
    message: /^Google Cloud Storage at http:.*ECONNREFUSED/
  })
})

t.test('case 28: a new object whose answer was lost is known again', async (t) => {
  const { store, fake, told } = await fakeStore(t)
  fake.fault = faultsFor(isPut, 1, 'cut after')
  await store.put('k', [bytes('mine')], { isNew: true })
  t.equal(await textOf(store, 'k'), 'mine')
  t.strictSame(told.retries, ['put ECONNRESET'])
})

t.test('case 28: and another one that has the same text is not', async (t) => {
  const { store, fake } = await fakeStore(t)
  await store.put('k', [bytes('same')], { isNew: true })
  fake.fault = faultsFor(isPut, 1, 'cut before')
  await t.rejects(store.put('k', [bytes('same')], { isNew: true }), ConditionFailed)
})

t.test('a put that was given up does not come after a later one', async (t) => {
  const { store, fake } = await fakeStore(t)
  const put = async (text: string) => store.put('tag', [bytes(text)], { isContested: true })
  for (const isThere of [false, true]) {
    fake.objects.clear()
    if (isThere) await put('former')
    const late = Promise.withResolvers<void>()
    fake.fault = faultsFor(isPut, 1, { later: late.promise })
    await put('one')
    await put('two')
    late.resolve()
    await new Promise(setImmediate)
    t.equal(await textOf(store, 'tag'), 'two')
  }
})

t.test('a put that is overtaken all the time comes to its end', async (t) => {
  const { store, fake } = await fakeStore(t)
  const others = gcsStore(fake.url)
  t.teardown(others.close)
  await others.put('tag', [bytes('former')])
  fake.fault = (request) => {
    const [object] = fake.objects.values()
    if (isPut(request) && object !== undefined) object.generation++
    return undefined
  }
  await store.put('tag', [bytes('ours')], { isContested: true })
  t.equal(await textOf(store, 'tag'), 'ours')
  t.equal(fake.requests.filter(isPut).length, 1 + 6)
})

t.test('a version whose deletion was done without an answer counts as deleted', async (t) => {
  const { store, fake } = await fakeStore(t)
  await store.put('k', [bytes('x')])
  const version = (await store.head('k'))?.version
  fake.fault = faultsFor(({ method }) => method === 'DELETE', 1, 'cut after')
  await store.delete('k', version)
  await t.rejects(store.delete('k', version), ConditionFailed, 'it was gone before the first try')
})

t.test('bytes that arrive broken are sent again', async (t) => {
  const { store, fake, told } = await fakeStore(t)
  fake.fault = faultsFor(
    isPut,
    1,
    refusal(400, `Provided CRC32C doesn't match calculated CRC32C.`, 'invalid')
  )
  await store.put('k', [bytes('x')])
  // As of an object of no bytes after a put that was acknowledged.
  const kept = { status: 200, body: JSON.stringify({ size: '0', crc32c: 'AAAAAA==' }) }
  fake.fault = faultsFor(isPut, 1, kept)
  await store.put('k', [bytes('x')])
  t.strictSame(told.retries, ['put invalid', 'put corrupted'])
  fake.fault = () => kept
  await t.rejects(store.put('k', [bytes('x')]), { name: 'StorageUnavailable', message: /has 0 bytes/ })
})

t.test('what berth sends carries its sum: the store notices a wrong one', async (t) => {
  const { store, fake } = await fakeStore(t)
  fake.fault = (request) => {
    request.body = Buffer.from(request.body.toString('latin1').replace('12345', '12346'), 'latin1')
    return undefined
  }
  await t.rejects(store.put('k', [bytes('12345')]), { message: /doesn't match calculated CRC32C/ })
  t.notOk(fake.objects.has('k'))
})

t.test('case 15: a connection that breaks in the middle of an object is replaced', async (t) => {
  const { store, fake } = await fakeStore(t)
  const whole = noise(2 << 20)
  await store.put('k', [whole])
  fake.fault = faultsFor(isMedia, 1, { cutAt: 300_000 })
  const opened = await store.get('k')
  await t.rejects(gather(opened!.chunks), 'the store itself says so')
  fake.requests.length = 0
  fake.fault = faultsFor(isMedia, 2, { cutAt: 300_000 })
  t.ok((await gather(tidyStorage(store).read('k'))).equals(whole))
  t.equal(fake.requests.length, 3)
})

t.test('who reads slowly is not taken for a store that is silent', async (t) => {
  const { store, fake } = await fakeStore(t)
  await store.put('k', [noise(8 << 20)])
  const impatient = gcsStore(fake.url, '', { silenceMs: 2_000 })
  t.teardown(impatient.close)
  const opened = await impatient.get('k')
  let length = 0
  for await (const chunk of opened!.chunks) {
    if (length === 0) await new Promise((resolve) => setTimeout(resolve, 3_000))
    length += chunk.length
  }
  t.equal(length, 8 << 20)
})

t.test('a store that falls silent is left', async (t) => {
  const { store, fake } = await fakeStore(t, { silenceMs: 100 })
  fake.fault = () => 'silence'
  await t.rejects(store.head('k'), { name: 'StorageUnavailable', message: /nothing came for 0\.1 s/ })
})

t.test('a store that falls silent while somebody has paused is left once that one reads again', async (t) => {
  const { store, fake } = await fakeStore(t, { silenceMs: 300 })
  const whole = noise(2 << 20)
  await store.put('k', [whole])
  fake.fault = faultsFor(isMedia, 1, { cutAt: 100_000, stays: true })
  const chunks: Uint8Array[] = []
  for await (const chunk of tidyStorage(store).read('k')) {
    if (chunks.length === 0) await new Promise((resolve) => setTimeout(resolve, 1000))
    chunks.push(Buffer.from(chunk))
  }
  t.ok(Buffer.concat(chunks).equals(whole))
})

t.test('case 36: encryption and type are on every call that makes an object', async (t) => {
  const { store, fake } = await fakeStore(t, { kmskeyname: 'projects/p/k' })
  await store.put('a', [bytes('1')], { isNew: true })
  await store.put('a', [bytes('2')])
  await store.assemble('b', [{ key: 'a', size: 1 }])
  for (const key of ['a', 'b']) {
    const { kmsKeyName, contentType } = fake.objects.get(key)!
    t.strictSame([kmsKeyName, contentType], ['projects/p/k', 'application/octet-stream'], key)
  }
})

t.test(
  'what distribution keeps of an upload in flight is no object, and is removed with its folder',
  async (t) => {
    const { store, fake } = await fakeStore(t)
    await store.put('u/data', [bytes('the end of what came')])
    fake.objects.get('u/data')!.contentType = 'application/x-docker-upload-session'
    t.equal(await store.head('u/data'), undefined)
    t.equal(await store.get('u/data'), undefined)
    await tidyStorage(store).deleteFolder('u')
    t.notOk(fake.objects.has('u/data'))
  }
)

t.test('an answer that is not from Google Cloud Storage is no object', async (t) => {
  const { store, fake } = await fakeStore(t)
  fake.fault = () => ({ status: 200, body: '<html>', headers: { 'content-length': '6' } })
  await t.rejects(store.head('k'), StorageUnavailable)
  await t.rejects(store.get('k'), StorageUnavailable)
  await t.rejects(store.put('k', [bytes('x')]), StorageUnavailable)
  fake.fault = (request) => (isMedia(request) ? { status: 404, body: '<html>' } : undefined)
  t.equal(await store.get('k'), undefined, 'the bucket is there')
  fake.fault = () => ({ status: 404, body: '<html>' })
  await t.rejects(store.get('k'), StorageUnavailable)
  await t.rejects(store.assemble('k', [{ key: 'a', size: 1 }]), StorageUnavailable)
  fake.fault = () => undefined
  await t.rejects(store.assemble('k', [{ key: 'a', size: 1 }]), ObjectNotFound)
})
