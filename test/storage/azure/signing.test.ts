import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { AuthenticationRequiredError, type TokenCredential } from '@azure/identity'
import t, { type Test } from 'tap'
import { blobStore } from '../../../storage/azure/blob-store.ts'
import { openClient } from '../../../storage/azure/client.ts'
import { judge } from '../../../storage/azure/faults.ts'
import { createSign } from '../../../storage/azure/signing.ts'
import { azureStorage, openAzureStore } from '../../../storage/azure.ts'
import { createRetrying } from '../../../storage/objects/retry.ts'
import type { AzureOptions } from '../../../storage/options.ts'
import { pem, pemPath } from '../../kubernetes/faulty-server.ts'
import { noise, text } from '../bodies.ts'
import { startAuthority, TLS } from './authority.ts'
import { ACCOUNT, startFakeService } from './fake-service.ts'
import { optionsFor, surroundings } from './fresh.ts'

async function start(t: Test, more: Partial<AzureOptions>) {
  const authority = await startAuthority(t)
  const service = await startFakeService(t, TLS)
  const around = surroundings({
    env: { AZURE_AUTHORITY_HOST: authority.url, SSL_CERT_FILE: pemPath('ca.crt') }
  })
  const container = service.createContainer()
  return { authority, service, container, around, options: optionsFor(service, container, more) }
}

const CLIENT_SECRET = {
  type: 'client_secret',
  clientid: 'client',
  tenantid: 'tenant',
  secret: 'the secret of a client'
} as const

t.test('with a client secret, all works by tokens, and one token serves all', async (t) => {
  const { authority, service, options, around } = await start(t, { credentials: CLIENT_SECRET })
  const store = await openAzureStore(options, around)
  await store.put('a', [noise(100)])
  await store.assemble('b', [{ key: 'a', size: 100 }])
  t.equal((await store.list('', { byFolder: false })).objects.length, 2)
  await store.deleteAll(['a', 'b'])
  t.equal(await store.head('b'), undefined)
  t.equal(authority.asked.length, 1)
  const [asked] = authority.asked
  t.equal(asked?.get('grant_type'), 'client_credentials')
  t.equal(asked?.get('client_secret'), 'the secret of a client')
  t.match(asked?.get('scope'), /^https:\/\/storage\.azure\.com\/\.default/)
  for (const { operation, headers } of service.seen)
    t.equal(headers.authorization, 'Bearer token-1', operation)
  const copy = service.seen.find(({ operation }) => operation === 'CopyBlobFromUrl')
  t.equal(copy?.headers['x-ms-copy-source-authorization'], 'Bearer token-1')
  t.notMatch(copy?.headers['x-ms-copy-source'], /sig=/)
})

t.test('a workload identity is what the chain finds in the environment of a pod', async (t) => {
  const { authority, options, around } = await start(t, { credentials: { type: 'default_credentials' } })
  const file = join(t.testdir(), 'token')
  writeFileSync(file, 'a token of the cluster')
  const variables = {
    AZURE_CLIENT_ID: 'client',
    AZURE_TENANT_ID: 'tenant',
    AZURE_FEDERATED_TOKEN_FILE: file,
    AZURE_AUTHORITY_HOST: authority.url
  }
  Object.assign(process.env, variables)
  t.teardown(() => {
    for (const name of Object.keys(variables)) delete process.env[name]
  })
  const store = await openAzureStore(options, around)
  await store.put('a', [noise(100)])
  t.equal(authority.asked[0]?.get('client_assertion'), 'a token of the cluster')
  t.equal(authority.asked[0]?.get('client_id'), 'client')
})

