import type { Answer, RequestOptions, Send } from './client.ts'

export interface Credentials {
  username: string
  password: string
}

/** What a 401 asks for. RFC 9110: "WWW-Authenticate". */
export interface Challenge {
  /** In lower case. */
  scheme: string
  /** Names in lower case. */
  parameters: Record<string, string>
}

/** The credentials were refused, or the token endpoint does not work. */
export class LoginFailed extends Error {
  override readonly name = 'LoginFailed'
}

/** All challenges of an answer, in their order. */
export function parseChallenges({ headers }: Answer): Challenge[] {
  const text = headers['www-authenticate'] ?? ''
  const challenges: Challenge[] = []
  const piece = /([A-Za-z][\w-]*)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+)))?/g
  for (const [, word = '', quoted, plain] of text.matchAll(piece)) {
    const value = quoted?.replace(/\\(.)/g, '$1') ?? plain
    const latest = challenges.at(-1)
    if (value === undefined) challenges.push({ scheme: word.toLowerCase(), parameters: {} })
    else if (latest !== undefined) latest.parameters[word.toLowerCase()] = value
  }
  return challenges
}

export function basic({ username, password }: Credentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

/**
 * A `send` that does what clients do when they meet a 401: it gets a token from the endpoint that the challenge
 * names, or shows its credentials, and asks once more. Without credentials it gets tokens as nobody.
 * Distribution's token specification: "Requesting a Token". @throws LoginFailed when there is no token to be had
 */
export function withLogin(send: Send, registry: URL, credentials: Credentials | undefined): Send {
  const known = new Map<string, string>()

  async function answerTo(challenge: Challenge): Promise<string | undefined> {
    if (challenge.scheme === 'basic') return credentials && basic(credentials)
    if (challenge.scheme !== 'bearer') return undefined
    const { realm, service, scope } = challenge.parameters
    if (realm === undefined || !URL.canParse(realm, registry.href)) return undefined
    const endpoint = new URL(realm, registry)
    if (service !== undefined) endpoint.searchParams.append('service', service)
    for (const one of scope?.split(' ') ?? []) endpoint.searchParams.append('scope', one)
    const headers = credentials && { authorization: basic(credentials) }
    const answer = await send('GET', endpoint, headers && { headers })
    const token = tokenOf(answer)
    if (token === undefined) throw new LoginFailed(`${answer.sent}: no token, but ${answer.status}`)
    return `Bearer ${token}`
  }

  return async function sendAsSomebody(method, url, options: RequestOptions = {}) {
    // Elsewhere, as where an upload may go on, credentials are nobody's business.
    if (url.origin !== registry.origin) return send(method, url, options)
    const key = `${rightFor(method)} ${repositoryIn(url)}`
    const authorized = (authorization: string | undefined): RequestOptions =>
      authorization === undefined ? options : { ...options, headers: { ...options.headers, authorization } }
    const first = await send(method, url, authorized(known.get(key)))
    if (first.status !== 401) return first
    for (const challenge of parseChallenges(first)) {
      const authorization = await answerTo(challenge)
      if (authorization === undefined) continue
      known.set(key, authorization)
      return send(method, url, authorized(authorization))
    }
    return first
  }
}

/** What a token endpoint gave, by either of its names. */
export function tokenOf({ status, body }: Answer): string | undefined {
  if (status !== 200) return undefined
  try {
    const { token, access_token } = JSON.parse(body.toString())
    const found = token ?? access_token
    return typeof found === 'string' && found !== '' ? found : undefined
  } catch {
    return undefined
  }
}

function rightFor(method: string): string {
  return method === 'GET' || method === 'HEAD' ? 'pull' : method === 'DELETE' ? 'delete' : 'push'
}

function repositoryIn({ pathname }: URL): string {
  return /^\/v2\/(.+)\/(?:blobs|manifests|tags|referrers)\//.exec(pathname)?.[1] ?? pathname
}
