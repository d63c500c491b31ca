import { randomUUID } from 'node:crypto'
import type { Test } from 'tap'
import type { ObjectStore } from '../../../storage/objects/store.ts'
import type { S3Options, Surroundings } from '../../../storage/options.ts'
import { createCalls } from '../../../storage/s3/calls.ts'
import { checkBucket } from '../../../storage/s3/check.ts'
import { connect } from '../../../storage/s3/client.ts'
import { createStore } from '../../../storage/s3/store.ts'
import { openS3Store } from '../../../storage/s3.ts'
import { ACCOUNT } from './fake/server.ts'

export const OPTIONS: S3Options = {
  accesskey: ACCOUNT.accessKeyId,
  secretkey: ACCOUNT.secretAccessKey,
  credentialsconfigpath: undefined,
  bucket: 'images',
  region: 'us-east-1',
  regionendpoint: undefined,
  redirectendpoint: undefined,
  forcepathstyle: true,
  encrypt: false,
  keyid: undefined,
  secure: true,
  skipverify: false,
  chunksize: 10 << 20,
  multipartcopychunksize: 32 << 20,
  multipartcopymaxconcurrency: 100,
  multipartcopythresholdsize: 32 << 20,
  rootdirectory: undefined,
  storageclass: 'STANDARD',
  objectacl: 'private',
  useragent: undefined,
  usedualstack: false,
  accelerate: false,
  usefipsendpoint: false
}

export function surroundings(changes: Partial<Surroundings> = {}): Surroundings & { warnings: string[] } {
  const warnings: string[] = []
  return {
    env: {},
    memory: 64 << 20,
    isReadOnly: false,
    redirectSeconds: 600,
    log: { info: () => undefined, warn: (text) => warnings.push(text) },
    ...changes,
    warnings
  }
}

/** Makes one client of the bucket after another, all below a root directory of their own. */
export async function openClients(t: Test, options: Partial<S3Options>) {
  const around = surroundings()
  const all = { ...OPTIONS, ...options }
  const connection = await connect(all, {})
  t.teardown(() => connection.close())
  const calls = createCalls(connection, all.bucket, around)
  const conditions = await checkBucket(calls, all, around)
  return (): (() => ObjectStore) => {
    const below = { ...all, rootdirectory: `/a/${randomUUID()}` }
    return () => createStore(connection, createCalls(connection, all.bucket, around), below, conditions)
  }
}

/** A store that is closed with the test. */
export async function openStore(t: Test, options: Partial<S3Options>, around = surroundings()) {
  const store = await openS3Store({ ...OPTIONS, ...options }, around)
  t.teardown(() => store.close())
  return store
}
