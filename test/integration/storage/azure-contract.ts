// What every object store and every driver promises, asked of the service at BERTH_AZURE_URL, and of an identity at
// BERTH_AZURE_TLS_URL: run by the check beside this file.
import { randomUUID } from 'node:crypto'
import { BlobServiceClient, StorageSharedKeyCredential } from '@azure/storage-blob'
import t from 'tap'
import { openAzureStore } from '../../../storage/azure.ts'
import type { AzureOptions } from '../../../storage/options.ts'
import { startAuthority } from '../../storage/azure/authority.ts'
import { optionsFor, surroundings } from '../../storage/azure/fresh.ts'
import { lateStore } from '../../storage/azure/late-store.ts'
import { objectDriverContract } from '../../storage/objects/driver-contract.ts'
import { storeContract } from '../../storage/objects/store-contract.ts'

const { BERTH_AZURE_URL = '', BERTH_AZURE_TLS_URL = '', BERTH_AZURE_KEY: accountkey = '' } = process.env
const CASES = { timeout: 900_000 }

async function options(url: string, more: Partial<AzureOptions> = {}): Promise<AzureOptions> {
  const accountname = url.split('/').at(-1) ?? ''
  const service = new BlobServiceClient(url, new StorageSharedKeyCredential(accountname, accountkey))
  const container = randomUUID()
  await service.createContainer(container)
  const credentials = { type: 'shared_key', accountkey } as const
  return optionsFor({ url }, container, { accountname, credentials, ...more })
}

t.setTimeout(900_000)

for (const [rootdirectory, islegacy] of [
  [undefined, false],
  ['/', true],
  ['/a/b', false],
  ['a/b/', true]
] as const) {
  const name = `object store at ${rootdirectory}, ${islegacy ? 'with' : 'without'} leading slash`
  t.test(name, CASES, async (t) => {
    await storeContract(t, async () =>
      openAzureStore(await options(BERTH_AZURE_URL, { rootdirectory, islegacy }), surroundings())
    )
  })
}

t.test('driver', CASES, async (t) => {
  await objectDriverContract(t, () => {
    const shared = options(BERTH_AZURE_URL)
    return () => lateStore(shared.then((options) => openAzureStore(options, surroundings())))
  })
})

t.test('identity', CASES, async (t) => {
  t.test('an identity works by tokens, and signs by a key of its own', async (t) => {
    const seconds = Math.floor(Date.now() / 1000)
    const claims = {
      aud: 'https://storage.azure.com',
      iss: 'https://sts.windows.net/tenant/',
      ...{ iat: seconds - 60, nbf: seconds - 60, exp: seconds + 3600 },
      ...{ oid: randomUUID(), tid: randomUUID() }
    }
    const encoded = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url')
    const token = `${encoded({ alg: 'none', typ: 'JWT' })}.${encoded(claims)}.`
    const authority = await startAuthority(t, () => token)
    const secret = {
      type: 'client_secret',
      clientid: 'client',
      tenantid: 'tenant',
      secret: 'secret'
    } as const
    const env = { AZURE_AUTHORITY_HOST: authority.url }
    const store = await openAzureStore(
      await options(BERTH_AZURE_TLS_URL, { credentials: secret }),
      surroundings({ env })
    )
    await store.put('a', [Buffer.from('text')])
    await store.assemble('b', [{ key: 'a', size: 4 }])
    const answer = await fetch((await store.sign?.('b', 60)) ?? '')
    t.strictSame([answer.status, await answer.text()], [200, 'text'])
    await store.deleteAll(['a', 'b'])
    t.strictSame((await store.list('', { byFolder: false })).objects, [])
  })
})
