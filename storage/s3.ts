import type { StorageDriver } from './driver.ts'
import { objectStorage } from './objects/object-storage.ts'
import type { ObjectStore } from './objects/store.ts'
import type { S3Options, Surroundings } from './options.ts'
import { createCalls } from './s3/calls.ts'
import { checkBucket } from './s3/check.ts'
import { connect } from './s3/client.ts'
import { createStore } from './s3/store.ts'

/**
 * A bucket of S3, or of a store that is like it, ready for use.
 * @throws StorageUnavailable when the bucket or a permission is missing, in words for an administrator
 */
export async function s3Storage(options: S3Options, around: Surroundings): Promise<StorageDriver> {
  const store = await openS3Store(options, around)
  const { memory, redirectSeconds, log } = around
  return objectStorage(store, { chunkSize: options.chunksize, memory, redirectSeconds, log })
}

/** The bucket as an ObjectStore. @throws StorageUnavailable */
export async function openS3Store(
  options: S3Options,
  around: Surroundings
): Promise<ObjectStore & { close(): void }> {
  const connection = await connect(options, around.env)
  const calls = createCalls(connection, options.bucket, around)
  try {
    const conditions = await checkBucket(calls, options, around)
    return { ...createStore(connection, calls, options, conditions), close: connection.close }
  } catch (error) {
    connection.close()
    throw error
  }
}
