import { blobStore } from './azure/blob-store.ts'
import { openClient } from './azure/client.ts'
import { judge, type Place, unavailable } from './azure/faults.ts'
import { findRoot } from './azure/root.ts'
import { createSign } from './azure/signing.ts'
import { StorageUnavailable } from './driver.ts'
import { createRetrying } from './objects/retry.ts'
import type { ObjectStore } from './objects/store.ts'
import type { AzureOptions, Surroundings } from './options.ts'

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
    const sign = createSign({ client, account, call, warn: log.warn })
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
