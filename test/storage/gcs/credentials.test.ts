import { createPublicKey, verify } from 'node:crypto'
import { rename, writeFile } from 'node:fs/promises'
import { createServer, globalAgent } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createCredentials } from '../../../storage/gcs/credentials.ts'
import { openGcsStore } from '../../../storage/gcs.ts'
import type { GcsOptions } from '../../../storage/options.ts'
import { bytes } from '../bodies.ts'
import { textOf } from '../objects/contract/whole-objects.ts'
import { startFakeGcs } from './fake-gcs.ts'
import { gcsOptions, serviceAccount, surroundings } from './support.ts'

const ACCOUNT = serviceAccount()
const OTHER = serviceAccount()

/** Admits tokens that this key has signed, as Google takes those of service accounts, for the right scope. */
function signedBy(publicKey: string): (authorization?: string) => boolean {
  return (authorization = '') => {
    const [head = '', claims = '', signature = ''] = authorization.replace(/^Bearer /, '').split('.')
    if (
      !verify(
        'sha256',
        Buffer.from(`${head}.${claims}`),
        createPublicKey(publicKey),
        Buffer.from(signature, 'base64url')
      )
    )
      return false
    const { iss, scope, exp } = JSON.parse(Buffer.from(claims, 'base64url').toString())
    return (
      iss === 'berth@p.iam.gserviceaccount.com' &&
      scope === 'https://www.googleapis.com/auth/cloud-platform' &&
      exp > Date.now() / 1000
    )
  }
}

async function open(t: Test, options: Partial<GcsOptions>, admits: (authorization?: string) => boolean) {
  const fake = await startFakeGcs()
  t.teardown(async () => fake.close())
  fake.admits = admits
  const told = surroundings({ STORAGE_EMULATOR_HOST: fake.url })
  const store = await openGcsStore(gcsOptions(options), told)
  t.teardown(store.close)
  return { fake, store, told }
}

t.test("a service account's key signs its tokens itself, from the file or from the settings", async (t) => {
  const keyfile = join(t.testdir(), 'key.json')
  await writeFile(keyfile, JSON.stringify(ACCOUNT.document))
  for (const options of [{ keyfile }, { credentials: ACCOUNT.document }]) {
    const { store, told } = await open(t, options, signedBy(ACCOUNT.publicKey))
    await store.put('k', [bytes('x')])
    t.equal(await textOf(store, 'k'), 'x')
    t.strictSame(told.retries, [])
  }
})

t.test('case 52: a key that is replaced in its file is used at once, and no request fails', async (t) => {
  const folder = t.testdir()
  const keyfile = join(folder, 'key.json')
  await writeFile(keyfile, JSON.stringify(ACCOUNT.document))
  const { store, fake, told } = await open(t, { keyfile }, signedBy(ACCOUNT.publicKey))
  await writeFile(join(folder, 'next'), JSON.stringify(OTHER.document))
  await rename(join(folder, 'next'), keyfile)
  fake.admits = signedBy(OTHER.publicKey)
  await Promise.all(Array.from({ length: 20 }, async (_, i) => store.put(`k${i}`, [bytes('x')])))
  await store.put('after', [bytes('x')])
  t.ok(told.retries.length > 0 && told.retries.every((retry) => retry === 'put authError'))
})

