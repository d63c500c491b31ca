import type { FastifyReply, FastifyRequest } from 'fastify'
import { LineError } from '../kubernetes/line.ts'
import type { UserInfo } from '../kubernetes/user-info.ts'
import { quote, RegistryError } from '../oci/error.ts'
import { ANONYMOUS, type Authority } from './authority.ts'
import { type ChallengeOptions, challenge } from './challenge.ts'
import { type Credential, fingerprintOf, parseAuthorization } from './credentials.ts'
import { type ExternalOrigin, incomingOf } from './external-origin.ts'
import type { Failures } from './failures.ts'
import { shown } from './permissions.ts'
import type { RegistryToken, Tokens } from './tokens.ts'

/** Where tokens are had: the path that OpenShift's registry has. */
export const TOKEN_PATH = '/openshift/token'

/** Who sends a request. */
export interface Caller {
  user: UserInfo
  /** The registry's own token, where that is what was shown. */
  token?: RegistryToken
  /** A name for what was shown, for the log; `none` where nothing was. */
  credential: string
}

type About = Omit<ChallengeOptions, 'realm'>

type Shown = Extract<Credential, { kind: 'bearer' | 'basic' }>

export interface Callers {
  /** Whoever shows a valid token of the registry: nobody need be asked. */
  known(request: FastifyRequest): { token: RegistryToken } | undefined
  /** @param scope what a better token should allow, for the challenge
   *  @throws RegistryError UNAUTHORIZED for a credential that is nobody's; TOOMANYREQUESTS, API_UNAVAILABLE */
  identify(request: FastifyRequest, reply: FastifyReply, scope?: string): Promise<Caller>
  /** Whose credential this is, if it may be tried. @throws RegistryError TOOMANYREQUESTS, API_UNAVAILABLE */
  check(request: FastifyRequest, reply: FastifyReply, credential: Shown): Promise<UserInfo | undefined>
  /** What is said of one that is nobody's, to its sender and in the log. */
  wrong(request: FastifyRequest, credential: Shown): RegistryError
  /** One that is stale but does no harm may be shown on, however often. */
  forgive(credential: Shown): void
  credentialOf(request: FastifyRequest): Credential
  /** Tells the client where tokens are had. @throws RegistryError REQUEST_INVALID where the client says no host */
  challenge(request: FastifyRequest, reply: FastifyReply, about: About): void
  fingerprint(secret: string): string
  /** One line about a decision: at level debug what was allowed, at level info what was not. */
  log(request: FastifyRequest, caller: Caller, decision: Decided): void
}

interface Decided {
  isAllowed: boolean
  text: string
  /** What whoever decided says about it; empty when nothing. */
  reason: string
  /** How long it took. */
  ms: number
}

export interface CallersOptions {
  authority: Authority
  tokens: Tokens
  failures: Failures
  origin: ExternalOrigin
  /** A keyed hash in base64url. */
  hash: (text: string) => string
}

export function createCallers({ authority, tokens, failures, origin, hash }: CallersOptions): Callers {
  const fingerprint = (secret: string): string => fingerprintOf(hash, secret)

  function tell(request: FastifyRequest, reply: FastifyReply, { scope, error }: About): void {
    const base = origin.origin(incomingOf(request))
    if (base === undefined) throw new RegistryError('REQUEST_INVALID', 'Host: must be host or host:port')
    const bearer = challenge({ realm: `${base}${TOKEN_PATH}`, scope, error })
    const { basicRealm } = authority
    // In this order: some clients take the first that they know.
    reply.header(
      'www-authenticate',
      basicRealm === undefined ? bearer : [bearer, `Basic realm="${basicRealm}"`]
    )
  }

  function wrong({ log }: FastifyRequest, { secret, name }: Shown): RegistryError {
    const isPassword = authority.isLocal && name !== undefined
    const what = isPassword
      ? `this is not the password of ${quote(name)}, or there is no such user`
      : `credential ${fingerprint(secret)} is nobody's, or has expired`
    log.info(`refused: ${what}`)
    const problem = 'the credential is wrong, has expired or is meant for others: log in again'
    return new RegistryError('UNAUTHORIZED', problem)
  }

  const countedAs = ({ name = '', secret }: Shown): string => hash(`credential ${name} ${secret}`)

  async function check(
    request: FastifyRequest,
    reply: FastifyReply,
    shown: Shown
  ): Promise<UserInfo | undefined> {
    const address = origin.clientAddress(incomingOf(request)) ?? ''
    const credential = countedAs(shown)
    const attempt = async (): Promise<UserInfo | undefined> => {
      const wait = failures.limited(address, credential)
      if (wait !== undefined) {
        reply.header('retry-after', wait)
        const problem = `too many wrong credentials from this address, or this one too often; try again in ${wait} s`
        throw new RegistryError('TOOMANYREQUESTS', problem)
      }
      const user = await authority.authenticate(shown.secret, shown.name)
      if (user === undefined) failures.failed(address, credential)
      else failures.succeeded(credential)
      return user
    }
    try {
      return await failures.inTurn(address, credential, attempt)
    } catch (cause) {
      if (!(cause instanceof LineError)) throw cause
      if (!authority.isLocal) throw new RegistryError('API_UNAVAILABLE', undefined, { cause })
      throw new RegistryError('TOOMANYREQUESTS', 'too many log in at once; try again', { cause })
    }
  }

  const credentialOf = ({ headers }: FastifyRequest): Credential =>
    parseAuthorization(headers.authorization, authority.splitsAt)

  function known({ headers: { authorization } }: FastifyRequest): { token: RegistryToken } | undefined {
    if (authorization === undefined || !/^bearer /i.test(authorization)) return undefined
    const token = tokens.verify(authorization.slice('bearer '.length).trim())
    return token === undefined ? undefined : { token }
  }

  return {
    known,
    check,
    wrong,
    forgive: (shown) => failures.forgive(countedAs(shown)),
    credentialOf,
    challenge: tell,
    fingerprint,

    async identify(request, reply, scope) {
      const credential = credentialOf(request)
      if (credential.kind === 'none') return { user: ANONYMOUS, credential: 'none' }
      const about: About = { scope, error: 'invalid_token' }
      if (credential.kind === 'malformed') {
        tell(request, reply, about)
        throw new RegistryError('UNAUTHORIZED', credential.problem)
      }
      const { kind, secret } = credential
      const print = fingerprint(secret)
      if (tokens.isOurs(secret)) {
        const token = kind === 'bearer' ? tokens.verify(secret) : undefined
        if (token !== undefined) return { user: token.user, token, credential: print }
        tell(request, reply, about)
        throw new RegistryError(
          'UNAUTHORIZED',
          kind === 'bearer'
            ? 'the token has expired or is not of this registry: get a new one'
            : "a token of the registry is no password: show the cluster's token"
        )
      }
      const user = await check(request, reply, credential)
      if (user !== undefined) return { user, credential: print }
      tell(request, reply, about)
      throw wrong(request, credential)
    },

    log({ log }, { user, credential }, { isAllowed, text, reason, ms }) {
      const line =
        `${shown(user.username)}, credential ${credential}: ${text}` +
        `${reason === '' ? '' : ` (${reason})`}, decided in ${ms.toFixed(1)} ms`
      if (isAllowed) log.debug(line)
      else log.info(line)
    }
  }
}
