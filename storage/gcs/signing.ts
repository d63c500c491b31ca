import { setTimeout } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import type { Credentials } from './credentials.ts'

interface SigningOptions {
  bucket: string
  endpoint: string
  credentials: Credentials
  warn: (text: string) => void
  now?: () => number
}

/** An address is 0.8 KB or so. */
const MAX_KEPT = 5_000
const PAUSE_MS = 60_000

/** By then berth has sent the first bytes itself. */
const PATIENCE_MS = 3_000

async function late(): Promise<never> {
  await setTimeout(PATIENCE_MS, undefined, { ref: false })
  throw new Error(`nothing was signed for ${PATIENCE_MS / 1000} s`)
}

/**
 * Addresses by signature V4, from the account's private key, or without one by a call of Google's signBlob, which is
 * rate limited: so each is given out again for the first half of its life. Undefined where none can be signed, and for a
 * minute after that without another try, so that berth sends the bytes itself.
 */
export function createSigning({ bucket, endpoint, credentials, warn, now = Date.now }: SigningOptions) {
  const kept = new LRUCache<string, { url: Promise<string>; until: number }>({ max: MAX_KEPT })
  let pausedUntil = 0

  async function signed(name: string, seconds: number): Promise<string> {
    // 36 MB for a process: only where addresses are given out.
    const { Storage } = await import('@google-cloud/storage')
    const storage = new Storage({
      authClient: await credentials.auth(),
      apiEndpoint: endpoint,
      projectId: 'none'
    })
    const signing = storage
      .bucket(bucket)
      .file(name)
      .getSignedUrl({
        version: 'v4',
        action: 'read',
        expires: now() + seconds * 1000,
        responseType: 'application/octet-stream'
      })
    const [url] = await Promise.race([signing, late()])
    return url
  }

  return async (name: string, seconds: number): Promise<string | undefined> => {
    const former = kept.get(`${seconds} ${name}`)
    if (former !== undefined && former.until > now()) return former.url.catch(() => undefined)
    if (now() < pausedUntil) return undefined
    const url = signed(name, seconds)
    kept.set(`${seconds} ${name}`, { url, until: now() + seconds * 500 })
    try {
      return await url
    } catch (error) {
      kept.delete(`${seconds} ${name}`)
      if (now() >= pausedUntil) {
        pausedUntil = now() + PAUSE_MS
        warn(
          `no addresses can be signed for clients, so berth sends the bytes itself (${(error as Error).message.replace(/\s+/g, ' ')}): use a key file, or grant the account roles/iam.serviceAccountTokenCreator on itself, or set storage.redirect.disable`
        )
      }
      return undefined
    }
  }
}
