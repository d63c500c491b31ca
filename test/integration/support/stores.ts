import { startAzurite } from './azurite.ts'
import { startFakeGcsServer } from './gcs-server.ts'
import { startGoogleApis } from './google-apis.ts'
import { startMinio } from './s3-servers.ts'
import type { TestStorage } from './storage.ts'

/** A real object store that runs, with an empty bucket. */
export interface RunningStore {
  storage: TestStorage
  stop(): Promise<void>
}

/** The kinds that berth knows, and how each is started. Where one cannot run, the script ends as one that cannot. */
export const STORES: Readonly<Record<string, () => Promise<RunningStore>>> = { s3, gcs, azure }

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
  const apis = await startGoogleApis(server.url)
  const settings = {
    REGISTRY_STORAGE: 'gcs',
    REGISTRY_STORAGE_GCS_BUCKET: 'images',
    // It signs the addresses that clients are sent to. The emulator takes any signature.
    REGISTRY_STORAGE_GCS_KEYFILE: apis.keyfile,
    STORAGE_EMULATOR_HOST: server.url.replace('127.0.0.1', 'localhost')
  }
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
