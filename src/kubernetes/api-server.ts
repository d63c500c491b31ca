import { fieldsOf, isTrue, NonsenseError, parseUserInfo, quote, textOf, textsOf } from './answers.ts'
import type { Connection } from './connection.ts'
import { ApiForbidden, ApiUnavailable } from './errors.ts'
import type { Answer } from './exchange.ts'
import { isTokenText } from './identity.ts'
import { isNamespaceName } from './names.ts'
import { type Account, createTransport, type TransportOptions } from './transport.ts'
import type { UserInfo } from './user-info.ts'

export { ApiForbidden, ApiUnavailable } from './errors.ts'

export type TokenVerdict =
  | { authenticated: true; user: UserInfo; audiences: readonly string[] }
  /** `error` is the authenticator's reason, one line. It may be empty, and never holds the token. */
  | { authenticated: false; error: string }

/** What is to be done to what. Kubernetes API: authorization.k8s.io/v1 "ResourceAttributes"; without a namespace: cluster-wide. */
export interface ResourceAttributes {
  readonly namespace?: string
  readonly verb: string
  readonly group?: string
  readonly resource: string
  readonly subresource?: string
  readonly name?: string
}

/** The calls that the registry makes. Each ends within about 10 s. */
export interface ApiServer {
  readonly url: string
  /**
   * Whose token this is, asked by the registry's own account. Kubernetes API: "TokenReview".
   * @param audiences if any, the token must be meant for one of them
   * @throws ApiForbidden if the account may not ask; ApiUnavailable if there was no answer to rely on
   */
  reviewToken(token: string, audiences: readonly string[]): Promise<TokenVerdict>
  /**
   * Whose token this is, asked with that token and nothing of ours. Kubernetes API: "SelfSubjectReview", of Kubernetes 1.28.
   * @returns undefined when it is nobody's: 401, 403 or `system:anonymous`
   * @throws ApiUnavailable
   */
  reviewSelf(token: string): Promise<UserInfo | undefined>
  /**
   * Whether a user may do that, with all groups and all of `extra`. Kubernetes API: "SubjectAccessReview".
   * @returns `reason` is one line, may be empty
   * @throws ApiForbidden; ApiUnavailable
   */
  reviewAccess(user: UserInfo, attributes: ResourceAttributes): Promise<{ allowed: boolean; reason: string }>
  /**
   * What tells a namespace from a later one of the same name. One that is being deleted is still there: its name
   * cannot be taken before it is gone, and a deletion may hang for long while pods in it run on.
   * @returns undefined when the API server says in so many words that there is none
   * @throws ApiForbidden; ApiUnavailable
   */
  namespaceUid(name: string): Promise<string | undefined>
  /** Ends calls under way: they reject with ApiUnavailable. */
  close(): void
}

/** What the account needs is in that file. */
const REMEDY =
  'kubectl apply -f deploy/rbac/registry.yaml grants it to the account registry in the namespace berth'

/** A review: an object with a `spec` is sent, and the same with a `status` comes back. */
interface Review {
  readonly group: 'authentication' | 'authorization'
  readonly kind: 'TokenReview' | 'SelfSubjectReview' | 'SubjectAccessReview'
  readonly spec: object
}

/** @throws NonsenseError for what is no such review: nothing may be read into what it lacks */
function statusOf({ body }: Answer, kind: Review['kind']): Readonly<Record<string, unknown>> {
  const fields = fieldsOf(body, 'answer')
  if (fields.kind !== kind || !fields.status) throw new NonsenseError(`no ${kind} with a status`)
  return fieldsOf(fields.status, 'status')
}

/** A "Status": what the API server answers when it does not do what it was asked. No proxy on the way sends one. */
function refusalOf({ body }: Answer): { reason: string; message: string; name: unknown } | undefined {
  try {
    const { kind, reason, message, details } = fieldsOf(body, 'answer')
    if (kind !== 'Status') return undefined
    const { name } = fieldsOf(details, 'details')
    return { reason: textOf(reason, 'reason'), message: textOf(message, 'message'), name }
  } catch {
    return undefined
  }
}

