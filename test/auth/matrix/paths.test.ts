import t, { type Test } from 'tap'
import { listen } from '../../http/support.ts'
import { requestsOf } from './requests.ts'
import { type Scene, scene, type Target } from './scene.ts'
import { type CallerName, rows } from './table.ts'
import { codeOf, send } from './wire.ts'

/** Ways to write team/app that are none. */
const SPELLINGS = [
  'team%2Fapp',
  'team%2fapp',
  'team%252Fapp',
  'team/%61pp',
  'team//app',
  '/team/app',
  'team/app/',
  'team/./app',
  './team/app',
  'team/../team/app',
  'other/../team/app',
  '../team/app',
  '..%2fteam/app',
  '%2e%2e/team/app',
  'team/%2e%2e/team/app',
  'team/app/.',
  'team/app/..',
  'team/app%00',
  'team/app%20',
  'team/app%0d%0aX-Evil:1',
  'team/app;v=1',
  'team;x/app',
  'team\\app',
  'team%5capp',
  'team/app%C2%A0',
  'Team/app',
  'team/APP',
  '../v2/team/app'
]

/** Paths that are near to one of team/app, and are none: what each means to a sloppy proxy is for it to say. */
const NO_ROUTES = [
  '//v2/team/app/manifests/TAG',
  '/./v2/team/app/manifests/TAG',
  '/x/../v2/team/app/manifests/TAG',
  '/V2/team/app/manifests/TAG',
  '/v2%2Fteam/app/manifests/TAG',
  '/v2/team/app/manifests/TAG/',
  '/v2/team/app/Manifests/TAG',
  '/v2/team/app/manifests%2FTAG',
  '/v2/team/app//manifests//TAG',
  '/v2/team/app/tags/list/',
  '/v2/team/app/tags//list',
  '/v2/team/app/blobs//uploads/',
  '/v2/team/app',
  '/v2/team/app/',
  '/v2/_catalog/',
  '/v2//_catalog',
  '/openshift/token/',
  '/openshift//token',
  '/openshift/Token',
  '/metrics',
  '/extensions/v2/metrics/',
  '/extensions/v2//metrics',
  '/admin/blobs/x',
  '/debug/health'
]

const CALLERS: CallerName[] = ['anonymous', 'bad', 'viewer', 'editor', 'pruner', 'stranger']

async function wired(t: Test): Promise<Scene & { port: number; target: Target }> {
  const it = await scene(t, { nested: true })
  const target = await it.fill('team/app')
  return { ...it, target, port: await listen(it) }
}

t.test('a name that is spelled otherwise is none, for everybody and on every path', async (t) => {
  const { port, target, show, changes } = await wired(t)
  for (const row of rows.filter(({ route }) => route.includes(':name'))) {
    for (const [index, name] of SPELLINGS.entries()) {
      const [sent] = requestsOf(row, { ...target, name })
      // Who asks goes round.
      const caller = CALLERS[(index + row.route.length) % CALLERS.length] as CallerName
      const form = index % 2 === 0 ? 'Basic' : 'JWT'
      const authorization = await show(caller, form, ['repository:team/app:pull,push,delete'])
      const headers = authorization === undefined ? [] : ['authorization', authorization]
      const reply = await send(port, {
        method: row.method,
        path: sent?.url ?? '',
        headers
      })
      const wanted = row.method === 'HEAD' ? '400' : '400 NAME_INVALID'
      t.equal(codeOf(reply), wanted, `${caller} (${form}) ${row.method} ${sent?.url}`)
    }
  }
  t.same(changes(), [])
})

t.test('what is no path is none for everybody', async (t) => {
  const { port, target, show } = await wired(t)
  for (const caller of CALLERS) {
    const authorization = await show(caller, 'Basic', [])
    const headers = authorization === undefined ? [] : ['authorization', authorization]
    for (const path of NO_ROUTES) {
      const reply = await send(port, { path: path.replace('TAG', target.tag), headers })
      t.match(codeOf(reply), /^(404 UNSUPPORTED|400 NAME_INVALID)$/, `${caller} ${path}`)
    }
  }
})

t.test('a whole URL is judged by its path', async (t) => {
  const { port, target, show } = await wired(t)
  const path = `http://elsewhere.example.com/v2/team/app/manifests/${target.tag}`
  t.equal(codeOf(await send(port, { path })), '401 UNAUTHORIZED')
  const editor = ['authorization', (await show('editor', 'Bearer', [])) as string]
  t.equal((await send(port, { path, headers: editor })).status, 200)
  const stranger = ['authorization', (await show('stranger', 'Bearer', [])) as string]
  t.equal(codeOf(await send(port, { path, headers: stranger })), '403 DENIED')
})
