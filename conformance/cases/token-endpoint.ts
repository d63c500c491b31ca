import type { Stage } from '../case.ts'
import type { Answer } from '../client.ts'
import { inWords, must, NotSetUp, skip } from '../expect.ts'
import { basic, type Challenge, parseChallenges, tokenOf } from '../login.ts'

/** What a push without a login is told. @throws Skipped when none is asked for */
export async function refusalOf({ bare, registry, repository }: Stage): Promise<Answer> {
  const answer = await bare('POST', new URL(`/v2/${repository.name}/blobs/uploads/`, registry))
  if (answer.status !== 401) skip('the registry asks for no login')
  return answer
}

/** The challenge to get a token. @throws Skipped when the registry asks for no login, or otherwise */
export async function bearerOf(stage: Stage): Promise<Challenge> {
  const answer = await refusalOf(stage)
  const challenge = parseChallenges(answer).find(({ scheme }) => scheme === 'bearer')
  if (challenge === undefined) skip('the registry asks for a login with Basic, and gives no tokens')
  return challenge
}

export interface TokenEndpoint {
  /** Who may be logged in as, as a header. */
  login: string
  username: string
  password: string
  service: string | undefined
  /** A GET with these words of the query; several of one name are asked for as they come. */
  get(query: readonly (readonly [string, string])[], authorization?: string): Promise<Answer>
  /** A POST of a form. */
  post(form: readonly (readonly [string, string])[], type?: string): Promise<Answer>
  /** A token for these scopes. @throws NotSetUp when there is none */
  token(...scopes: string[]): Promise<string>
  /** What a request with this token is answered. */
  use(token: string, method: string, path: string): Promise<Answer>
}

/** @throws Skipped when the registry gives no tokens, or nobody's login is known */
export async function tokenEndpoint(stage: Stage): Promise<TokenEndpoint> {
  const { bare, registry, repository, credentials } = stage
  const { realm, service } = (await bearerOf(stage)).parameters
  if (credentials === undefined) skip('nobody to log in as: --username and --password say whom')
  if (realm === undefined || !URL.canParse(realm)) throw new NotSetUp(`no token endpoint, but "${realm}"`)
  const login = basic(credentials)
  const endpoint: TokenEndpoint = {
    ...credentials,
    login,
    service,
    get(query, authorization) {
      const url = new URL(realm)
      if (service !== undefined) url.searchParams.append('service', service)
      for (const [name, value] of query) url.searchParams.append(name, value)
      return bare('GET', url, authorization === undefined ? {} : { headers: { authorization } })
    },
    post(form, type = 'application/x-www-form-urlencoded') {
      const fields = new URLSearchParams(service === undefined ? [] : [['service', service]])
      for (const [name, value] of form) fields.append(name, value)
      const body = Buffer.from(fields.toString())
      return bare('POST', new URL(realm), { headers: { 'content-type': type }, body })
    },
    async token(...scopes) {
      const answer = await endpoint.get(scopesOf(...scopes), login)
      const token = tokenOf(answer)
      if (token === undefined) throw new NotSetUp(`${answer.sent}: no token, but ${inWords(answer)}`)
      return token
    },
    use(token, method, path) {
      const url = new URL(path.startsWith('/') ? path : `/v2/${repository.name}/${path}`, registry)
      return bare(method, url, { headers: { authorization: `Bearer ${token}` } })
    }
  }
  return endpoint
}

export function scopesOf(...scopes: string[]): (readonly [string, string])[] {
  return scopes.map((scope) => ['scope', scope] as const)
}

/** A token lets its bearer push: an upload begins. @throws Failed */
export async function mustLetPush(endpoint: TokenEndpoint, token: string): Promise<void> {
  must(await endpoint.use(token, 'POST', 'blobs/uploads/'), { status: 202 })
}