/** @param options for tests, which have no time */
export function createApiServer(connection: Connection, options: TransportOptions = {}): ApiServer {
  const transport = createTransport(connection, options)

  function unavailable(what: string, why: string): ApiUnavailable {
    return new ApiUnavailable(`the Kubernetes API server at ${connection.url} answers ${what} with ${why}`)
  }

  function unexpected(what: string, answer: Answer, secret?: string): ApiUnavailable {
    const message = refusalOf(answer)?.message
    const text = message === undefined ? 'which is no answer of an API server' : quote(message, secret)
    const hint = answer.status === 404 ? ' (is it a Kubernetes API server, of 1.28 or later?)' : ''
    return unavailable(what, `${answer.status}: ${text}${hint}`)
  }

  /** @throws ApiUnavailable if the answer is not what the API promises */
  function read<T>(what: string, parse: () => T): T {
    try {
      return parse()
    } catch (error) {
      if (!(error instanceof NonsenseError)) throw error
      throw unavailable(what, `nonsense: ${error.message}`)
    }
  }

  /** @throws ApiForbidden if that is what the API server says */
  async function refuseForbidden(answer: Answer, what: string, remedy: string): Promise<void> {
    const refusal = refusalOf(answer)
    if (answer.status !== 403 || refusal?.reason !== 'Forbidden') return
    const text = quote(refusal.message, (await connection.identity()).token)
    throw new ApiForbidden(`the registry's account may not ${what}: ${remedy}. The API server says: ${text}`)
  }

  async function post({ group, kind, spec }: Review, account: Account): Promise<Answer> {
    const api = `${group}.k8s.io/v1`
    const body = JSON.stringify({ apiVersion: api, kind, spec })
    return transport.call({ method: 'POST', path: `/apis/${api}/${kind.toLowerCase()}s`, body }, account)
  }

  /** @param secret not to be quoted */
  async function ask(review: Review, secret?: string): Promise<Answer> {
    const answer = await post(review, 'own')
    const right = `create ${review.kind.toLowerCase()}s`
    await refuseForbidden(answer, right, REMEDY)
    if (answer.status !== 201 && answer.status !== 200) throw unexpected(`a ${review.kind}`, answer, secret)
    return answer
  }

  return {
    url: connection.url,

    async reviewToken(token, audiences) {
      if (!isTokenText(token)) return { authenticated: false, error: 'not a token' }
      const kind = 'TokenReview'
      const spec = { token, ...(audiences.length > 0 && { audiences }) }
      const answer = await ask({ group: 'authentication', kind, spec }, token)
      return read(`a ${kind}`, (): TokenVerdict => {
        const status = statusOf(answer, kind)
        if (!isTrue(status.authenticated ?? false, 'authenticated')) {
          return { authenticated: false, error: quote(textOf(status.error, 'error'), token) }
        }
        const meant = textsOf(status.audiences, 'audiences')
        // An API server that knows no audiences says yes without naming one: that is not enough.
        if (audiences.length > 0 && !meant.some((audience) => audiences.includes(audience))) {
          return { authenticated: false, error: `the token is not meant for ${audiences.join(' or ')}` }
        }
        return { authenticated: true, user: parseUserInfo(status.user), audiences: meant }
      })
    },

    async reviewSelf(token) {
      if (!isTokenText(token)) return undefined
      const kind = 'SelfSubjectReview'
      const answer = await post({ group: 'authentication', kind, spec: {} }, { token })
      if ((answer.status === 401 || answer.status === 403) && refusalOf(answer)) return undefined
      if (answer.status !== 201 && answer.status !== 200) throw unexpected(`a ${kind}`, answer, token)
      return read(`a ${kind}`, () => {
        const user = parseUserInfo(statusOf(answer, kind).userInfo)
        return user.username === 'system:anonymous' ? undefined : user
      })
    },

    async reviewAccess({ username, uid, groups, extra }, resourceAttributes) {
      const kind = 'SubjectAccessReview'
      const spec = { user: username, uid, groups, extra, resourceAttributes }
      const answer = await ask({ group: 'authorization', kind, spec })
      return read(`a ${kind}`, () => {
        const { allowed, denied, reason, evaluationError } = statusOf(answer, kind)
        const text = textOf(reason, 'reason') || textOf(evaluationError, 'evaluationError')
        return {
          allowed: isTrue(allowed, 'allowed') && !isTrue(denied ?? false, 'denied'),
          reason: quote(text)
        }
      })
    },

    async namespaceUid(name) {
      if (!isNamespaceName(name)) return undefined
      const what = `get namespace ${name}`
      const answer = await transport.call({ method: 'GET', path: `/api/v1/namespaces/${name}` }, 'own')
      await refuseForbidden(answer, 'get namespaces', REMEDY)
      // Images are hidden, even removed, for this answer: it must be about this namespace.
      const refusal = refusalOf(answer)
      if (answer.status === 404 && refusal?.reason === 'NotFound' && refusal.name === name) return undefined
      if (answer.status !== 200) throw unexpected(what, answer)
      return read(what, () => {
        const { kind, metadata } = fieldsOf(answer.body, 'answer')
        const { name: given, uid } = fieldsOf(metadata, 'metadata')
        if (kind !== 'Namespace' || given !== name || typeof uid !== 'string' || uid === '') {
          throw new NonsenseError('no UID of it')
        }
        return uid
      })
    },

    close: () => transport.close()
  }
}
