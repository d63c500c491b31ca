import type { Blob } from '../registry/blobs.ts'
import { StorageUnavailable } from '../registry/registry.ts'

/** Smaller ones come faster from here than a second connection does. */
const REDIRECTED_BYTES = 64 * 1024

/** Who asks for a blob does not wait for a signer that is ill. */
const SIGNING_MS = 3000
/** Nor does anybody ask it for so long. */
const REST_MS = 60_000

/** @param address the client's, where it is known */
type Elsewhere = (
  blob: Pick<Blob, 'size' | 'redirect'>,
  address: string | undefined,
  warn: (text: string) => void
) => Promise<string | undefined>

/**
 * Where a blob may be fetched from in place of here, if anywhere: for who may have it. A signer that fails, or takes
 * longer than three seconds, is warned of and left alone for a minute, in which berth sends the bytes itself.
 */
export function createElsewhere(now = performance.now.bind(performance)): Elsewhere {
  let restsUntil = Number.NEGATIVE_INFINITY

  return async ({ redirect, size }, address, warn) => {
    if (redirect === undefined || size < REDIRECTED_BYTES || now() < restsUntil) return undefined
    const late = Promise.withResolvers<never>()
    const timer = setTimeout(late.reject, SIGNING_MS, new StorageUnavailable('signing takes too long'))
    try {
      return await Promise.race([redirect(address), late.promise])
    } catch (error) {
      // Of several that asked at once the first has said it.
      if (now() < restsUntil) return undefined
      restsUntil = now() + REST_MS
      // What is not in words for an administrator may hold the URL.
      const { name, message } = error as Error
      const why = error instanceof StorageUnavailable ? message : name
      warn(
        `no URL of the store can be signed, so that berth sends the bytes itself (storage.redirect.disable), and tries again in a minute: ${why}`
      )
      return undefined
    } finally {
      clearTimeout(timer)
    }
  }
}
