import type { StorageDriver } from './driver.ts'
import type { AzureOptions, GcsOptions, S3Options, StorageOptions, Surroundings } from './options.ts'

/** What is around the storage, in the process that opens it. */
export interface Opening extends Pick<Surroundings, 'env' | 'log' | 'onCall' | 'onRetry'> {
  /** How many processes of the pod share the memory for what is on its way to an object store. */
  processes: number
}

/** Where CNCF distribution keeps the bytes of an upload in flight. */
const DISTRIBUTION_UPLOAD = /\/_uploads\/[^/]+\/data$/

/**
 * The driver that the configuration asks for, ready for use; only that one is loaded. It has `redirect` where clients are to
 * be sent elsewhere.
 * @throws StorageUnavailable when nothing could be stored, in words for an administrator
 */
export async function openStorage(options: StorageOptions, opening: Opening): Promise<StorageDriver> {
  const { redirect, ...storage } = await openDriver(options, opening)
  if (options.redirect.disable) return storage
  if (options.middleware.length === 0) return redirect === undefined ? storage : { ...storage, redirect }
  const { applyMiddleware } = await import('./middleware.ts')
  return { ...storage, redirect: await applyMiddleware(redirect, options, opening) }
}

function openDriver(options: StorageOptions, { processes, ...opening }: Opening): Promise<StorageDriver> {
  const { s3, gcs, azure, memory, redirect, maintenance } = options
  const surroundings: Surroundings = {
    ...opening,
    memory: Math.floor(memory / processes),
    isReadOnly: maintenance.readonly.enabled,
    redirectSeconds: Math.floor(redirect.duration / 1000)
  }
  if (s3 !== undefined) return openS3(s3, surroundings)
  if (gcs !== undefined) return openGcs(gcs, surroundings)
  if (azure !== undefined) return openAzure(azure, surroundings)
  return openFilesystem(options.filesystem.rootdirectory, surroundings)
}

async function openFilesystem(root: string, { isReadOnly }: Surroundings): Promise<StorageDriver> {
  const { filesystemStorage, prepareFilesystem } = await import('./filesystem.ts')
  const options = { root, foreign: DISTRIBUTION_UPLOAD }
  const storage = filesystemStorage(options)
  // What is read-only may be a copy that somebody else writes to: nothing is tried out, and nothing made.
  if (!isReadOnly) await prepareFilesystem(options)
  await storage.probe()
  return storage
}

async function openS3(options: S3Options, surroundings: Surroundings): Promise<StorageDriver> {
  const { s3Storage } = await import('./s3.ts')
  return s3Storage(options, surroundings)
}

async function openGcs(options: GcsOptions, surroundings: Surroundings): Promise<StorageDriver> {
  const { gcsStorage } = await import('./gcs.ts')
  return gcsStorage(options, surroundings)
}

async function openAzure(options: AzureOptions, surroundings: Surroundings): Promise<StorageDriver> {
  const { azureStorage } = await import('./azure.ts')
  return azureStorage(options, surroundings)
}
