import t from 'tap'
import { formatScopes } from '../../../src/auth/scope.ts'
import { NOWHERE, refusal } from '../../http/support.ts'
import { basic, bearer } from '../world.ts'
import { nowhere, requestsOf } from './requests.ts'
import { type Scene, scene } from './scene.ts'
import { type CallerName, rows } from './table.ts'

const REPOSITORY = 'repository:team/app'
const EVERYTHING = `${REPOSITORY}:pull,push,delete`

/** Who asks for what, and what the token allows. */
const GRANTS: [CallerName, string | string[], string][] = [
  ['viewer', `${REPOSITORY}:pull`, `${REPOSITORY}:pull`],
  ['viewer', EVERYTHING, `${REPOSITORY}:pull`],
  ['viewer', `${REPOSITORY}:*`, `${REPOSITORY}:pull`],
  ['viewer', `${REPOSITORY}:push,pull`, `${REPOSITORY}:pull`],
  ['viewer', `${REPOSITORY}:push`, ''],
  ['editor', EVERYTHING, EVERYTHING],
  ['editor', `${REPOSITORY}:*`, EVERYTHING],
  ['editor', `${REPOSITORY}:push,pull`, `${REPOSITORY}:pull,push`],
  ['editor', [`${REPOSITORY}:pull`, `${REPOSITORY}:push`, `${REPOSITORY}:pull`], `${REPOSITORY}:pull,push`],
  ['editor', `${REPOSITORY}:pull ${REPOSITORY}:delete`, `${REPOSITORY}:pull,delete`],
  ['editor', [`${REPOSITORY}:pull`, 'repository:other/app:pull'], `${REPOSITORY}:pull`],
  ['editor', 'repository(plugin):team/app:pull', `${REPOSITORY}:pull`],
  ['editor', `${REPOSITORY}:pull,admin,`, `${REPOSITORY}:pull`],
  ['stranger', EVERYTHING, ''],
  ['pruner', EVERYTHING, `${REPOSITORY}:delete`],
  ['pruner', 'repository:other/app:*', 'repository:other/app:delete'],
  ['metrics', EVERYTHING, ''],
  ['anonymous', EVERYTHING, ''],
  ['viewer', 'registry:catalog:*', 'registry:catalog:*'],
  ['anonymous', 'registry:catalog:*', '']
]

/** Asked for by an editor, and nothing that anybody could be allowed. */
const NOTHING = [
  'repository:other/app:pull',
  'repository:app:pull',
  'repository:team:pull',
  'repository:team/:pull',
  'repository:team/app/x:pull',
  'repository:team%2Fapp:pull',
  'repository:team%2fapp:pull',
  'repository:team/../team/app:pull',
  'repository:./team/app:pull',
  'repository:other/../team/app:pull',
  'repository:team//app:pull',
  'repository:/team/app:pull',
  'repository:team/app/:pull',
  'repository:Team/app:pull',
  'repository:team/App:pull',
  'repository:team/äpp:pull',
  'repository:team/app\u0000:pull',
  'repository:team/app\u200b:pull',
  'repository:team/app\n:pull',
  'repository:team/app:pull\nrepository:team/app:push',
  'repository:team/app:pull\trepository:team/app:push',
  'repository:team/app :pull',
  'repository: team/app:pull',
  'repository:example.com:5000/team/app:pull',
  'repository:*:*',
  'repository:team/*:pull',
  'repository::pull',
  'repository:team/app:',
  'repository:team/app:PULL',
  'repository:team/app',
  'repository()team/app:pull',
  'REPOSITORY:team/app:pull',
  'signature:team/app:get',
  'admin::prune',
  'metrics::get',
  'registry:catalog:pull',
  'registry:other:*',
  'registry:*:*',
  `repository:team/${'a'.repeat(300)}:pull`
]

/** What a token says that it allows, which anybody can read. */
function allowedBy(token: string): string {
  const [, payload = ''] = token.split('.')
  return formatScopes(JSON.parse(Buffer.from(payload, 'base64url').toString()).access)
}

const exchange = ({ tokens, exchange }: Scene, caller: CallerName, ...scopes: string[]): Promise<string> =>
  exchange(tokens[caller] === undefined ? undefined : basic(tokens[caller]), ...scopes)

t.test('a token allows what was asked for and its bearer may do, and no more', async (t) => {
  const it = await scene(t)
  for (const [caller, asked, allowed] of GRANTS) {
    const token = await exchange(it, caller, ...[asked].flat())
    t.equal(allowedBy(token), allowed, `${caller}: ${asked}`)
  }
  for (const asked of NOTHING) {
    t.equal(allowedBy(await exchange(it, 'editor', asked)), '', JSON.stringify(asked))
    const both = [asked, `${REPOSITORY}:pull`]
    t.equal(allowedBy(await exchange(it, 'editor', ...both)), `${REPOSITORY}:pull`, JSON.stringify(both))
  }
})

