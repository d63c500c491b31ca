import type { Case } from '../case.ts'
import { header, jsonObject, must, mustHold, needs, skip } from '../expect.ts'
import { basic, tokenOf } from '../login.ts'
import { mustLetPush, scopesOf, tokenEndpoint } from './token-endpoint.ts'

const GET = 'Requesting a Token (distribution, token specification)'
const POST = 'Getting a token (distribution, OAuth2)'

/** What the token endpoint takes, and what it gives. */
export const tokenRequests: readonly Case[] = [
  {
    id: 'A-10',
    level: 'MUST',
    section: GET,
    title: 'a token is given for several scopes, for none, and whatever else clients tell',
    async run(stage) {
      const endpoint = await tokenEndpoint(stage)
      const [one, two] = [stage.repository.name, stage.another().name]
      const scopes = [`repository:${one}:pull,push`, `repository:${two}:pull,push`] as const
      const each = await endpoint.get(scopesOf(...scopes), endpoint.login)
      must(each, { status: 200 })
      await mustLetPush(endpoint, tokenOf(each) ?? '')
      must(await endpoint.use(tokenOf(each) ?? '', 'POST', `/v2/${two}/blobs/uploads/`), { status: 202 })
      const joined = await endpoint.get(scopesOf(scopes.join(' ')), endpoint.login)
      stage.should(joined, { status: 200 })
      stage.should(await endpoint.use(tokenOf(joined) ?? '', 'POST', 'blobs/uploads/'), { status: 202 })
      const docker = [
        ['account', endpoint.username],
        ['client_id', 'docker'],
        ['whatever', 'x']
      ] as const
      const login = await endpoint.get(docker, endpoint.login)
      must(login, { status: 200 })
      must(await endpoint.use(tokenOf(login) ?? '', 'GET', '/v2/'), { status: 200 }) // docker login ends here
    }
  },
  {
    id: 'A-11',
    level: 'MUST',
    section: GET,
    title: 'wrong credentials get 401 and no token; an empty user with an empty password is nobody',
    async run(stage) {
      const endpoint = await tokenEndpoint(stage)
      const scope = scopesOf(`repository:${stage.repository.name}:pull`)
      for (const [username, password] of [
        [endpoint.username, `${endpoint.password}-not`],
        ['nobody-of-that-name', 'x']
      ]) {
        const answer = await endpoint.get(
          scope,
          basic({ username: username ?? '', password: password ?? '' })
        )
        must(answer, { status: 401 })
      }
      const [nobody, empty] = [await endpoint.get(scope), await endpoint.get(scope, 'Basic Og==')]
      must(nobody, { status: [200, 401] })
      stage.should(empty, { status: nobody.status })
    }
  },
  {
    id: 'A-12',
    level: 'MUST',
    section: GET,
    title: 'the answer holds a token, and says how long it lives and when it was made',
    async run(stage) {
      const endpoint = await tokenEndpoint(stage)
      const answer = await endpoint.get(scopesOf(`repository:${stage.repository.name}:pull`), endpoint.login)
      must(answer, { status: 200 })
      stage.should(answer, { headers: { 'content-type': /^application\/json\b/ } })
      const { token, access_token, expires_in = 60, issued_at, refresh_token } = jsonObject(answer)
      mustHold(typeof (token ?? access_token) === 'string', `${answer.sent}: neither token nor access_token`)
      if (token !== undefined && access_token !== undefined) {
        mustHold(token === access_token, `${answer.sent}: token and access_token differ`)
      }
      if (!(Number(expires_in) >= 60))
        stage.note(`${answer.sent}: lives for ${expires_in} s, less than a minute`)
      if (issued_at !== undefined) {
        const isTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(String(issued_at))
        mustHold(isTime, `${answer.sent}: issued_at is no time as RFC 3339 writes it: ${issued_at}`)
      }
      if (refresh_token !== undefined) stage.note(`${answer.sent}: a refresh token that nobody asked for`)
      if (String(token ?? access_token).length > 8000)
        stage.note(`${answer.sent}: a token of over 8000 bytes`)
    }
  },
  {
    id: 'A-13',
    level: 'MUST',
    section: GET,
    title: 'who asks for more than is granted gets a token for what is, and no error',
    async run(stage) {
      const endpoint = await tokenEndpoint(stage)
      const scopes = [`repository:${stage.repository.name}:pull,push,delete,fly`, 'registry:everything:*']
      const answer = await endpoint.get(scopesOf(...scopes), endpoint.login)
      must(answer, { status: 200 })
      await mustLetPush(endpoint, tokenOf(answer) ?? '')
    }
  },
  {
    id: 'A-14',
    level: 'MAY',
    section: POST,
    title: 'a refresh token, where one is given to those who ask, gets tokens without the password',
    async run(stage) {
      const endpoint = await tokenEndpoint(stage)
      const scope = `repository:${stage.repository.name}:pull,push`
      const query = [
        ['offline_token', 'true'],
        ['client_id', 'docker'],
        ['scope', scope]
      ] as const
      const answer = await endpoint.get(query, endpoint.login)
      must(answer, { status: 200 })
      const { refresh_token } = jsonObject(answer)
      if (refresh_token === undefined) skip('the registry gives no refresh tokens')
      const form = [
        ['grant_type', 'refresh_token'],
        ['refresh_token', String(refresh_token)]
      ] as const
      const refreshed = await endpoint.post([...form, ['client_id', 'docker'], ['scope', scope]])
      must(refreshed, { status: 200 })
      await mustLetPush(endpoint, tokenOf(refreshed) ?? '')
    }
  },
  {
    id: 'A-20',
    level: 'MAY',
    section: POST,
    title: 'a form with name and password gets a token too, as containerd sends it',
    async run(stage) {
      const endpoint = await tokenEndpoint(stage)
      const form = passwordForm(endpoint, `repository:${stage.repository.name}:pull,push`)
      for (const charset of ['', '; charset=utf-8']) {
        const answer = await endpoint.post(form, `application/x-www-form-urlencoded${charset}`)
        needs(answer, { status: 200 })
        await mustLetPush(endpoint, tokenOf(answer) ?? '')
      }
    }
  },
  {
    id: 'A-21',
    level: 'MUST',
    section: POST,
    title: 'the answer to such a form holds access_token, how long it lives and what it was granted',
    async run(stage) {
      const endpoint = await tokenEndpoint(stage)
      const answer = await endpoint.post(passwordForm(endpoint, `repository:${stage.repository.name}:pull`))
      needs(answer, { status: 200 })
      const { access_token, expires_in = 60, scope } = jsonObject(answer)
      mustHold(
        typeof access_token === 'string',
        `${answer.sent}: expected access_token, got ${typeof access_token}`
      )
      if (!(Number(expires_in) >= 60))
        stage.note(`${answer.sent}: lives for ${expires_in} s, less than a minute`)
      if (scope === undefined) stage.note(`${answer.sent}: no scope in the answer`)
    }
  },
  {
    id: 'A-22',
    level: 'clients',
    section: POST,
    title: 'a token endpoint without such forms says 404 or 405, upon which clients ask with GET',
    async run(stage) {
      const endpoint = await tokenEndpoint(stage)
      const answer = await endpoint.post(passwordForm(endpoint, `repository:${stage.repository.name}:pull`))
      needs(answer, { status: [200, 404, 405] })
    }
  },
  {
    id: 'A-23',
    level: 'MUST',
    section: POST,
    title: 'a form with a wrong password gets no token',
    async run(stage) {
      const endpoint = await tokenEndpoint(stage)
      const wrong = { ...endpoint, password: `${endpoint.password}-not` }
      const answer = await endpoint.post(passwordForm(wrong, `repository:${stage.repository.name}:pull`))
      if (answer.status === 404 || answer.status === 405) skip('the token endpoint takes no forms')
      must(answer, { status: [400, 401, 403] })
      stage.should(answer, { status: 401 })
      mustHold(tokenOf(answer) === undefined, `${answer.sent}: a token in spite of a wrong password`)
      if (header(answer, 'content-type') !== undefined)
        stage.should(answer, { headers: { 'content-type': /json/ } })
    }
  }
]

function passwordForm(
  { username, password }: { username: string; password: string },
  scope: string
): (readonly [string, string])[] {
  return [
    ['grant_type', 'password'],
    ['client_id', 'containerd-client'],
    ['username', username],
    ['password', password],
    ['scope', scope]
  ]
}
