import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { azureStorage, openAzureStore } from '../../../storage/azure.ts'
import { StorageUnavailable } from '../../../storage/driver.ts'
import { ConditionFailed } from '../../../storage/objects/store.ts'
import type { AzureOptions } from '../../../storage/options.ts'
import { gather, noise } from '../bodies.ts'
import { contentOf } from '../objects/contract/whole-objects.ts'
import { newBlob, type Planted, startFakeService } from './fake-service.ts'
import { optionsFor, surroundings } from './fresh.ts'

async function start(t: Test, more: Partial<AzureOptions> = {}) {
  const service = await startFakeService(t)
  const container = service.createContainer()
  const calls: string[] = []
  const retries: string[] = []
  const around = surroundings({
    onCall: (operation, _ms, code) => calls.push(`${operation} ${code ?? 'ok'}`),
    onRetry: (operation, code) => retries.push(`${operation} ${code}`)
  })
  const options = optionsFor(service, container, more)
  const store = await openAzureStore(options, around)
  calls.length = 0
  return {
    service,
    container,
    blobs: service.containers.get(container),
    options,
    around,
    store,
    calls,
    retries
  }
}

/** What the service says, and what an administrator is to read of it. */
const REFUSALS: [Planted & { code: string }, RegExp][] = [
  [{ status: 403, code: 'AuthenticationFailed' }, /403 AuthenticationFailed.*storage\.azure\.accountkey/],
  [{ status: 403, code: 'AuthorizationFailure' }, /firewall/],
  [{ status: 403, code: 'AuthorizationPermissionMismatch' }, /Storage Blob Data Contributor/],
  [{ status: 403, code: 'KeyBasedAuthenticationNotPermitted' }, /access by key is switched off/],
  [{ status: 403, code: 'SomethingNew' }, /\(403 SomethingNew\)/],
  [{ status: 404, code: 'ContainerNotFound' }, /create it, or correct storage\.azure\.container/],
  [{ status: 404, code: 'ResourceNotFound' }, /404 ResourceNotFound/],
  [{ status: 409, code: 'ContainerBeingDeleted' }, /being deleted/],
  [{ status: 409, code: 'BlobImmutableDueToPolicy' }, /locked by an immutability policy/],
  [{ status: 412, code: 'LeaseIdMissing' }, /lease/],
  [{ status: 409, code: 'BlobArchived' }, /archive tier/]
]

for (const [planted, message] of REFUSALS) {
  t.test(
    `${planted.code} is a fault of the storage, whatever was asked, and never "not found"`,
    async (t) => {
      const { service, store, blobs, retries } = await start(t)
      blobs?.set('k', newBlob(noise(10)))
      service.fault = () => planted
      const unavailable = { name: 'StorageUnavailable', message }
      await t.rejects(store.head('k'), unavailable)
      await t.rejects(store.get('k'), unavailable)
      await t.rejects(store.put('k', [noise(3)]), unavailable)
      await t.rejects(store.put('k', [noise(3)], { isNew: true }), unavailable)
      await t.rejects(store.delete('k'), unavailable)
      await t.rejects(store.deleteAll(['k', 'l']), unavailable)
      await t.rejects(store.list('', { byFolder: true }), unavailable)
      await t.rejects(store.assemble('t', [{ key: 'k', size: 10 }]), unavailable)
      t.strictSame(retries, [], 'another try would be refused as well')
      t.ok(blobs?.has('k'))
    }
  )
}

t.test('a missing container is told at the start, as gone', async (t) => {
  const service = await startFakeService(t)
  const opening = azureStorage(optionsFor(service, 'nowhere'), surroundings())
  await t.rejects(opening, {
    name: 'StorageUnavailable',
    isGone: true,
    message: /^the container nowhere at http:.* cannot be used \(404 ContainerNotFound\): .*create it/
  })
})

t.test('a missing permission to write is told at the start, unless nothing is to be written', async (t) => {
  const { service, options, around } = await start(t)
  service.fault = ({ operation }) =>
    /Put|Delete/.test(operation) ? { status: 403, code: 'AuthorizationPermissionMismatch' } : undefined
  await t.rejects(azureStorage(options, around), { message: /Storage Blob Data Contributor/ })
  t.ok(await azureStorage(options, { ...around, isReadOnly: true }))
})

