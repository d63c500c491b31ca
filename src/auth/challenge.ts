export interface ChallengeOptions {
  /** The absolute URL of the token endpoint. */
  realm: string
  /** What a token must grant for this request: scopes, separated by spaces. */
  scope?: string | undefined
  /** Absent where the request brought no token. */
  error?: 'invalid_token' | 'insufficient_scope' | undefined
}

/** The value of `WWW-Authenticate` that tells a client where to get a token. RFC 6750 section 3; every value is quoted,
 *  since many clients read no other form. */
export function challenge({ realm, scope, error }: ChallengeOptions): string {
  const parameters = { realm, service: 'berth', scope, error }
  const written = Object.entries(parameters).flatMap(([name, value]) =>
    value === undefined || value === '' ? [] : [`${name}="${quotable(value)}"`]
  )
  return `Bearer ${written.join(',')}`
}

/** What cannot stand between quotes in a header is left out, as clients differ in how they read what is escaped. */
function quotable(value: string): string {
  return value.replace(/[^ !#-[\]-~]/g, '')
}
