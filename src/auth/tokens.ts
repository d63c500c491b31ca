import { randomUUID } from 'node:crypto'
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { LRUCache } from 'lru-cache'
import type { UserInfo } from '../kubernetes/user-info.ts'
import { RegistryError } from '../oci/error.ts'
import { KEY_ID_PREFIX, type KeyRing, type Keys, LEEWAY_MS } from './keys.ts'
import type { Access } from './scope.ts'
import { seal, unseal } from './sealing.ts'

/** What a verified token says. */
export interface RegistryToken {
  readonly access: readonly Access[]
  /** Milliseconds since 1970. The token is accepted for 60 s more. */
  readonly expiresAt: number
  readonly user: UserInfo
}

/** The registry's own short-lived tokens: JWTs that say what their bearer may do, and carry the bearer's identity. */
export interface Tokens {
  /**
   * @param lifeMs which the token never outlives; parts of a second are cut off
   * @returns `expiresIn` in seconds from `issuedAt`, which is in RFC 3339
   * @throws RegistryError DENIED for an identity with too many groups to send in a header
   */
  issue(
    user: UserInfo,
    access: readonly Access[],
    lifeMs: number
  ): { token: string; expiresIn: number; issuedAt: string }
  /** Whether it says that it is of a registry like this one, good or not: such a one is nobody else's business. */
  isOurs(token: string): boolean
  /** Undefined when it is no good, for whatever reason. Those that were good are remembered. */
  verify(token: string): RegistryToken | undefined
}

type Sign = (payload: object, options: { key: Buffer; algorithm: 'HS256'; kid: string }) => string

type Verify = (
  token: string,
  options: {
    key: Buffer
    algorithms: ['HS256']
    allowedIss: string
    allowedAud: string
    requiredClaims: string[]
    clockTolerance: number
    clockTimestamp: number
  }
) => unknown

export interface TokensOptions {
  keys: KeyRing
  /** `berth:` and what tells this registry's users from those of others: the API server's URL, or `htpasswd`. */
  issuer: string
  /** These two are `app.jwt.sign` and `app.jwt.verify` of @fastify/jwt. */
  sign: Sign
  verify: Verify
  now?: () => number
  newId?: () => string
}

/** RFC 7519 section 4.1; `access` as in distribution's token specification. */
interface Claims {
  iss: string
  aud: string
  sub: string
  /** This one and the next two in seconds since 1970. */
  exp: number
  nbf: number
  iat: number
  jti: string
  access: readonly Access[]
  /** The whole UserInfo as JSON, deflated and sealed in the context of `jti`. */
  id: string
}

const ISSUER_PREFIX = 'berth:'
const AUDIENCE = 'berth'
const REQUIRED_CLAIMS = ['iss', 'aud', 'sub', 'exp', 'nbf', 'jti', 'access', 'id']

/** Node's limit for all headers of a request is 16 KiB, and some proxies have half of that. */
const LONGEST_TOKEN = 15_000

/** In characters of tokens; what is made of them takes a few times as much. */
const REMEMBERED = 4 * 1024 * 1024

interface Remembered {
  token: string
  keyId: string
  goodUntil: number
  meaning: RegistryToken
}

export function createTokens({
  keys: ring,
  issuer,
  sign,
  verify,
  now = Date.now,
  newId = randomUUID
}: TokensOptions): Tokens {
  const remembered = new LRUCache<string, Remembered>({
    maxSize: REMEMBERED,
    sizeCalculation: ({ token }) => token.length
  })

  function examine(token: string, keys: Keys): RegistryToken | undefined {
    const claims = verifiedClaims(token, keys)
    const user = claims && openIdentity(keys, claims)
    return user && { access: claims.access, expiresAt: claims.exp * 1000, user }
  }

  function verifiedClaims(token: string, keys: Keys): Claims | undefined {
    const options = {
      key: keys.signing,
      algorithms: ['HS256'] as ['HS256'],
      allowedIss: issuer,
      allowedAud: AUDIENCE,
      requiredClaims: REQUIRED_CLAIMS,
      clockTolerance: LEEWAY_MS,
      clockTimestamp: now()
    }
    try {
      const claims = verify(token, options) as Claims // at least these are there, and the times are numbers
      return isOurShape(claims) ? claims : undefined
    } catch (error) {
      if (String((error as { code?: unknown }).code).startsWith('FAST_JWT_')) return undefined
      throw error
    }
  }

  return {
    issue(user, access, lifeMs) {
      const keys = ring.current()
      const jti = newId()
      const issuedAt = Math.floor(now() / 1000)
      const exp = Math.floor((now() + lifeMs) / 1000)
      const id = seal(keys, deflateRawSync(JSON.stringify(user), { level: 9 }), jti)
      const claims: Claims = {
        iss: issuer,
        aud: AUDIENCE,
        sub: user.username,
        exp,
        nbf: issuedAt,
        iat: issuedAt,
        jti,
        access,
        id
      }
      const token = sign(claims, { key: keys.signing, algorithm: 'HS256', kid: keys.id })
      if (token.length > LONGEST_TOKEN) {
        const detail = `with ${user.groups.length} groups and ${access.length} scopes, the token would be longer than ${LONGEST_TOKEN} characters`
        throw new RegistryError('DENIED', detail)
      }
      return { token, expiresIn: exp - issuedAt, issuedAt: new Date(issuedAt * 1000).toISOString() }
    },

    isOurs(token) {
      const [header = '', payload = ''] = token.split('.', 2)
      return begins(decode(header)?.kid, KEY_ID_PREFIX) || begins(decode(payload)?.iss, ISSUER_PREFIX)
    },

    verify(token) {
      // The signature is looked up, as it is shorter to hash, and the whole token compared
      const signature = token.slice(-43)
      const known = remembered.get(signature)
      if (known?.token === token) {
        return now() <= known.goodUntil && ring.find(known.keyId) ? known.meaning : undefined
      }
      if (token.length > LONGEST_TOKEN) return undefined
      const keyId = decode(token.split('.', 1)[0])?.kid
      const keys = typeof keyId === 'string' ? ring.find(keyId) : undefined
      if (keys === undefined) return undefined
      const meaning = examine(token, keys)
      if (meaning === undefined) return undefined
      const goodUntil = meaning.expiresAt + LEEWAY_MS
      remembered.set(signature, { token, keyId: keys.id, goodUntil, meaning })
      return meaning
    }
  }
}

/** Only we can have signed them, but perhaps in another version. */
function isOurShape({ sub, jti, id, access }: Claims): boolean {
  return [sub, jti, id].every((claim) => typeof claim === 'string') && Array.isArray(access)
}

/** Undefined where the sealed identity is of another token; what it unpacks to is as large as we packed it. */
function openIdentity(keys: Keys, { id, jti, sub }: Claims): UserInfo | undefined {
  const packed = unseal(keys, id, jti)
  if (packed === undefined) return undefined
  const user: UserInfo = JSON.parse(inflateRawSync(packed).toString())
  return user.username === sub ? user : undefined
}

/** One part of a JWT as the JSON object that it should be, unverified; undefined where it is none. */
export function decode(part = ''): Record<string, unknown> | undefined {
  if (!part.startsWith('e')) return undefined // no `{`: a cluster's opaque token, and throwing is slow
  try {
    const value = JSON.parse(Buffer.from(part, 'base64url').toString())
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

function begins(value: unknown, prefix: string): boolean {
  return typeof value === 'string' && value.startsWith(prefix)
}