t.test('a clock that is wrong is told', async (t) => {
  const { service, store } = await start(t)
  const date = (ms: number) => ({ date: new Date(Date.now() + ms).toUTCString() })
  const refusal = { status: 403, code: 'AuthenticationFailed' }
  service.fault = () => ({ ...refusal, headers: date(20 * 60_000) })
  await t.rejects(store.head('k'), { message: /clock is 20 minutes behind the service's: correct it/ })
  service.fault = () => ({ ...refusal, headers: date(-3_600_000) })
  await t.rejects(store.head('k'), { message: /clock is 60 minutes ahead of the service's/ })
})

t.test('a host that is not there is told, and what to look at', async (t) => {
  const { options, around } = await start(t)
  const serviceurl = 'http://berth-has-no-such-host.invalid/fake'
  await t.rejects(azureStorage({ ...options, serviceurl }, around), {
    name: 'StorageUnavailable',
    message: /storage\.azure\.accountname, realm and serviceurl|check the network/
  })
})

t.test('what the service has no time for is asked again, as it says', async (t) => {
  const { service, store, blobs, calls, retries } = await start(t)
  const whole = noise(1000)
  blobs?.set('k', newBlob(whole))
  const faults: Planted[] = [
    { status: 503, code: 'ServerBusy', headers: { 'retry-after': '0' } },
    { status: 500, code: 'InternalError' },
    { status: 0 }
  ]
  service.fault = ({ operation }) => (operation === 'GetBlob' ? faults.shift() : undefined)
  t.ok((await contentOf(store, 'k'))?.equals(whole))
  const seen = ['GetBlob ServerBusy', 'GetBlob InternalError', 'GetBlob ECONNRESET']
  t.strictSame(calls, [...seen, 'GetBlob ok'])
  t.strictSame(retries, seen)
})

t.test('an object whose creation was answered twice is ours, and only ours', async (t) => {
  const { service, store, blobs } = await start(t)
  const lost = ({ operation, count }: { operation: string; count: number }): Planted | undefined =>
    operation === 'PutBlob' && count === 1 ? { status: 0, isDone: true } : undefined
  service.fault = lost
  await store.put('k', [Buffer.from('ours')], { isNew: true })
  t.equal(blobs?.get('k')?.data.toString(), 'ours')
  await t.rejects(
    store.put('k', [Buffer.from('ours')], { isNew: true }),
    ConditionFailed,
    'of an earlier call'
  )

  const busy = await start(t)
  busy.service.fault = ({ operation, count }) => {
    if (operation !== 'PutBlob' || count > 1) return undefined
    busy.blobs?.set('k', newBlob(Buffer.from('theirs')))
    return { status: 503, code: 'ServerBusy' }
  }
  await t.rejects(busy.store.put('k', [Buffer.from('ours')], { isNew: true }), ConditionFailed)
  t.equal(busy.blobs?.get('k')?.data.toString(), 'theirs')
})

t.test('a put that was given up does not come after a later one', async (t) => {
  const { service, store, blobs } = await start(t)
  const put = async (text: string) => store.put('tag', [Buffer.from(text)], { isContested: true })
  for (const isThere of [false, true]) {
    blobs?.clear()
    if (isThere) await put('former')
    const late = Promise.withResolvers<void>()
    let isFirst = true
    service.fault = ({ operation }) => {
      if (operation !== 'PutBlob' || !isFirst) return undefined
      isFirst = false
      return { status: 0, later: late.promise }
    }
    await put('one')
    await put('two')
    late.resolve()
    await new Promise(setImmediate)
    t.equal(blobs?.get('tag')?.data.toString(), 'two')
  }
})

t.test('what is deleted while it is replaced is there afterwards', async (t) => {
  const { service, store, blobs } = await start(t)
  blobs?.set('tag', newBlob(Buffer.from('former')))
  service.fault = ({ operation, count }) => {
    if (operation === 'PutBlob' && count === 1) blobs?.delete('tag')
    return undefined
  }
  await store.put('tag', [Buffer.from('ours')], { isContested: true })
  t.equal(blobs?.get('tag')?.data.toString(), 'ours')
})

t.test('a deletion whose answer was lost is done', async (t) => {
  const { service, store, blobs } = await start(t)
  for (const isConditional of [false, true]) {
    blobs?.set('k', newBlob(noise(5)))
    let isFirst = true
    service.fault = ({ operation }) => {
      if (operation !== 'DeleteBlob' || !isFirst) return undefined
      isFirst = false
      return { status: 0, isDone: true }
    }
    await store.delete('k', isConditional ? blobs?.get('k')?.etag : undefined)
    t.notOk(blobs?.has('k'))
  }
})

t.test('bytes that were changed on their way are refused', async (t) => {
  const { service, store } = await start(t)
  await store.put('k', [Buffer.from('a'), Buffer.from('b')])
  const [put] = service.seen.filter(({ operation }) => operation === 'PutBlob')
  t.equal(put?.headers['content-md5'], 'GH70Q2Ei0cwvQNwrkvDroA==')
  t.equal(put?.headers['content-length'], '2')
  await store.put('long', [noise((1 << 20) + 1)])
  t.equal(service.seen.at(-1)?.headers['content-md5'], undefined)
})

t.test('case 15: a reader whose connection breaks goes on at the right byte', async (t) => {
  const { service, options, around } = await start(t)
  const storage = await azureStorage(options, around)
  const whole = noise(3 << 20)
  await storage.write('k', [whole])
  service.fault = ({ operation, count }) =>
    operation === 'GetBlob' && count <= 2 ? { status: 200, cutAfter: (1 << 20) + 7 } : undefined
  t.ok((await gather(storage.read('k'))).equals(whole))
  t.equal(service.operations.filter((name) => name === 'GetBlob').length, 3)
})

t.test('a list or a refusal that breaks off is asked for again', async (t) => {
  const { service, store, blobs, retries } = await start(t)
  blobs?.set('k', newBlob(noise(5)))
  const planted: Record<string, Planted> = {
    ListBlobs: { status: 200, cutAfter: 20 },
    DeleteBlob: { status: 503, code: 'ServerBusy', cutAfter: 5 }
  }
  service.fault = ({ operation }) => {
    const fault = planted[operation]
    delete planted[operation]
    return fault
  }
  t.equal((await store.list('', { byFolder: false })).objects.length, 1)
  await store.delete('k')
  t.notOk(blobs?.has('k'))
  t.strictSame(retries, ['ListBlobs PARSE_ERROR', 'DeleteBlob PARSE_ERROR'])
})

t.test('a connection that breaks before anybody reads is told to who does', async (t) => {
  const { service, store, blobs } = await start(t)
  blobs?.set('k', newBlob(noise(1 << 20)))
  service.fault = () => ({ status: 200, cutAfter: 10 })
  const opened = await store.get('k')
  await new Promise((resolve) => setTimeout(resolve, 100))
  await t.rejects(gather(opened!.chunks))
})

t.test('what a batch does not delete is deleted by itself', async (t) => {
  const { service, store, blobs, calls } = await start(t)
  const keys = Array.from({ length: 300 }, (_, i) => `f/${i}`)
  const fill = (): void => {
    for (const key of keys) blobs?.set(key, newBlob(Buffer.from('x')))
  }
  fill()
  await store.deleteAll(keys)
  t.equal(blobs?.size, 0)
  t.strictSame(calls, ['BlobBatch ok', 'BlobBatch ok'])
  fill()
  service.fault = ({ operation }) =>
    operation === 'BlobBatch' ? { status: 400, code: 'InvalidQueryParameterValue' } : undefined
  await store.deleteAll(keys)
  await store.deleteAll(keys.slice(0, 3))
  t.equal(blobs?.size, 0)
  t.ok(
    calls.filter((call) => call.startsWith('BlobBatch')).length <= 4,
    'who knows no batches is not asked again'
  )
})

t.test('folders of accounts with a hierarchical namespace are no objects', async (t) => {
  const { store, blobs } = await start(t)
  const folder = () => newBlob(Buffer.alloc(0), { metadata: { hdi_isfolder: 'true' } })
  blobs
    ?.set('a', folder())
    .set('a/b', folder())
    .set('a/b/c', newBlob(noise(1)))
  t.equal(await store.head('a'), undefined)
  t.equal(await store.get('a/b'), undefined)
  const flat = await store.list('', { byFolder: false })
  t.strictSame(
    flat.objects.map(({ key }) => key),
    ['a/b/c']
  )
  const top = await store.list('', { byFolder: true })
  t.strictSame([top.objects.length, top.folders], [0, ['a']])
})

t.test('a proxy that the environment names is what everything goes through', async (t) => {
  const { service, options } = await start(t)
  const asked: string[] = []
  const proxy = createServer((request, response) => {
    asked.push(request.url ?? '')
    response.writeHead(403, { 'x-ms-error-code': 'AuthorizationFailure' }).end()
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  t.teardown(() => proxy.close())
  const { port } = proxy.address() as AddressInfo
  // What is on this machine is never reached through a proxy.
  const around = surroundings({ env: { HTTP_PROXY: `http://127.0.0.1:${port}` } })
  await t.rejects(openAzureStore({ ...options, serviceurl: 'http://azure.example/fake' }, around), {
    message: /firewall/
  })
  t.match(asked[0], /^http:\/\/azure\.example\/fake\/.*comp=list/)
  const excepted = { HTTP_PROXY: `http://127.0.0.1:${port}`, NO_PROXY: '127.0.0.0/8' }
  t.ok(await openAzureStore(options, surroundings({ env: excepted })))
  t.ok(service.operations.length > 0)
  const wrong = openAzureStore(
    { ...options, serviceurl: 'http://azure.example/fake' },
    surroundings({ env: { HTTP_PROXY: 'socks5://p' } })
  )
  await t.rejects(wrong, StorageUnavailable)
  await t.rejects(wrong, { message: /HTTP_PROXY must be/ })
})

t.test('of those who delete one version at once, one is told that it was there', async (t) => {
  const { store, blobs } = await start(t)
  blobs?.set('k', newBlob(noise(5)))
  const version = (await store.head('k'))?.version
  const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => store.delete('k', version)))
  t.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1)
  for (const outcome of outcomes) if (outcome.status === 'rejected') t.type(outcome.reason, ConditionFailed)
})
