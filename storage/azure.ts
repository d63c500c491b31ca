import { blobStore } from './azure/blob-store.ts'
import { openClient } from './azure/client.ts'
import { judge, type Place, unavailable } from './azure/faults.ts'
import { findRoot } from './azure/root.ts'
import { createSign } from './azure/signing.ts'
import { type StorageDriver, StorageUnavailable } from './driver.ts'
import { objectStorage } from './objects/object-storage.ts'
import { createRetrying } from './objects/retry.ts'
import type { ObjectStore } from './objects/store.ts'
import type { AzureOptions, Surroundings } from './options.ts'

/** Of a piece. 50,000 of them make a blob: 390 GiB. */
const CHUNK_SIZE = 8 << 20

/** @throws StorageUnavailable where nothing could be stored, in words for an administrator */
export async function azureStorage(options: AzureOptions, around: Surroundings): Promise<StorageDriver> {
  const { memory, isReadOnly, redirectSeconds, log } = around
  const store = await openAzureStore(options, around)
  const chunks = { chunkSize: CHUNK_SIZE, memory: Math.max(memory, CHUNK_SIZE) }
  const storage = objectStorage(store, { ...chunks, redirectSeconds, log })
  try {
    // What is read-only may be somebody else's: nothing is tried out.
    if (!isReadOnly) await storage.probeWrite()
    return storage
  } catch (error) {
    store.close()
    throw error
  }
}

/** The container as an ObjectStore, after a look at it.
 *  @throws StorageUnavailable where it is missing or refuses, or where it holds two registries */
export async function openAzureStore(
  options: AzureOptions,
  around: Surroundings
): Promise<ObjectStore & { close(): void }> {
  const { accountname: account, credentials, max_retries, retry_delay } = options
  const { env, log, onCall, onRetry } = around
  const client = await openClient(options, env)
  const call = createRetrying({ judge, onCall, onRetry })
  const place: Place = {
    container: options.container,
    url: client.service.url,
    credentials: credentials.type
  }
  try {
    const root = await findRoot({ ...options, container: client.container, call, log })
    const sign = createSign({ client, account, call })
    return {
      ...blobStore({
        client,
        place,
        root,
        call,
        sign,
        tries: Math.max(1, max_retries),
        delayMs: retry_delay
      }),
      close: client.close
    }
  } catch (error) {
    client.close()
    throw error instanceof StorageUnavailable ? error : unavailable(error, place)
  }
}
