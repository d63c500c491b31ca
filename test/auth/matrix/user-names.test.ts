import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import { type Answer, refusal } from '../../http/support.ts'
import { basic, bearer } from '../world.ts'
import { type Scene, scene } from './scene.ts'

/** Whatever an identity provider lets somebody be called. */
const NAMES = [
  'a\r\nX-Evil: 1\r\n\r\nHTTP/1.1 200 OK',
  'a\nb',
  'a\u0000b\u001b[31m\u007f',
  'say "please"',
  "o'hara",
  "'; echo evil; '",
  'back\\slash\\"',
  '$(echo evil) `echo evil` $PATH ; echo evil | evil & evil > /dev/null',
  'x",error="invalid_token",scope="repository:other/app:push',
  'Ünïcödé \u2713 \u202egnp.exe \u2028',
  '\ud800 half a pair',
  '{"access":[]}',
  '../../../etc/passwd',
  '%0d%0aX-Evil:%201',
  '-n',
  '--token=x',
  ' ',
  'kube:admin',
  'system:serviceaccount:a b:c;echo evil',
  'system:serviceaccount:team:$(echo evil)',
  'system:serviceaccount:team:builder',
  'a'.repeat(10 * 1024),
  `system:serviceaccount:team:${'a'.repeat(10 * 1024)}`
]

const PRINTABLE = /^[ -~]*$/

/** Puts a command through a shell, and gives the words that come out. */
function words(command: string): string[] {
  const script = `set -- ${command}; printf '%s\\0' "$@"`
  return execFileSync('sh', ['-c', script], { encoding: 'utf8' }).split('\0').slice(0, -1)
}

function judgeDenial(t: Test, answer: Answer, name: string, what: string): void {
  for (const [header, value] of Object.entries(answer.headers)) {
    t.match(String(value), PRINTABLE, `${what}: ${header}`)
  }
  t.notOk('x-evil' in answer.headers)
  const { message } = answer.json().errors[0]
  t.match(message, PRINTABLE, what)
  t.ok(message.length < 1000, `${what}: ${message.length} characters`)
  t.match(message, 'may not push to team/app: needs "update" on imagestreams/layers in namespace "team"')
  const [, command = ''] = message.split('grants it with: ')
  const [kubectl, create, kind, binding, role, subject, ...where] = words(command)
  t.same([kubectl, create, kind], ['kubectl', 'create', 'rolebinding'], what)
  t.match(binding, /^[a-z0-9][a-z0-9.:-]*$/, what)
  // Never a part of the name, or one like it: that could be somebody else's.
  const [, account] = /^system:(serviceaccount:team:builder)$/.exec(name) ?? []
  const shown = PRINTABLE.test(name) && name.length <= 100 ? name : '<the whole name>'
  t.equal(subject, account === undefined ? `--user=${shown}` : '--serviceaccount=team:builder', what)
  t.same([role, where], ['--clusterrole=registry-editor', ['-n', 'team']], what)
}

async function inTeam(t: Test): Promise<Scene> {
  const it = await scene(t)
  it.cluster.grant({ group: 'viewers' }, 'registry-viewer', 'team')
  await it.fill('team/app')
  return it
}

t.test('a user’s name does no harm in a refusal, a header, a token or the log', async (t) => {
  const it = await inTeam(t)
  const push = (authorization: string) =>
    it.ask('POST', '/v2/team/app/blobs/uploads/', { headers: { authorization } })
  for (const name of NAMES) {
    const what = JSON.stringify(name.slice(0, 50)).replace(/[^ -~]/g, '?')
    const secret = it.cluster.addUser(name, { groups: ['viewers'] })
    for (const authorization of [basic(secret, name), basic(secret), bearer(secret)]) {
      const answer = await push(authorization)
      t.equal(refusal(answer), '403 DENIED', what)
      judgeDenial(t, answer, name, what)
    }
    const token = await it.exchange(basic(secret, name), 'repository:team/app:pull,push')
    t.match(token, /^[\w-]+\.[\w-]+\.[\w-]+$/)
    const { sub, access } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
    t.equal(sub, name)
    t.same(access, [{ type: 'repository', name: 'team/app', actions: ['pull'] }])
    const answer = await push(bearer(token))
    t.equal(refusal(answer), '401 UNAUTHORIZED', what)
    judgeDenial(t, answer, name, what)
    t.match(
      answer.headers['www-authenticate'],
      /^Bearer realm="[^"]+",service="berth",scope="repository:team\/app:pull,push",error="insufficient_scope"$/
    )
  }
  for (const line of it.lines) {
    t.match(line, PRINTABLE)
    t.ok(line.length < 2000)
  }
  t.ok(it.lines.length > NAMES.length)
})

t.test('a name that makes a token too long for a header is refused one, and says so', async (t) => {
  const it = await inTeam(t)
  const name = randomBytes(10 * 1024).toString('base64')
  const headers = { authorization: basic(it.cluster.addUser(name, { groups: ['viewers'] })) }
  const answer = await it.ask('GET', '/openshift/token?scope=repository:team/app:pull', { headers })
  t.equal(refusal(answer), '403 DENIED')
  t.match(answer.body, 'the token would be longer than')
  t.equal((await it.ask('GET', '/v2/team/app/tags/list', { headers })).statusCode, 200)
})

t.test('no token passes for nobody', async (t) => {
  const it = await inTeam(t)
  it.cluster.grant('system:anonymous', 'registry-editor', 'team')
  const headers = { authorization: bearer(it.cluster.addUser('system:anonymous')) }
  t.equal(refusal(await it.ask('GET', '/v2/team/app/tags/list', { headers })), '401 UNAUTHORIZED')
})
