import { ApiForbidden, type ApiServer, ApiUnavailable } from '../kubernetes/api-server.ts'
import { createLine } from '../kubernetes/line.ts'
import type { UserInfo } from '../kubernetes/user-info.ts'
import type { Siblings } from '../registry/siblings.ts'
import { createAnswers } from './answers.ts'
import { type Authority, type Decision, isAnonymous } from './authority.ts'
import { fingerprintOf } from './credentials.ts'
import { createForbidden } from './once.ts'
import { attributesOf, explainDenial, placeOf } from './permissions.ts'
import type { Told } from './told.ts'

/** For so long the API server's answer is trusted; what it refused may have been granted meanwhile. */
const GRANTED_MS = 10_000
const REFUSED_MS = 2000

/** Anybody can make the registry ask what nobody may do: such questions wait for one another, and for nothing else. */
const ANONYMOUS_AT_ONCE = 10
const MOST_ANONYMOUS_WAITING = 1000
const ANONYMOUS_WAIT_MS = 5000

/** RFC 6750 §2.1: what a token may consist of. */
const TOKEN = /^[A-Za-z0-9\-._~+/]+=*$/
const LONGEST_TOKEN = 32 * 1024

export interface ClusterOptions {
  api: ApiServer
  /** One of these must be among a token's audiences; where there are none, the API server's own is asked for. */
  audiences: readonly string[]
  /** Whether a repository's name may have more than two parts. */
  nested: boolean
  siblings: Siblings
  /** A keyed hash, so that neither memory nor messages between processes hold tokens. */
  hash: (text: string) => string
  logger: { info(text: string): void; warn(text: string): void }
  told: Told
  now?: () => number
}

/** The cluster decides, by TokenReview and SubjectAccessReview. */
export function createClusterAuthority(options: ClusterOptions): Authority {
  const { api, audiences, nested, siblings, hash, logger, told, now = Date.now } = options
  const identities = createAnswers<UserInfo | null>({
    topic: 'whose token is this',
    siblings,
    lifeMs: (user) => (user === null ? REFUSED_MS : GRANTED_MS),
    now
  })
  const decisions = createAnswers<Decision>({
    topic: 'may this user do it',
    siblings,
    lifeMs: ({ allowed }) => (allowed ? GRANTED_MS : REFUSED_MS),
    now
  })
  const forbidden = createForbidden('said that tokens cannot be reviewed', { siblings, logger, now })
  const hashes = new WeakMap<UserInfo, string>()
  const anonymous = createLine(ANONYMOUS_AT_ONCE, MOST_ANONYMOUS_WAITING)
  let hasReviewed = false

  async function review(token: string): Promise<UserInfo | undefined> {
    if (!forbidden.isNow()) {
      try {
        const verdict = await api.reviewToken(token, audiences)
        hasReviewed = true
        if (!verdict.authenticated) {
          const credential = fingerprintOf(hash, token)
          logger.info(
            `credential ${credential} is nobody's: the API server says ${verdict.error || 'no more'}`
          )
          return undefined
        }
        return verdict.user
      } catch (error) {
        if (!(error instanceof ApiForbidden)) throw error
        // One that has just started refuses all, callers too, until it has read its roles: that makes nobody of none.
        if (hasReviewed) return (await reviewSelf(token)) ?? Promise.reject(error)
        await forbidden.begin(`${error.message}; ${withoutReviews}`)
      }
    }
    return reviewSelf(token)
  }

  async function reviewSelf(token: string): Promise<UserInfo | undefined> {
    // The API server says nothing of audiences here: whether the token is meant for this registry cannot be told.
    if (audiences.length > 0) throw new ApiUnavailable(withoutReviews)
    return api.reviewSelf(token)
  }

  const withoutReviews =
    audiences.length === 0
      ? 'asking with the callers’ own tokens instead, and again in 5 minutes'
      : 'without it no token can be checked for its audience (REGISTRY_OPENSHIFT_AUTH_AUDIENCES): nobody gets in'

  function hashOf(user: UserInfo): string {
    let known = hashes.get(user)
    if (known === undefined) {
      known = hash(JSON.stringify([user.username, user.uid, user.groups, user.extra]))
      hashes.set(user, known)
    }
    return known
  }

  return {
    name: api.url,
    isLocal: false,
    splitsAt: 'last colon',

    async authenticate(token) {
      if (token.length > LONGEST_TOKEN || !TOKEN.test(token)) return undefined
      const user = await identities.get(hash(`token ${token}`), async () => {
        const user = await told(review(token))
        return user === undefined || isAnonymous(user) ? null : user
      })
      return user ?? undefined
    },

    decide(user, permission, place) {
      const attributes = attributesOf(permission, place)
      const question = hash(`${hashOf(user)} ${JSON.stringify(attributes)}`)
      const review = () => api.reviewAccess(user, attributes)
      return decisions.get(question, () =>
        told(isAnonymous(user) ? anonymous.run(review, ANONYMOUS_WAIT_MS) : review())
      )
    },

    explain: explainDenial,
    place: (repository) => placeOf(repository, nested)
  }
}
