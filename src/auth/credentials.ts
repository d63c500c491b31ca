/** What a request shows to be let in. */
export type Credential =
  | { kind: 'none' }
  | { kind: 'bearer'; secret: string; name: undefined }
  | { kind: 'basic'; secret: string; name: string }
  /** With what is wrong, in words. */
  | { kind: 'malformed'; problem: string }

/** A name for a secret that tells nothing of it, for the log. @param hash a keyed one, in base64url */
export function fingerprintOf(hash: (text: string) => string, secret: string): string {
  return hash(`fingerprint ${secret}`).slice(0, 12)
}

const NONE: Credential = { kind: 'none' }

/**
 * Reads the `Authorization` header. RFC 9110 §11.6.2, RFC 7617, RFC 6750 §2.1.
 * Empty user and password count as none: that is what some clients send who have no login.
 */
export function parseAuthorization(
  header: string | undefined,
  splitsAt: 'first colon' | 'last colon'
): Credential {
  if (header === undefined || header === '') return NONE
  const space = header.indexOf(' ')
  const scheme = (space === -1 ? header : header.slice(0, space)).toLowerCase()
  const value = space === -1 ? '' : header.slice(space + 1).trim()
  if (scheme === 'bearer') {
    if (value === '') return { kind: 'malformed', problem: 'Authorization: Bearer without a token' }
    return { kind: 'bearer', secret: value, name: undefined }
  }
  if (scheme !== 'basic') {
    return { kind: 'malformed', problem: 'Authorization: the scheme must be Basic or Bearer' }
  }
  const text = Buffer.from(value, 'base64').toString()
  const colon = splitsAt === 'first colon' ? text.indexOf(':') : text.lastIndexOf(':')
  if (colon === -1)
    return { kind: 'malformed', problem: 'Authorization: Basic takes base64 of user:password' }
  const name = text.slice(0, colon)
  const secret = text.slice(colon + 1)
  if (name === '' && secret === '') return NONE
  if (secret === '') return { kind: 'malformed', problem: 'Authorization: the password is empty' }
  return { kind: 'basic', name, secret }
}
