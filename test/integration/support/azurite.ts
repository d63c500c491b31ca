import { createHash, randomUUID } from 'node:crypto'
import { cp, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import {
  AccountSASPermissions,
  AccountSASResourceTypes,
  AccountSASServices,
  BlobServiceClient,
  generateAccountSASQueryParameters,
  StorageSharedKeyCredential
} from '@azure/storage-blob'
import {
  CHECKOUT,
  freePort,
  neutralEnvironment,
  type RunningServer,
  run,
  scratch,
  startServer
} from './processes.ts'

/** Its package and what that needs, each at the version that the lock file names. */
const FOLDER = join(CHECKOUT, 'test/azurite')
/** Its only account, which its documentation names. */
const ACCOUNT = 'devstoreaccount1'
const KEY = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=='

export interface Azurite {
  readonly server: RunningServer
  readonly account: string
  readonly key: string
  /** The account, as `serviceurl` has it. */
  readonly url: string
  /** Makes one more container, and gives its name. */
  createContainer(): Promise<string>
}

/** Azurite, which keeps all in memory.
 *  @param tls PEM files: it then takes tokens as well, whoever signed them */
export async function startAzurite(tls?: { key: string; cert: string }): Promise<Azurite> {
  const folder = await installed()
  const port = await freePort()
  const root = scratch()
  const credential = new StorageSharedKeyCredential(ACCOUNT, KEY)
  const readable = generateAccountSASQueryParameters(
    {
      expiresOn: new Date(Date.now() + 3_600_000),
      permissions: AccountSASPermissions.parse('l'),
      resourceTypes: AccountSASResourceTypes.parse('s').toString(),
      services: AccountSASServices.parse('b').toString()
    },
    credential
  )
  const server = await startServer({
    command: process.execPath,
    args: [
      join(folder, 'node_modules/azurite/dist/src/blob/main.js'),
      ...['--blobHost', '127.0.0.1', '--blobPort', String(port), '--inMemoryPersistence'],
      // The SDK is newer than it; it would also tell its makers how it is used.
      ...['--skipApiVersionCheck', '--disableTelemetry', '--silent'],
      ...(tls ? ['--key', tls.key, '--cert', tls.cert, '--oauth', 'basic'] : [])
    ],
    cwd: root,
    env: neutralEnvironment(),
    ...(tls && { scheme: 'https' as const }),
    port,
    root,
    ready: `/${ACCOUNT}?comp=list&${readable}`
  })
  const url = `${server.url}/${ACCOUNT}`
  const service = new BlobServiceClient(url, credential)
  return {
    server,
    account: ACCOUNT,
    key: KEY,
    url,
    async createContainer() {
      const name = randomUUID()
      await service.createContainer(name)
      return name
    }
  }
}

/** Installs it unless that was done before, outside the checkout, under what went into it. */
async function installed(): Promise<string> {
  const hash = createHash('sha256')
  for (const file of (await readdir(FOLDER)).sort()) {
    if (file.endsWith('.json')) hash.update(await readFile(join(FOLDER, file)))
  }
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'berth')
  const shelf = join(cache, `azurite-${hash.digest('hex').slice(0, 16)}`)
  if ((await readdir(shelf).catch(() => [])).length > 0) return shelf
  await mkdir(cache, { recursive: true })
  const draft = `${shelf}.${randomUUID()}`
  try {
    await cp(FOLDER, draft, { recursive: true })
    await run('npm', ['ci', '--ignore-scripts'], { cwd: draft, timeoutMs: 600_000 })
    // Whoever else did the same meanwhile has the same.
    await rename(draft, shelf).catch(() => {})
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
  return shelf
}
