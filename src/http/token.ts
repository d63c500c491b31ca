import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { ANONYMOUS, type Authority } from '../auth/authority.ts'
import { type Callers, TOKEN_PATH } from '../auth/callers.ts'
import type { Credential } from '../auth/credentials.ts'
import { type Grant, isPublicPull } from '../auth/issuing.ts'
import { TOKEN_LIFE_MS } from '../auth/keys.ts'
import { type Access, formatScopes, parseScopes } from '../auth/scope.ts'
import { decode, type Tokens } from '../auth/tokens.ts'
import { RegistryError } from '../oci/error.ts'
import { collect } from '../registry/bytes.ts'
import { queryValues } from './query.ts'
import { requestBody } from './request-body.ts'

export interface TokenParts {
  authority: Authority
  callers: Callers
  tokens: Tokens
  grant: Grant
  /** Whether a stale credential may get the token for a pull that needs none. */
  cureStaleCredentials: boolean
  /** Told each time that one was. */
  onCured?: () => void
  now?: () => number
}

/** One for somebody whose credential is stale: short, so that a login that is mended counts soon. */
const CURED_LIFE_MS = 60_000

const LONGEST_FORM = 128 * 1024

/**
 * Exchanges a cluster's token, or a user's password, for a short-lived token of the registry. CNCF distribution:
 * "Token Authentication Specification" (GET) and "OAuth 2.0 Token Authentication" (POST). There are no refresh tokens.
 */
export async function tokenRoutes(app: FastifyInstance, parts: TokenParts): Promise<void> {
  const { authority, callers, tokens, grant, cureStaleCredentials, onCured, now = Date.now } = parts
  let cured = 0

  app.get(TOKEN_PATH, { config: { action: 'token' } }, async (request, reply) =>
    send(reply, await exchange(request, reply, callers.credentialOf(request), queryValues(request, 'scope')))
  )

  app.post(TOKEN_PATH, { config: { action: 'token' } }, async (request, reply) => {
    const form = await readForm(request, reply)
    const kind = form.get('grant_type')
    if (kind !== 'password') {
      const problem = `grant_type: must be password${kind === 'refresh_token' ? '; this registry gives no refresh tokens' : ''}`
      throw new RegistryError('REQUEST_INVALID', problem)
    }
    const answer = await exchange(
      request,
      reply,
      credentialIn(form) ?? callers.credentialOf(request),
      form.getAll('scope')
    )
    return send(reply, { ...answer, scope: formatScopes(answer.access) })
  })

  interface Answer {
    access: readonly Access[]
    token: string
    expiresIn: number
    issuedAt: string
    scope?: string
  }

  async function exchange(
    request: FastifyRequest,
    reply: FastifyReply,
    credential: Credential,
    scopes: readonly string[]
  ): Promise<Answer> {
    const requested = parseScopes(scopes)
    if (credential.kind === 'none') return issue(ANONYMOUS, requested, TOKEN_LIFE_MS)
    if (credential.kind === 'malformed') throw new RegistryError('UNAUTHORIZED', credential.problem)
    const { secret } = credential
    if (tokens.isOurs(secret)) {
      throw new RegistryError(
        'UNAUTHORIZED',
        "a token of the registry cannot be exchanged: show the cluster's token"
      )
    }
    const user = await callers.check(request, reply, credential)
    if (user !== undefined) return issue(user, requested, Math.min(TOKEN_LIFE_MS, lifeOf(secret)))
    if (cureStaleCredentials && !authority.isLocal && (await isPublicPull(grant, requested))) {
      cured++
      onCured?.()
      callers.forgive(credential)
      request.log.info(
        `stale credential ${callers.fingerprint(secret)}: its public pull of ${requested.map(({ name }) => name).join(', ')} is let in as ` +
          `anonymous (${cured} so far); its owner should log in again`
      )
      return issue(ANONYMOUS, requested, CURED_LIFE_MS)
    }
    throw callers.wrong(request, credential)
  }

  async function issue(
    user: typeof ANONYMOUS,
    requested: readonly Access[],
    lifeMs: number
  ): Promise<Answer> {
    const access = await grant(user, requested)
    return { access, ...tokens.issue(user, access, lifeMs) }
  }

  /** How long the cluster's token will last, where it says so: Kubernetes checks that, this only reads it. */
  function lifeOf(token: string): number {
    const exp = decode(token.split('.')[1])?.exp
    const isStated = typeof exp === 'number' && Number.isFinite(exp)
    return isStated ? Math.max(1000, exp * 1000 - now()) : Number.POSITIVE_INFINITY
  }
}

function send(
  reply: FastifyReply,
  {
    token,
    expiresIn,
    issuedAt,
    scope
  }: { token: string; expiresIn: number; issuedAt: string; scope?: string }
): FastifyReply {
  const answer = {
    token,
    access_token: token,
    expires_in: expiresIn,
    issued_at: issuedAt,
    ...(scope !== undefined && { scope })
  }
  return reply
    .headers({ 'cache-control': 'no-store' })
    .type('application/json')
    .send(Buffer.from(JSON.stringify(answer)))
}

/** @throws RegistryError REQUEST_INVALID */
async function readForm(request: FastifyRequest, reply: FastifyReply): Promise<URLSearchParams> {
  const bytes = await collect(requestBody(request, reply), LONGEST_FORM)
  if (bytes === undefined) throw new RegistryError('REQUEST_INVALID', 'the form is longer than 128 KiB')
  return new URLSearchParams(bytes.toString())
}

/** Undefined where the form has none: then the Authorization header counts. */
function credentialIn(form: URLSearchParams): Credential | undefined {
  const name = form.get('username') ?? ''
  const secret = form.get('password') ?? ''
  return name === '' && secret === '' ? undefined : { kind: 'basic', name, secret }
}
