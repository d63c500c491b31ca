import t from 'tap'
import { gcsStorage, openGcsStore } from '../../../storage/gcs.ts'
import { bytes, text } from '../bodies.ts'
import { startFakeGcs } from './fake-gcs.ts'
import { gcsOptions, isMedia, isPut, refusal, surroundings } from './support.ts'

t.test('the start names what is missing', async (t) => {
  const fake = await startFakeGcs()
  t.teardown(async () => fake.close())
  const told = surroundings({ STORAGE_EMULATOR_HOST: fake.url })
  await t.rejects(openGcsStore(gcsOptions({ bucket: 'none' }), told), { message: /no bucket none/ })
  const steps: [string, typeof isPut][] = [
    ['storage.objects.list', ({ path }) => path.endsWith('/o')],
    ['storage.objects.create', isPut],
    ['storage.objects.get', isMedia],
    ['storage.objects.delete', ({ method }) => method === 'DELETE']
  ]
  for (const [permission, isMeant] of steps) {
    fake.fault = (request) =>
      isMeant(request) ? refusal(403, `Permission '${permission}' denied`, 'forbidden') : undefined
    await t.rejects(openGcsStore(gcsOptions(), told), {
      name: 'StorageUnavailable',
      message: new RegExp(`${permission}.*roles/storage\\.objectUser`)
    })
  }
})

t.test('a start leaves nothing in the bucket, and one that may not write tries nothing', async (t) => {
  const fake = await startFakeGcs()
  t.teardown(async () => fake.close())
  const env = { STORAGE_EMULATOR_HOST: fake.url }
  const store = await openGcsStore(gcsOptions(), surroundings(env))
  t.teardown(store.close)
  t.equal(fake.objects.size, 0)
  fake.requests.length = 0
  const reader = await openGcsStore(gcsOptions(), surroundings(env, { isReadOnly: true }))
  t.teardown(reader.close)
  t.strictSame(
    fake.requests.map(({ method }) => method),
    ['GET']
  )
})

t.test('it is reached through a proxy that the environment names, and says who it is', async (t) => {
  const proxy = await startFakeGcs()
  t.teardown(async () => proxy.close())
  const env = { STORAGE_EMULATOR_HOST: 'storage.example:4443', HTTP_PROXY: proxy.url }
  const storage = await gcsStorage(gcsOptions({ useragent: 'our-registry' }), surroundings(env))
  await storage.write('k', [bytes('x')])
  t.equal(await text(storage.read('k')), 'x')
  t.ok(proxy.requests.every(({ headers }) => headers.host === 'storage.example:4443'))
  t.ok(proxy.requests.every(({ headers }) => headers['user-agent'] === 'our-registry'))
})

t.test('no more requests are under way than are allowed', async (t) => {
  const fake = await startFakeGcs()
  t.teardown(async () => fake.close())
  const env = { STORAGE_EMULATOR_HOST: fake.url }
  const store = await openGcsStore(gcsOptions({ maxconcurrency: 3 }), surroundings(env))
  t.teardown(store.close)
  let [running, most] = [0, 0]
  fake.pause = async () => {
    most = Math.max(most, ++running)
    await new Promise((resolve) => setTimeout(resolve, 5))
    running--
  }
  await Promise.all(Array.from({ length: 30 }, async (_, i) => store.head(`k${i}`)))
  t.equal(most, 3)
})