t.test('a form is judged as a query is, and says what is allowed', async (t) => {
  const it = await scene(t)
  for (const [caller, asked, allowed] of GRANTS) {
    const scopes = [asked].flat().map((scope): [string, string] => ['scope', scope])
    const secret = it.tokens[caller]
    const login: [string, string][] = secret === undefined ? [] : [['username', 'me']]
    const password: [string, string][] = secret === undefined ? [] : [['password', secret]]
    const form = new URLSearchParams([['grant_type', 'password'], ...login, ...password, ...scopes])
    const answer = await it.ask('POST', '/openshift/token', { body: `${form}` })
    t.equal(allowedBy(answer.json().access_token), allowed, `${caller}: ${asked}`)
    t.equal(answer.json().scope, allowed)
  }
})

t.test('a token allows at most 16 repositories, and the API server is asked about no more', async (t) => {
  const it = await scene(t)
  const scopes = Array.from({ length: 40 }, (_, index) => `repository:team/app${index}:pull`)
  t.equal(allowedBy(await exchange(it, 'editor', ...scopes)), scopes.slice(0, 16).join(' '))
  t.equal(it.cluster.calls().subjectaccessreviews, 16)
  t.equal(allowedBy(await exchange(it, 'editor', scopes.join(' '))), scopes.slice(0, 16).join(' '))
})

t.test('a token is good for the repository that it names, and for no other', async (t) => {
  const it = await scene(t, { nested: true })
  const others = ['team/app2', 'team/ap', 'team/app/blobs', 'team/app/manifests', 'team/app/x', 'team/blobs']
  for (const name of ['team/app', ...others]) await it.fill(name)
  const authorization = bearer(await exchange(it, 'editor', EVERYTHING))
  for (const row of rows.filter(({ route }) => route.includes(':name'))) {
    for (const name of others) {
      for (const { method, url, headers, body } of requestsOf(row, nowhere(name))) {
        const answer = await it.ask(method, url, { headers: { ...headers, authorization }, body })
        t.equal(answer.statusCode, 401, `${method} ${url}`)
        t.match(answer.headers['www-authenticate'], `scope="repository:${name}:`)
        t.match(answer.headers['www-authenticate'], 'error="insufficient_scope"')
      }
    }
    for (const { method, url, headers, body } of requestsOf(row, nowhere('Team/app'))) {
      const answer = await it.ask(method, url, { headers: { ...headers, authorization }, body })
      t.equal(answer.statusCode, 400, `${method} ${url}`)
    }
  }
  t.same(it.changes(), [])
})

t.test('a token is good for the actions that it names, whatever its bearer may do', async (t) => {
  const it = await scene(t)
  const { tag, blob, upload } = await it.fill('team/app')
  await it.fill('team/source')
  const requests: Record<string, [string, string]> = {
    pull: ['GET', `/v2/team/app/manifests/${tag}`],
    push: ['POST', '/v2/team/app/blobs/uploads/'],
    cancel: ['DELETE', `/v2/team/app/blobs/uploads/${upload}`],
    delete: ['DELETE', `/v2/team/app/manifests/${tag}`],
    'delete a blob': ['DELETE', `/v2/team/app/blobs/${blob}`],
    catalog: ['GET', '/v2/_catalog']
  }
  const allowing: [string, string[]][] = [
    [`${REPOSITORY}:pull`, ['pull']],
    [`${REPOSITORY}:push`, ['push', 'cancel']],
    ['registry:catalog:*', ['catalog']],
    ['', []],
    [`${REPOSITORY}:delete`, ['delete', 'delete a blob']]
  ]
  for (const [scope, allowed] of allowing) {
    const authorization = bearer(await exchange(it, 'editor', scope))
    for (const [what, [method, url]] of Object.entries(requests)) {
      const { statusCode } = await it.ask(method, url, { headers: { authorization } })
      t.equal(statusCode < 400, allowed.includes(what), `${what} with "${scope}": ${statusCode}`)
      if (!allowed.includes(what)) t.equal(statusCode, 401)
    }
  }
})

t.test('a token narrowed by the cluster stays so in a token of the registry', async (t) => {
  const it = await scene(t)
  const { cluster } = it
  const { tag } = await it.fill('team/app')
  const extra = { 'scopes.authorization.openshift.io': ['user:info'] }
  const narrow = cluster.addUser('ed', { extra })
  t.equal(allowedBy(await it.exchange(basic(narrow), EVERYTHING)), '')
  for (const authorization of [basic(narrow), bearer(narrow)]) {
    const answer = await it.ask('GET', `/v2/team/app/manifests/${tag}`, { headers: { authorization } })
    t.equal(refusal(answer), '403 DENIED')
  }
  // The token of the registry carries it along: what it is asked about later is as narrow.
  const authorization = bearer(await it.exchange(basic(narrow), EVERYTHING))
  cluster.reset()
  const answer = await it.ask('POST', '/v2/team/narrow/blobs/uploads/', { headers: { authorization } })
  t.equal(refusal(answer), '401 UNAUTHORIZED')
  const bodies = cluster.requests.map(({ body }) => body?.spec)
  t.ok(bodies.length > 0)
  for (const { extra: sent, groups } of bodies) t.same([sent, groups], [extra, ['system:authenticated']])
  t.equal(
    refusal(await it.ask('HEAD', `/v2/team/app/blobs/${NOWHERE}`, { headers: { authorization } })),
    '401'
  )
})
