import { createHmac, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto'

/** How long a token is good, unless what it was given for ends before. */
export const TOKEN_LIFE_MS = 300_000

/** How far the clocks of two machines may be apart. */
export const LEEWAY_MS = 60_000

/** With which the id of every key begins, so that a token can be told for one of ours before it is verified. */
export const KEY_ID_PREFIX = 'berth-'

/** The keys that all replicas of one registry share, one for each purpose. Treat none of them as text. */
export interface Keys {
  /** Names them, and tells nothing of them. */
  readonly id: string
  /** HS256: 32 bytes. */
  readonly signing: Buffer
  /** Sealed texts (sealing.ts): 32 bytes. */
  readonly sealing: Buffer
  /** HMAC of credentials, for caches and for fingerprints in the log: 32 bytes, six times as fast as a Buffer. */
  readonly hashing: KeyObject
}

/**
 * RFC 5869, SHA-256. The same secret and TLS key give the same keys everywhere.
 * @param tlsKey the private key's file, byte for byte; the secret alone stands readable in Deployments
 * @throws Error for an empty secret, from which anybody could derive the keys
 */
export function deriveKeys(secret: string, tlsKey: Buffer = Buffer.alloc(0)): Keys {
  if (secret === '') throw new Error('the secret that tokens are signed with (http.secret) is empty')
  const secretBytes = Buffer.from(secret)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(secretBytes.length) // so that no other pair makes the same bytes
  const material = Buffer.concat([length, secretBytes, tlsKey])
  const derive = (purpose: string, bytes: number) =>
    Buffer.from(hkdfSync('sha256', material, '', `berth ${purpose} 1`, bytes))
  return {
    id: KEY_ID_PREFIX + derive('key id', 9).toString('base64url'),
    signing: derive('signing', 32),
    sealing: derive('sealing', 32),
    hashing: createSecretKey(derive('hashing', 32))
  }
}

export interface KeyRingOptions {
  /** The longest life of a token, without leeway. */
  tokenLifeMs: number
  /** How long it may take until every process and replica has noticed a change. */
  settleMs: number
  now?: () => number
}

/** The keys in use, and those whose tokens are still about. */
export interface KeyRing {
  /** Those to sign and seal with. */
  current(): Keys
  /** Those to verify with; undefined for an unknown id, and for keys whose last token has expired. */
  find(id: string): Keys | undefined
  /** The new keys verify at once. They sign only `settleMs` later, when all others know them too. The former keys are
   *  good until the last of their tokens, also of a process that noticed as late as it may, has expired. */
  replace(keys: Keys): void
}

export function createKeyRing(
  keys: Keys,
  { tokenLifeMs, settleMs, now = Date.now }: KeyRingOptions
): KeyRing {
  let signing = keys
  let next: { keys: Keys; from: number } | undefined
  let former: { keys: Keys; until: number }[] = []

  function retire(keys: Keys, at: number): void {
    former.push({ keys, until: at + settleMs + tokenLifeMs + LEEWAY_MS })
  }

  function settle(): void {
    if (next === undefined || now() < next.from) return
    retire(signing, next.from)
    signing = next.keys
    next = undefined
  }

  return {
    current() {
      settle()
      return signing
    },

    find(id) {
      settle()
      if (id === signing.id) return signing
      if (id === next?.keys.id) return next.keys
      return former.find(({ keys, until }) => keys.id === id && now() < until)?.keys
    },

    replace(keys) {
      settle()
      if (keys.id === (next?.keys ?? signing).id) return
      if (next !== undefined) retire(next.keys, now()) // others may have settled on them already
      former = former.filter(({ until }) => now() < until)
      next = { keys, from: now() + settleMs }
    }
  }
}

/** A keyed hash in base64url. The processes of a pod share the keys, and so can tell each other what they know. */
export function hashWith(keys: KeyRing): (text: string) => string {
  return (text) => createHmac('sha256', keys.current().hashing).update(text).digest('base64url')
}
