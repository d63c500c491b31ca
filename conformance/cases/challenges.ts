import type { Case } from '../case.ts'
import { type Answer, NoAnswer } from '../client.ts'
import { ACCEPT } from '../content.ts'
import { header, must, mustHold, needs, skip } from '../expect.ts'
import { basic, parseChallenges } from '../login.ts'
import { bearerOf, refusalOf, tokenEndpoint } from './token-endpoint.ts'

const SECTION = 'Requesting a Token (distribution, token specification)'

/** What a request without enough of a login is told. */
export const challenges: readonly Case[] = [
  {
    id: 'A-01',
    level: 'MUST',
    section: SECTION,
    title: 'a request that needs a login is 401 with a challenge whose values are in quotes',
    async run(stage) {
      const answer = await refusalOf(stage)
      const [challenge] = parseChallenges(answer)
      mustHold(challenge !== undefined, `${answer.sent}: 401 without a WWW-Authenticate`)
      must(answer, { headers: { 'www-authenticate': /^(Bearer|Basic) \w+="[^"]*"( *, *\w+="[^"]*")*/i } })
      if (challenge?.scheme === 'bearer') must(answer, { headers: { 'www-authenticate': /\brealm="[^"]+"/ } })
      stage.should(answer, { code: 'UNAUTHORIZED' })
    }
  },
  {
    id: 'A-02',
    level: 'clients',
    section: SECTION,
    title: 'a challenge for a token comes before others, and no value in it holds the word Bearer or Basic',
    async run(stage) {
      const answer = await refusalOf(stage)
      const schemes = parseChallenges(answer).map(({ scheme }) => scheme)
      if (schemes.indexOf('bearer') > 0) skip(`${answer.sent}: Bearer after ${schemes[0]}`)
      const words = (header(answer, 'www-authenticate') ?? '').match(/\b(bearer|basic)\b/gi) ?? []
      if (words.length > schemes.length)
        skip(`${answer.sent}: a value reads as a scheme: ${words.join(', ')}`)
    }
  },
  {
    id: 'A-03',
    level: 'docker',
    section: SECTION,
    title: 'a challenge names the scope that the request needs, and that of /v2/ names none',
    async run(stage) {
      const { repository, another } = stage
      await bearerOf(stage)
      const { name } = repository
      const digest = stage.random.digest()
      const from = another().name
      const expected = [
        ['GET', '/v2/', undefined],
        ['GET', `/v2/${name}/manifests/latest`, [`repository:${name}:pull`]],
        ['HEAD', `/v2/${name}/blobs/${digest}`, [`repository:${name}:pull`]],
        ['POST', `/v2/${name}/blobs/uploads/`, [`repository:${name}:pull,push`]],
        ['PUT', `/v2/${name}/manifests/latest`, [`repository:${name}:pull,push`]],
        ['DELETE', `/v2/${name}/manifests/${digest}`, [`repository:${name}:delete`]],
        [
          'POST',
          `/v2/${name}/blobs/uploads/?mount=${digest}&from=${from}`,
          [`repository:${name}:pull,push`, `repository:${from}:pull`]
        ],
        ['GET', '/v2/_catalog', ['registry:catalog:*']]
      ] as const
      for (const [method, path, scopes] of expected) {
        const answer = await stage.bare(method, new URL(path, stage.registry))
        if (answer.status !== 401) continue // some may be done by anybody
        mustHold(
          parseChallenges(answer)[0]?.scheme === 'bearer',
          `${answer.sent}: expected a challenge for a token, got ${header(answer, 'www-authenticate')}`
        )
        const scope = parseChallenges(answer)[0]?.parameters.scope
        const isRight = isScope(scope, scopes)
        if (!isRight)
          skip(`${answer.sent}: expected the scope ${scopes?.join(' ') ?? 'none'}, got ${scope ?? 'none'}`)
      }
    }
  },
  {
    id: 'A-04',
    level: 'SHOULD',
    section: 'The WWW-Authenticate Response Header Field (RFC 6750)',
    title:
      'a challenge says invalid_token to a bad token, insufficient_scope to one for less, and else nothing',
    async run(stage) {
      const none = await refusalOf(stage)
      await bearerOf(stage)
      if (errorOf(none) !== undefined)
        skip(`${none.sent}: without a token expected no error, got ${errorOf(none)}`)
      const endpoint = await tokenEndpoint(stage)
      const cases = [
        ['rubbish', 'invalid_token'],
        [await endpoint.token(), 'insufficient_scope']
      ] as const
      for (const [token, error] of cases) {
        const answer = await endpoint.use(token, 'POST', 'blobs/uploads/')
        must(answer, { status: [401, 403] })
        needs(answer, { status: 401 })
        if (errorOf(answer) !== error)
          skip(`${answer.sent}: expected error="${error}", got ${errorOf(answer)}`)
      }
    }
  },
  {
    id: 'A-05',
    level: 'MUST',
    section: '401 Unauthorized (RFC 9110)',
    title:
      'what a login would allow is 401 without one, for pulls, pushes and deletions, and changes nothing',
    async run(stage) {
      await refusalOf(stage)
      const { repository, bare, registry } = stage
      const image = await repository.pushImage('latest')
      for (const [method, path] of [
        ['PUT', `manifests/other`],
        ['DELETE', `manifests/${image.digest}`],
        ['DELETE', 'manifests/latest']
      ] as const) {
        const answer = await bare(method, new URL(`/v2/${repository.name}/${path}`, registry), {
          headers: { 'content-type': image.mediaType },
          body: image.bytes
        })
        must(answer, { status: 401, headers: { 'www-authenticate': /./ } })
      }
      const pull = await bare('GET', new URL(`/v2/${repository.name}/manifests/latest`, registry), {
        headers: { accept: ACCEPT }
      })
      must(pull, { status: [200, 401] }) // pulls may be free
      must(await repository.get('manifests/latest', { accept: ACCEPT }), { status: 200, body: image.bytes })
      must(await repository.get('manifests/other', { accept: ACCEPT }), { status: 404 })
    }
  },
  {
    id: 'A-06',
    level: 'clients',
    section: SECTION,
    title: 'a request without a login is refused before its body comes',
    async run(stage) {
      await refusalOf(stage)
      const upload = await stage.repository.openUpload()
      const headers = { 'content-type': 'application/octet-stream' }
      const unsent = { headers, promised: 50_000_000 }
      const answer = await stage.bare('PATCH', upload, unsent).catch((error: unknown) => {
        if (error instanceof NoAnswer && error.kind !== 'unreachable') skip(error.message)
        throw error
      })
      needs(answer, { status: 401 })
    }
  },
  {
    id: 'A-07',
    level: 'MUST',
    section: SECTION,
    title: 'the realm is the whole address of the token endpoint, with https where the registry has it',
    async run(stage) {
      const { realm } = (await bearerOf(stage)).parameters
      mustHold(
        realm !== undefined && URL.canParse(realm),
        `expected a whole address as realm, got "${realm}"`
      )
      const { protocol } = new URL(realm ?? '')
      mustHold(
        stage.registry.protocol === 'http:' ? /^https?:$/.test(protocol) : protocol === 'https:',
        `expected a realm with ${stage.registry.protocol}, got "${realm}"`
      )
    }
  },
  {
    id: 'A-08',
    level: 'MUST',
    section: 'The ’Basic’ HTTP Authentication Scheme (RFC 7617)',
    title: 'where the challenge is Basic, name and password let in at GET /v2/, and a wrong password is 401',
    async run(stage) {
      const answer = await refusalOf(stage)
      const challenge = parseChallenges(answer)[0]
      if (challenge?.scheme !== 'basic') skip('the registry asks for tokens')
      mustHold(challenge.parameters.realm !== undefined, `${answer.sent}: a Basic challenge without a realm`)
      if (stage.credentials === undefined) skip('nobody to log in as: --username and --password say whom')
      const ping = new URL('/v2/', stage.registry)
      const login = (password: string) => basic({ username: stage.credentials?.username ?? '', password })
      const right = { headers: { authorization: login(stage.credentials.password) } }
      must(await stage.bare('GET', ping, right), { status: 200 })
      const wrong = { headers: { authorization: login(`${stage.credentials.password}-not`) } }
      must(await stage.bare('GET', ping, wrong), { status: 401, headers: { 'www-authenticate': /./ } })
    }
  }
]

function errorOf(answer: Answer): string | undefined {
  return parseChallenges(answer)[0]?.parameters.error
}

/** Whether they are the same, whatever the order of scopes and of their actions; push may be asked without pull. */
function isScope(got: string | undefined, expected: readonly string[] | undefined): boolean {
  if (got === undefined || expected === undefined) return got === expected
  const sorted = (scopes: readonly string[]): string =>
    scopes
      .map((scope) => scope.replace(/[^:]*$/, (actions) => actions.split(',').toSorted().join()))
      .toSorted()
      .join(' ')
  return sorted(got.split(' ')) === sorted(expected)
}
