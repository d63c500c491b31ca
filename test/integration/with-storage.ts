import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { startAzurite } from './support/azurite.ts'
import { startFakeGcsServer } from './support/gcs-server.ts'
import { startGoogleApis } from './support/google-apis.ts'
import { startMinio } from './support/s3-servers.ts'
import { type TestStorage, toEnvironment } from './support/storage.ts'

/**
 * Runs a command whose checks let berth store in a real object store, which is started for it:
 *
 *     node test/integration/with-storage.ts s3 npm run conformance
 *
 * Each folder that a check would use is a root directory in its one bucket. Settings of the storage in the environment
 * hold as well: REGISTRY_STORAGE_REDIRECT_DISABLE=true is for clients of ours, which do not follow redirects.
 */

const STORES: Record<string, () => Promise<{ storage: TestStorage; stop(): Promise<void> }>> = {
  s3,
  gcs,
  azure
}

async function s3() {
  const { server, bucket, accesskey, secretkey } = await startMinio()
  const settings = {
    REGISTRY_STORAGE: 's3',
    // Another host than berth's: Go's clients take their login along to another port of the same.
    REGISTRY_STORAGE_S3_REGIONENDPOINT: server.url.replace('127.0.0.1', 'localhost'),
    REGISTRY_STORAGE_S3_REGION: 'us-east-1',
    REGISTRY_STORAGE_S3_BUCKET: bucket,
    REGISTRY_STORAGE_S3_ACCESSKEY: accesskey,
    REGISTRY_STORAGE_S3_SECRETKEY: secretkey
  }
  const distribution = { REGISTRY_STORAGE_S3_FORCEPATHSTYLE: 'true' }
  return { storage: { driver: 'S3', settings, distribution }, stop: server.stop }
}

async function gcs() {
  const server = await startFakeGcsServer()
  const settings = {
    REGISTRY_STORAGE: 'gcs',
    REGISTRY_STORAGE_GCS_BUCKET: 'images',
    STORAGE_EMULATOR_HOST: server.url
  }
  const apis = await startGoogleApis(server.url)
  return {
    storage: { driver: 'GCS', settings, distribution: apis.env },
    async stop() {
      apis.close()
      await server.stop()
    }
  }
}

async function azure() {
  const { server, account, key, url, createContainer } = await startAzurite()
  const settings = {
    REGISTRY_STORAGE: 'azure',
    REGISTRY_STORAGE_AZURE_ACCOUNTNAME: account,
    REGISTRY_STORAGE_AZURE_ACCOUNTKEY: key,
    REGISTRY_STORAGE_AZURE_CONTAINER: await createContainer(),
    REGISTRY_STORAGE_AZURE_SERVICEURL: url
  }
  const distribution = { REGISTRY_STORAGE_AZURE_CREDENTIALS_TYPE: 'shared_key' }
  return { storage: { driver: 'AZURE', settings, distribution }, stop: server.stop }
}

const [name = '', command, ...args] = process.argv.slice(2)
const start = STORES[name]
if (start === undefined || command === undefined) {
  throw new Error(`with-storage.ts ${Object.keys(STORES).join('|')} COMMAND…`)
}
const { storage, stop } = await start()
const more = Object.entries(process.env).filter(([name]) => name.startsWith('REGISTRY_STORAGE_'))
Object.assign(storage.settings, Object.fromEntries(more))
const child = spawn(command, args, { stdio: 'inherit', env: { ...process.env, ...toEnvironment(storage) } })
await once(child, 'exit')
await stop()
process.exitCode = child.exitCode ?? 1