t.test('an identity that gets no token is told at the start, without its secret', async (t) => {
  const { authority, options, around } = await start(t, { credentials: CLIENT_SECRET })
  authority.refuse(401, {
    error: 'invalid_client',
    error_description: 'AADSTS7000215: Invalid client secret provided.'
  })
  const opening = azureStorage(options, around)
  await t.rejects(opening, {
    name: 'StorageUnavailable',
    message: /no token could be had with storage\.azure\.credentials\.type client_secret \(.*AADSTS7000215/
  })
  await t.rejects(opening, { message: /^((?!the secret of a client).)*$/s })
})

t.test('an identity signs by one key, which is renewed before it or a signature ends', async (t) => {
  const { service, options, around } = await start(t, { credentials: CLIENT_SECRET })
  const store = await openAzureStore(options, around)
  await store.put('k', [Buffer.from('text')])
  const [one, two] = [await store.sign?.('k', 600), await store.sign?.('k', 600)]
  const url = new URL(one ?? '')
  t.equal(new URL(two ?? '').searchParams.get('skt'), url.searchParams.get('skt'))
  t.equal(service.operations.filter((name) => name === 'GetUserDelegationKey').length, 1)
  t.strictSame(
    ['sp', 'spr', 'rsct', 'st', 'sr'].map((name) => url.searchParams.get(name)),
    ['r', 'https', 'application/octet-stream', null, 'b']
  )
  const life = Date.parse(url.searchParams.get('se') ?? '') - Date.now()
  t.ok(life > 590_000 && life <= 600_000)
  t.ok(Date.parse(url.searchParams.get('ske') ?? '') - Date.now() > 47 * 3_600_000)
})

t.test('an identity that may not sign is told which role it lacks, and reads all the same', async (t) => {
  const { service, options, around } = await start(t, { credentials: CLIENT_SECRET })
  service.fault = ({ operation }) =>
    operation === 'GetUserDelegationKey'
      ? { status: 403, code: 'AuthorizationPermissionMismatch' }
      : undefined
  const storage = await azureStorage(options, around)
  await storage.write('k', [Buffer.from('text')])
  const told = { name: 'StorageUnavailable', message: /403 .*Storage Blob Delegator/ }
  const asking = [storage.redirect?.('k'), storage.redirect?.('k')]
  for (const asked of asking) await t.rejects(Promise.resolve(asked), told)
  t.equal(service.operations.filter((name) => name === 'GetUserDelegationKey').length, 1)
  t.equal(await text(storage.read('k')), 'text')
  service.fault = undefined
  t.match(await storage.redirect?.('k'), /sig=/)
})

t.test(
  'a key of the account signs without any call, and for http only where the service has no TLS',
  async (t) => {
    const service = await startFakeService(t)
    const store = await openAzureStore(optionsFor(service, service.createContainer()), surroundings())
    service.operations.length = 0
    const url = new URL((await store.sign?.('a/b', 60)) ?? '')
    t.strictSame(service.operations, [])
    t.equal(url.searchParams.get('spr'), 'https,http')
    t.equal(url.searchParams.get('sp'), 'r')
    t.notMatch(url.href, /account of/)
  }
)

t.test('skipverify takes any certificate of the service, and without it none', async (t) => {
  const service = await startFakeService(t, { key: pem('other-server.key'), cert: pem('other-server.crt') })
  const options = optionsFor(service, service.createContainer())
  await t.rejects(openAzureStore(options, surroundings()), {
    name: 'StorageUnavailable',
    message: /certificate is not trusted.*SSL_CERT_FILE/
  })
  t.ok(await openAzureStore({ ...options, skipverify: true }, surroundings()))
})

t.test('with skipverify, no secret goes to whoever gives tokens without a good certificate', async (t) => {
  const tls = { key: pem('other-server.key'), cert: pem('other-server.crt') }
  const authority = await startAuthority(t, () => 'token', tls)
  const service = await startFakeService(t, tls)
  const options = optionsFor(service, service.createContainer(), {
    credentials: CLIENT_SECRET,
    skipverify: true
  })
  const around = surroundings({ env: { AZURE_AUTHORITY_HOST: authority.url } })
  await t.rejects(openAzureStore(options, around), { message: /no token could be had/ })
  t.strictSame(authority.asked, [])
})

t.test('an authority that is silent holds nobody up for ever', async (t) => {
  let isSilent = true
  const authority = await startAuthority(t, () => (isSilent ? undefined : 'token'))
  const service = await startFakeService(t, TLS)
  const options = optionsFor(service, service.createContainer(), { credentials: CLIENT_SECRET })
  const env = { AZURE_AUTHORITY_HOST: authority.url, SSL_CERT_FILE: pemPath('ca.crt') }
  const client = await openClient(options, env, 500)
  t.teardown(() => client.close())
  const credential = client.credential as TokenCredential
  const token = async () => credential.getToken('https://storage.azure.com/.default')
  await t.rejects(token(), { name: 'AuthenticationRequiredError' })
  isSilent = false
  t.match(await token(), { token: 'token' })
})

t.test('a token that could not be had since nobody answered is asked for again', async (t) => {
  const { authority, options, around } = await start(t, { credentials: CLIENT_SECRET })
  const retries: string[] = []
  const onRetry = (operation: string, code: string) => retries.push(`${operation} ${code}`)
  const lost = 'network_error: See https://aka.ms/msal.js.errors#network_error for details'
  const client = await openClient(options, around.env)
  t.teardown(() => client.close())
  const own = client.credential as TokenCredential
  let failures = 0
  const getToken: TokenCredential['getToken'] = async (...args) => {
    if (failures-- > 0) throw new AuthenticationRequiredError({ scopes: [], message: lost })
    return own.getToken(...args)
  }
  const call = createRetrying({ judge, onRetry, pause: async () => {} })
  const place = { container: options.container, url: client.service.url, credentials: 'client_secret' }
  const sign = async () => ''
  const parts = { place, root: '', call, sign, tries: 1, delayMs: 0 }
  const store = blobStore({ ...parts, client: { ...client, credential: { getToken } } })
  await store.put('a', [noise(100)])
  failures = 2
  await store.assemble('b', [{ key: 'a', size: 100 }])
  t.strictSame(retries, Array(2).fill('CopyBlobFromUrl AuthenticationRequiredError'))
  t.equal(authority.asked.length, 1)

  const fault = (message: string) => judge(new AuthenticationRequiredError({ scopes: [], message }))
  t.match(fault('endpoints_resolution_error: See https://aka.ms'), { isPassing: true })
  t.match(fault('invalid_client: AADSTS7000215: Invalid client secret provided.'), { isPassing: false })
})

t.test('the key that an identity signs by is renewed in time', async (t) => {
  const { service, options, around } = await start(t, { credentials: CLIENT_SECRET })
  const client = await openClient(options, around.env)
  t.teardown(() => client.close())
  let time = Date.now()
  const call = createRetrying({ judge, pause: async () => {} })
  const sign = createSign({ client, account: ACCOUNT, call, now: () => time })
  const keys = (): number => service.operations.filter((name) => name === 'GetUserDelegationKey').length
  const hours = async (passed: number, seconds: number): Promise<void> => {
    time += passed * 3_600_000
    const url = new URL((await sign('k', seconds)) ?? '')
    const [signed, key] = ['se', 'ske'].map((name) => Date.parse(url.searchParams.get(name) ?? ''))
    t.ok((signed ?? 0) <= (key ?? 0), 'nothing is signed for longer than the key is good')
  }
  await hours(0, 600)
  await hours(47.4, 600)
  t.equal(keys(), 1)
  await hours(0.2, 600)
  t.equal(keys(), 2)
})
