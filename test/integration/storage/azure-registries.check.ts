// Containers in Azurite: one with a registry of CNCF distribution 3 beside one with the leading slash, and addresses that
// clients are sent to.
import { equal, match, ok } from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ContainerClient, StorageSharedKeyCredential } from '@azure/storage-blob'
import { startAzurite } from '../support/azurite.ts'
import { createKinds } from '../support/kinds.ts'
import {
  freePort,
  neutralEnvironment,
  type RunningServer,
  scratch,
  startBerth,
  startServer
} from '../support/processes.ts'
import { seeded } from '../support/random.ts'
import { needGoTool, step } from '../support/steps.ts'
import { createStock } from '../support/stock.ts'

const command = await needGoTool('distribution')
const azurite = await startAzurite()
const { account, key, url: serviceurl } = azurite

const startOurs = (container: string, env: Record<string, string> = {}): Promise<RunningServer> =>
  startBerth({
    env: {
      REGISTRY_STORAGE: 'azure',
      REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: undefined,
      REGISTRY_STORAGE_DELETE_ENABLED: 'true',
      REGISTRY_STORAGE_REDIRECT_DISABLE: 'true',
      REGISTRY_STORAGE_AZURE_ACCOUNTNAME: account,
      REGISTRY_STORAGE_AZURE_ACCOUNTKEY: key,
      REGISTRY_STORAGE_AZURE_CONTAINER: container,
      REGISTRY_STORAGE_AZURE_SERVICEURL: serviceurl,
      ...env
    }
  })

function theirConfig(container: string, port: number): string {
  const file = join(scratch(), 'config.yml')
  const azure = {
    accountname: account,
    accountkey: key,
    container,
    serviceurl,
    credentials: { type: 'shared_key' }
  }
  const storage = { azure, delete: { enabled: true }, redirect: { disable: true } }
  const config = { version: '0.1', log: { level: 'warn' }, storage, http: { addr: `127.0.0.1:${port}` } }
  writeFileSync(file, JSON.stringify(config)) // YAML holds JSON
  return file
}

const quiet = { ...neutralEnvironment(), OTEL_TRACES_EXPORTER: 'none' }

async function startTheirs(container: string): Promise<RunningServer> {
  const port = await freePort()
  const args = ['serve', theirConfig(container, port)]
  return startServer({ command, args, env: quiet, port, root: scratch(), ready: '/' })
}

async function leadingSlash(): Promise<void> {
  const container = await azurite.createContainer()
  const stock = createStock()
  const kinds = createKinds(stock, seeded('slash'))
  const client = new ContainerClient(
    `${serviceurl}/${container}`,
    new StorageSharedKeyCredential(account, key)
  )
  await step('a registry with a leading slash is found again without being told', async () => {
    const told = await startOurs(container, { REGISTRY_STORAGE_AZURE_LEGACYROOTPREFIX: 'true' })
    stock.moveTo(told.url)
    await kinds.image('slash/image', { tags: ['v1'] })
    await told.stop()
    for await (const { name } of client.listBlobsFlat()) match(name, /^\//)
    const found = await startOurs(container)
    stock.moveTo(found.url)
    await stock.verify()
    await found.stop()
  })
  await step('with a registry of distribution 3 beside it, berth refuses to guess', async () => {
    const theirs = await startTheirs(container)
    stock.moveTo(theirs.url)
    const others = createStock(theirs.url)
    await createKinds(others, seeded('without')).image('plain/image', { tags: ['v1'] })
    await theirs.stop()
    const refusal = await startOurs(container).then(
      async (berth) => berth.stop().then(() => 'it started'),
      (error: Error) => error.message
    )
    match(refusal, /two registries.*storage\.azure\.legacyrootprefix/s)
    for (const [value, mine] of [
      ['true', stock],
      ['false', others]
    ] as const) {
      const berth = await startOurs(container, { REGISTRY_STORAGE_AZURE_LEGACYROOTPREFIX: value })
      mine.moveTo(berth.url)
      await mine.verify()
      await berth.stop()
      mine.close()
    }
  })
}

async function redirects(): Promise<void> {
  const berth = await startOurs(await azurite.createContainer(), {
    REGISTRY_STORAGE_REDIRECT_DISABLE: 'false'
  })
  const stock = createStock(berth.url)
  const bytes = seeded('redirects').bytes(1_000_000)
  const { digest } = await stock.blob('redirected/image', bytes)
  await step(
    'a client is sent to Azurite for a blob, by an address that it takes for this blob only',
    async () => {
      const url = `${berth.url}/v2/redirected/image/blobs/${digest}`
      const answer = await fetch(url, { redirect: 'manual' })
      equal(answer.status, 307)
      const location = new URL(answer.headers.get('location') ?? '')
      equal(location.origin, new URL(serviceurl).origin)
      const pulled = await fetch(url)
      equal(pulled.headers.get('content-type'), 'application/octet-stream')
      ok(Buffer.from(await pulled.arrayBuffer()).equals(bytes))
      location.pathname = location.pathname.replace(/data$/, 'date')
      equal((await fetch(location)).status, 403)
      equal((await fetch(answer.headers.get('location') ?? '', { method: 'DELETE' })).status, 403)
      ok(!berth.log().includes('sig='), 'no address is in the log')
    }
  )
  stock.close()
  await berth.stop()
}

await leadingSlash()
await redirects()
await azurite.server.stop()
