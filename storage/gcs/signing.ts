import { LRUCache } from 'lru-cache'
import { StorageUnavailable } from '../driver.ts'
import type { Credentials } from './credentials.ts'

interface SigningOptions {
  bucket: string
  endpoint: string
  credentials: Credentials
  now?: () => number
}

/** An address is 0.8 KB or so. */
const MAX_KEPT = 5_000

/**
 * Addresses by signature V4, from the account's private key, or without one by a call of Google's signBlob, which is
 * rate limited: so each is given out again for the first half of its life.
 * @throws StorageUnavailable, in words for an administrator
 */
export function createSigning({ bucket, endpoint, credentials, now = Date.now }: SigningOptions) {
  const kept = new LRUCache<string, { url: Promise<string>; until: number }>({ max: MAX_KEPT })

  async function signed(name: string, seconds: number): Promise<string> {
    // 36 MB for a process: only where addresses are given out.
    const { Storage } = await import('@google-cloud/storage')
    const storage = new Storage({
      authClient: await credentials.auth(),
      apiEndpoint: endpoint,
      projectId: 'none'
    })
    const [url] = await storage
      .bucket(bucket)
      .file(name)
      .getSignedUrl({
        version: 'v4',
        action: 'read',
        expires: now() + seconds * 1000,
        responseType: 'application/octet-stream'
      })
    return url
  }

  return async (name: string, seconds: number): Promise<string> => {
    const id = `${seconds} ${name}`
    const former = kept.get(id)
    const current =
      former !== undefined && former.until > now()
        ? former
        : { url: signed(name, seconds), until: now() + seconds * 500 }
    kept.set(id, current)
    try {
      return await current.url
    } catch (error) {
      if (kept.peek(id) === current) kept.delete(id)
      throw new StorageUnavailable(
        `Google gives no signature (${(error as Error).message.replace(/\s+/g, ' ')}): use a key file, or grant the account roles/iam.serviceAccountTokenCreator on itself`,
        { cause: error }
      )
    }
  }
}