t.test('a key that is refused for good is told, with what the clock may have to do with it', async (t) => {
  const { store, fake } = await open(t, { credentials: ACCOUNT.document }, signedBy(ACCOUNT.publicKey))
  fake.admits = () => false
  fake.requests.length = 0
  await t.rejects(store.head('k'), {
    name: 'StorageUnavailable',
    message:
      /^Google Cloud Storage refuses storage\.gcs\.credentials \(401: Invalid Credentials\): replace the key$/
  })
  t.equal(fake.requests.length, 2)
  const date = new Date(Date.now() - 600_000).toUTCString()
  fake.fault = () => ({ status: 401, body: 'no', headers: { date } })
  await t.rejects(store.head('k'), { message: /this machine's clock is (599|600|601) s off/ })
})

/** A security token service, which gives a new access token for each token of a pod. */
async function startTokenService(t: Test) {
  const seen: string[] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => {
      const subject = new URLSearchParams(body).get('subject_token') ?? ''
      seen.push(subject)
      const isGood = subject !== 'bad'
      const token = { access_token: `access-${subject}`, expires_in: 3600, token_type: 'Bearer' }
      response.writeHead(isGood ? 200 : 400, { 'content-type': 'application/json' })
      response.end(JSON.stringify(isGood ? token : { error: 'invalid_grant' }))
    })
  }).listen(0, '127.0.0.1')
  t.teardown(() => server.closeAllConnections())
  t.teardown(() => server.close())
  await new Promise((resolve) => server.once('listening', resolve))
  return { seen, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/token` }
}

function externalAccount(url: string, file: string) {
  return {
    type: 'external_account',
    audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/p',
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    token_url: url,
    credential_source: { file, format: { type: 'text' } }
  }
}

t.test(
  'workload identity: the token of the pod is exchanged, and read again when it was replaced',
  async (t) => {
    const { url, seen } = await startTokenService(t)
    const file = join(t.testdir(), 'token')
    await writeFile(file, 'one')
    const credentials = externalAccount(url, file)
    const { store, fake, told } = await open(t, { credentials }, (header) => header === 'Bearer access-one')
    await Promise.all(Array.from({ length: 20 }, async (_, i) => store.put(`k${i}`, [bytes('x')])))
    t.strictSame(seen, ['one'], 'once for all')
    await writeFile(file, 'two')
    fake.admits = (header) => header === 'Bearer access-two'
    await store.put('k', [bytes('x')])
    t.strictSame(seen, ['one', 'two'])
    t.strictSame(told.retries, ['put authError'])
    const message = /names no service account.*roles\/iam\.serviceAccountTokenCreator/
    await t.rejects(async () => store.sign?.('k', 60), { name: 'StorageUnavailable', message })
  }
)

t.test('a token that cannot be had is told, with where it was asked for', async (t) => {
  const { url, seen } = await startTokenService(t)
  const file = join(t.testdir(), 'token')
  await writeFile(file, 'bad')
  const credentials = externalAccount(url, file)
  await t.rejects(
    open(t, { credentials }, () => true),
    {
      name: 'StorageUnavailable',
      message: /^no token for Google Cloud Storage can be had with storage\.gcs\.credentials .*clock/
    }
  )
  t.strictSame(seen, ['bad', 'bad'])
})

t.test('what is no key is told when berth starts, and never shown', async (t) => {
  const folder = t.testdir({ 'not.json': 'secret', 'user.json': '{"type":"authorized_user"}' })
  const wrong: [Partial<GcsOptions>, RegExp][] = [
    [{ keyfile: join(folder, 'none') }, /none cannot be read \(ENOENT\): mount the key there/],
    [{ keyfile: join(folder, 'not.json') }, /not\.json is not JSON: put the whole key file there$/],
    [
      { keyfile: join(folder, 'user.json') },
      /its type is "authorized_user", not service_account or external_account/
    ],
    [{ credentials: { type: 'service_account' } }, /has a client_email and a private_key/],
    [{ credentials: { ...externalAccount('http://x/', 'f'), credential_source: {} } }, /credential_source/]
  ]
  for (const [options, message] of wrong) {
    await t.rejects(
      open(t, options, () => true),
      { name: 'StorageUnavailable', message }
    )
  }
})

/** Sets variables that Google's library reads itself, for the length of a test. */
function setEnvironment(t: Test, variables: Record<string, string>): void {
  for (const [name, value] of Object.entries(variables)) {
    const former = process.env[name]
    process.env[name] = value
    t.teardown(() => {
      if (former === undefined) delete process.env[name]
      else process.env[name] = former
    })
  }
}

const NOTHING = { keyfile: undefined, credentials: undefined, agentFor: () => globalAgent }

t.test('application default credentials: a file that the environment names', async (t) => {
  const file = join(t.testdir(), 'key.json')
  await writeFile(file, JSON.stringify(ACCOUNT.document))
  setEnvironment(t, { GOOGLE_APPLICATION_CREDENTIALS: file })
  const credentials = createCredentials(NOTHING)
  t.ok(signedBy(ACCOUNT.publicKey)(await credentials.header()))
  t.equal((await (await credentials.auth()).getCredentials()).client_email, ACCOUNT.document.client_email)
  setEnvironment(t, { GOOGLE_APPLICATION_CREDENTIALS: `${file}.none` })
  await t.rejects(createCredentials(NOTHING).header(), /key\.json\.none/)
})

t.test('application default credentials: the metadata server', async (t) => {
  const asked: string[] = []
  const server = createServer(({ url = '' }, response) => {
    asked.push(url)
    response.setHeader('metadata-flavor', 'Google')
    if (!url.includes('/token')) return response.end('{}')
    response.setHeader('content-type', 'application/json')
    return response.end('{"access_token":"of the machine","expires_in":3600,"token_type":"Bearer"}')
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  setEnvironment(t, {
    GCE_METADATA_HOST: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    METADATA_SERVER_DETECTION: 'assume-present',
    HOME: t.testdir()
  })
  const credentials = createCredentials(NOTHING)
  t.equal(await credentials.header(), 'Bearer of the machine')
  const before = asked.length
  await Promise.all(Array.from({ length: 10 }, async () => credentials.header()))
  t.equal(asked.length, before, 'a token is kept as long as it is good')
  credentials.forget()
  await credentials.header()
  t.ok(asked.length > before)
})
