import { fieldsOf, NonsenseError, parseUserInfo, quote, textOf, textsOf } from './answers.ts'
import type { Connection } from './connection.ts'
import { ApiForbidden, ApiUnavailable } from './errors.ts'
import type { Answer } from './exchange.ts'
import { isTokenText } from './identity.ts'
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

/** RFC 1123 label: what the name of a namespace can be, and safe in a path as it is. */
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/

const AUTHENTICATION = '/apis/authentication.k8s.io/v1'
const AUTHORIZATION = '/apis/authorization.k8s.io/v1'

/** A review: an object with a `spec` is sent, and the same with a `status` comes back. */
function review(path: string, kind: string, spec: object) {
  const apiVersion = path.slice('/apis/'.length)
  return { kind, path: `${path}/${kind.toLowerCase()}s`, body: JSON.stringify({ apiVersion, kind, spec }) }
}

/** The message of a "Status", which is what the API server answers when it does not do what it was asked. */
function messageOf({ body }: Answer): string {
  try {
    return textOf(fieldsOf(body, 'answer').message, 'message')
  } catch {
    return ''
  }
}

/** @param options for tests, which have no time */
export function createApiServer(connection: Connection, options: TransportOptions = {}): ApiServer {
  const transport = createTransport(connection, options)

  function unexpected(what: string, answer: Answer, secret?: string): ApiUnavailable {
    const text = answer.body === undefined ? 'with no JSON, or too much' : quote(messageOf(answer), [secret])
    const hint = answer.status === 404 ? ': is it a Kubernetes API server, of 1.28 or later?' : ''
    return new ApiUnavailable(
      `the Kubernetes API server at ${connection.url} answers ${what} with ${answer.status} ${text}${hint}`.trim()
    )
  }

  /** @throws ApiUnavailable if the answer is not what the API promises */
  function read<T>(what: string, answer: Answer, parse: (body: unknown) => T): T {
    try {
      return parse(answer.body)
    } catch (error) {
      if (!(error instanceof NonsenseError)) throw error
      throw new ApiUnavailable(
        `the Kubernetes API server at ${connection.url} answers ${what} with nonsense: ${error.message}`
      )
    }
  }

  async function forbidden(what: string, remedy: string, answer: Answer): Promise<never> {
    const text = quote(messageOf(answer), [(await connection.identity()).token])
    throw new ApiForbidden(`the registry's account may not ${what}: ${remedy}. The API server says: ${text}`)
  }

  /** @returns the `status` of a review */
  async function post(
    request: ReturnType<typeof review>,
    account: Account,
    secret?: string
  ): Promise<Answer> {
    const { path, body, kind } = request
    const answer = await transport.call({ method: 'POST', path, body }, account)
    if (answer.status === 403 && account === 'own') {
      const resource = `${kind.toLowerCase()}s`
      await forbidden(`create ${resource}`, 'bind it to the ClusterRole system:auth-delegator', answer)
    }
    const isReview = answer.status === 200 || answer.status === 201
    if (!isReview && !(account !== 'own' && (answer.status === 401 || answer.status === 403))) {
      throw unexpected(`a ${kind}`, answer, secret)
    }
    return answer
  }

  return {
    url: connection.url,

    async reviewToken(token, audiences) {
      if (!isTokenText(token)) return { authenticated: false, error: 'not a token' }
      const spec = { token, ...(audiences.length > 0 && { audiences }) }
      const answer = await post(review(AUTHENTICATION, 'TokenReview', spec), 'own', token)
      return read('a TokenReview', answer, (body): TokenVerdict => {
        const status = fieldsOf(fieldsOf(body, 'answer').status, 'status')
        if (status.authenticated !== true) {
          if (status.authenticated !== undefined && status.authenticated !== false) {
            throw new NonsenseError('authenticated is neither true nor false')
          }
          return { authenticated: false, error: quote(textOf(status.error, 'error'), [token]) }
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
      const answer = await post(review(AUTHENTICATION, 'SelfSubjectReview', {}), { token }, token)
      if (answer.status === 401 || answer.status === 403) return undefined
      return read('a SelfSubjectReview', answer, (body) => {
        const user = parseUserInfo(fieldsOf(fieldsOf(body, 'answer').status, 'status').userInfo)
        return user.username === 'system:anonymous' ? undefined : user
      })
    },

    async reviewAccess({ username, uid, groups, extra }, attributes) {
      const spec = { user: username, uid, groups, extra, resourceAttributes: attributes }
      const answer = await post(review(AUTHORIZATION, 'SubjectAccessReview', spec), 'own')
      return read('a SubjectAccessReview', answer, (body) => {
        const status = fieldsOf(fieldsOf(body, 'answer').status, 'status')
        if (typeof status.allowed !== 'boolean') throw new NonsenseError('allowed is neither true nor false')
        const reason = textOf(status.reason, 'reason') || textOf(status.evaluationError, 'evaluationError')
        return { allowed: status.allowed && status.denied !== true, reason: quote(reason, []) }
      })
    },

    async namespaceUid(name) {
      if (!LABEL.test(name)) return undefined
      const answer = await transport.call({ method: 'GET', path: `/api/v1/namespaces/${name}` }, 'own')
      if (answer.status === 403) {
        return forbidden('get namespaces', 'grant it "get" on namespaces by a ClusterRole', answer)
      }
      if (answer.status !== 200 && answer.status !== 404) throw unexpected(`get namespace ${name}`, answer)
      return read(`get namespace ${name}`, answer, (body) => {
        const fields = fieldsOf(body, 'answer')
        if (answer.status === 404) {
          // Images are hidden, even removed, for this answer: the 404 of some proxy must not count.
          const details = fieldsOf(fields.details, 'details')
          if (fields.kind === 'Status' && fields.reason === 'NotFound' && details.name === name)
            return undefined
          throw new NonsenseError('a 404 that is not about this namespace')
        }
        const { name: given, uid } = fieldsOf(fields.metadata, 'metadata')
        if (given !== name || typeof uid !== 'string' || uid === '') throw new NonsenseError('no UID of it')
        return uid
      })
    },

    close: () => transport.close()
  }
}
