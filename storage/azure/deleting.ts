import type { BlockBlobClient, ContainerClient } from '@azure/storage-blob'
import type { Retrying } from '../objects/retry.ts'
import { inParallel } from '../parallel.ts'
import { faultOf } from './faults.ts'

const MAX_BATCH = 256
const BATCHES_AT_ONCE = 4
const SINGLES_AT_ONCE = 32

export interface DeletingOptions {
  readonly container: ContainerClient
  blobAt(key: string): BlockBlobClient
  readonly call: Retrying
  /** One blob. */
  remove(key: string): Promise<void>
}

/** Deletes many blobs, 256 in a call; and one by one what a batch did not delete, or where none are taken. */
export function createDeleteAll({ container, blobAt, call, remove }: DeletingOptions) {
  let takesBatches = true

  async function deleteBatch(keys: readonly string[]): Promise<void> {
    const left = keys.length > 1 && takesBatches ? await tryBatch(keys) : keys
    await inParallel(left, SINGLES_AT_ONCE, async (key) => remove(key))
  }

  /** Those that are left. */
  async function tryBatch(keys: readonly string[]): Promise<readonly string[]> {
    const batches = container.getBlobBatchClient()
    try {
      const { subResponses } = await call('BlobBatch', (abortSignal) =>
        batches.deleteBlobs(keys.map(blobAt), { abortSignal, deleteSnapshots: 'include' })
      )
      // Of each answer that is neither "deleted" nor "not there", the single call tells why, or tries again.
      return keys.filter((_, i) => {
        const { status = 0, errorCode } = subResponses[i] ?? {}
        return status !== 202 && errorCode !== 'BlobNotFound'
      })
    } catch (error) {
      const { status, code } = faultOf(error)
      // Some kinds of accounts and some other servers know no batches.
      if (![400, 404, 405, 409, 501].includes(status) || code === 'ContainerNotFound') throw error
      takesBatches = false
      return keys
    }
  }

  return async (keys: readonly string[]): Promise<void> => {
    const batches = Array.from({ length: Math.ceil(keys.length / MAX_BATCH) }, (_, i) =>
      keys.slice(i * MAX_BATCH, (i + 1) * MAX_BATCH)
    )
    await inParallel(batches, BATCHES_AT_ONCE, deleteBatch)
  }
}
