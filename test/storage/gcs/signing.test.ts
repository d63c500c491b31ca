import t from 'tap'
import { createCredentials, NO_CREDENTIALS } from '../../../storage/gcs/credentials.ts'
import { createSigning } from '../../../storage/gcs/signing.ts'
import { startFakeGcs } from './fake-gcs.ts'
import { gcsStore, serviceAccount } from './support.ts'

const { document, publicKey } = serviceAccount()

async function start() {
  const fake = await startFakeGcs()
  t.teardown(async () => fake.close())
  fake.publicKey = publicKey
  const store = gcsStore(fake.url)
  t.teardown(store.close)
  await store.put('a/b', [Buffer.from('content')])
  const agentFor = () => {
    throw new Error('nobody is asked for anything')
  }
  const credentials = createCredentials({ keyfile: undefined, credentials: document, agentFor })
  let time = Date.now()
  const common = { bucket: fake.bucket, endpoint: fake.url, now: () => time }
  const sign = createSigning({ ...common, credentials })
  return { fake, sign, common, pass: (ms: number) => (time += ms) }
}

t.test('case 49: an address gives the object, in its type, for so long', async (t) => {
  const { fake, sign } = await start()
  fake.objects.get('a/b')!.contentType = 'text/html'
  const url = new URL(await sign('a/b', 60))
  // The SDK counts from the second in which it signs.
  t.match(url.searchParams.get('X-Goog-Expires'), /^(59|60)$/)
  const answer = await fetch(url)
  t.strictSame([answer.status, await answer.text()], [200, 'content'])
  t.equal(answer.headers.get('content-type'), 'application/octet-stream', 'no page of a website')
  const part = await fetch(url, { headers: { range: 'bytes=2-3' } })
  t.strictSame([part.status, await part.text()], [206, 'nt'])
})

t.test('an address that was changed in any way is of no use', async (t) => {
  const { sign } = await start()
  const signed = new URL(await sign('a/b', 60))
  const changes: ((url: URL) => void)[] = [
    (url) => url.searchParams.set('X-Goog-Expires', '6000'),
    (url) => url.searchParams.set('response-content-type', 'text/html'),
    (url) => url.searchParams.append('x', 'y'),
    (url) => (url.pathname = '/images/a/c'),
    (url) => url.searchParams.delete('X-Goog-Signature')
  ]
  for (const change of changes) {
    const url = new URL(signed)
    change(url)
    t.equal((await fetch(url)).status, 403)
  }
})

t.test('an address is given out again for half of its life', async (t) => {
  const { sign, pass } = await start()
  const [first, same] = await Promise.all([sign('a/b', 60), sign('a/b', 60)])
  t.equal(same, first)
  pass(29_000)
  t.equal(await sign('a/b', 60), first)
  t.not(await sign('a/c', 60), first)
  pass(2_000)
  const second = await sign('a/b', 60)
  t.ok(second !== undefined && second !== first)
})

t.test('where nothing can be signed it is said what to do, and each asks anew', async (t) => {
  const { common } = await start()
  let tries = 0
  const credentials = {
    ...NO_CREDENTIALS,
    auth: async () => {
      tries++
      return NO_CREDENTIALS.auth()
    }
  }
  const sign = createSigning({ ...common, credentials })
  const told = {
    name: 'StorageUnavailable',
    message: /no credentials to sign with.*serviceAccountTokenCreator/
  }
  await Promise.all([t.rejects(sign('a', 60), told), t.rejects(sign('a', 60), told)])
  await t.rejects(sign('a', 60), told)
  t.equal(tries, 2)
})
