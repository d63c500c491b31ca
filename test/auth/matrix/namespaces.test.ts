import t, { type Test } from 'tap'
import { type Answer, pushImage, refusal } from '../../http/support.ts'
import { as, basic, bearer, type WorldOptions, world } from '../world.ts'
import { requestsOf } from './requests.ts'
import { FORMS, type Form, type Scene, scene, type Target } from './scene.ts'
import { type CallerName, rows } from './table.ts'

const EVERYTHING = 'repository:team/app:pull,push,delete'

/** UIDs are known for 10 s, and what is settled is settled for one more. */
const NOTICED_MS = 11_000

interface Told extends Scene {
  target: Target
  ask1(caller: CallerName, form: Form, method: string, url: string): Promise<Answer>
  ownerOf(name?: string): Promise<string | undefined>
}

async function told(t: Test, options: WorldOptions = {}): Promise<Told> {
  const it = await scene(t, options)
  // Whoever prunes sees what it prunes, where it may pull as well.
  it.cluster.grant('system:serviceaccount:berth:pruner', 'registry-viewer')
  return {
    ...it,
    target: await it.fill('team/app'),
    ownerOf: (name = 'team/app') => it.registry.owners.read(name as never),
    async ask1(caller, form, method, url) {
      const authorization = await it.show(caller, form, [EVERYTHING])
      return it.ask(method, url, { headers: authorization === undefined ? {} : { authorization } })
    }
  }
}

const ENDS: Record<string, (it: Scene) => unknown> = {
  'deleted and made anew': ({ cluster }) => {
    cluster.deleteNamespace('team')
    cluster.createNamespace('team')
  },
  deleted: ({ cluster }) => cluster.deleteNamespace('team')
}

t.test('what a former namespace has left is hidden from all but pruners', async (t) => {
  for (const [end, finish] of Object.entries(ENDS)) {
    const it = await told(t)
    // Pulled before, so that all that can be remembered is.
    for (const form of FORMS) {
      t.equal((await it.ask1('viewer', form, 'GET', '/v2/team/app/tags/list')).statusCode, 200)
    }
    await finish(it)
    it.pass(NOTICED_MS)
    for (const row of rows.filter(
      ({ action, route }) => action === 'pull' || (action === 'delete' && route)
    )) {
      for (const [index, { method, url }] of requestsOf(row, it.target).entries()) {
        for (const caller of ['viewer', 'editor', 'admin'] as const) {
          for (const form of FORMS) {
            if (row.action === 'delete' && caller === 'viewer') continue
            const answer = await it.ask1(caller, form, method, url)
            const wanted = method === 'HEAD' ? '404' : '404 NAME_UNKNOWN'
            t.equal(refusal(answer), wanted, `${end}: ${caller} (${form}) ${method} ${url}`)
          }
        }
        if (row.action !== 'pull') continue
        const answer = await it.ask1('pruner', FORMS[index % 3] as Form, method, url)
        t.equal(answer.statusCode, 200, `${end}: pruner ${method} ${url}`)
      }
    }
    for (const caller of ['viewer', 'editor', 'admin'] as const) {
      t.same((await it.ask1(caller, 'Basic', 'GET', '/v2/_catalog')).json(), { repositories: [] }, caller)
    }
    t.same(it.changes(), [], 'nothing of it is removed by looking')
    t.equal(
      (await it.ask1('pruner', 'JWT', 'DELETE', `/v2/team/app/manifests/${it.target.tag}`)).statusCode,
      202
    )
  }
})

t.test('a push after that starts afresh', async (t) => {
  const it = await told(t)
  const former = await it.ownerOf()
  it.cluster.deleteNamespace('team')
  const uid = it.cluster.createNamespace('team')
  it.pass(NOTICED_MS)
  const { tag, manifest, blob, upload } = it.target
  const editor = basic(it.tokens.editor as string)
  for (const [method, url] of [
    ['PATCH', `/v2/team/app/blobs/uploads/${upload}`],
    ['PUT', `/v2/team/app/blobs/uploads/${upload}?digest=${blob}`],
    ['GET', `/v2/team/app/blobs/uploads/${upload}`]
  ] as const) {
    t.equal(refusal(await it.ask1('editor', 'JWT', method, url)), '404 NAME_UNKNOWN', `a former ${method}`)
  }
  t.equal(await it.ownerOf(), former)
  await pushImage(as(it, editor), 'team/app', 'fresh', 'new content')
  t.equal(await it.ownerOf(), uid)
  t.same((await it.ask1('viewer', 'Basic', 'GET', '/v2/team/app/tags/list')).json().tags, ['fresh'])
  for (const path of [`manifests/${tag}`, `manifests/${manifest}`, `blobs/${blob}`]) {
    t.equal((await it.ask1('viewer', 'JWT', 'GET', `/v2/team/app/${path}`)).statusCode, 404, path)
  }
  const mount = `/v2/team/app/blobs/uploads/?mount=${blob}&from=team/app`
  t.equal((await it.ask1('editor', 'JWT', 'POST', mount)).statusCode, 202)
})

t.test('what was pushed and acknowledged right after is not removed by a later push', async (t) => {
  const it = await told(t)
  const client = as(it, basic(it.tokens.editor as string))
  t.equal((await client.ask('GET', '/v2/team/app/tags/list')).statusCode, 200, 'the UID is known')
  it.cluster.deleteNamespace('team')
  const uid = it.cluster.createNamespace('team')
  // Its blobs may have gone to the former repository, and then it fails: but it is not taken for done.
  await pushImage(client, 'team/app', 'first', 'new content').catch(() =>
    pushImage(client, 'team/app', 'first')
  )
  t.equal(await it.ownerOf(), uid)
  it.pass(NOTICED_MS)
  await pushImage(client, 'team/app', 'second', 'more content')
  t.same((await client.ask('GET', '/v2/team/app/tags/list')).json().tags, ['first', 'second'])
})

t.test('who may not push, or not create, empties nothing', async (t) => {
  const it = await told(t)
  it.cluster.grant('pia', 'system:image-pusher', 'team')
  const former = await it.ownerOf()
  it.cluster.deleteNamespace('team')
  it.cluster.createNamespace('team')
  it.pass(NOTICED_MS)
  const authorization = basic(it.cluster.addUser('pia'))
  for (const [method, url] of [
    ['POST', '/v2/team/app/blobs/uploads/'],
    ['PUT', '/v2/team/app/manifests/v1']
  ] as const) {
    for (const caller of ['viewer', 'stranger', 'metrics'] as const) {
      t.equal(refusal(await it.ask1(caller, 'Bearer', method, url)), '403 DENIED', caller)
    }
    const answer = await it.ask(method, url, { headers: { authorization } })
    t.equal(refusal(answer), '403 DENIED')
    t.match(answer.body, 'pia may not create team/app: needs \\"create\\" on imagestreams')
  }
  t.equal(await it.ownerOf(), former)
  t.same(it.changes(), [])
})

t.test('a repository without an owner is adopted by the first who may push there', async (t) => {
  const users: [CallerName, boolean][] = [
    ['viewer', false],
    ['pruner', false],
    ['stranger', false],
    ['editor', true],
    ['admin', true]
  ]
  for (const [caller, adopts] of users) {
    for (const form of FORMS) {
      const it = await told(t)
      await it.storage.delete('docker/registry/v2/repositories/team/app/_ext/v1/owner')
      it.pass(NOTICED_MS)
      const other = await it.fill('team/owned')
      t.equal(await it.ownerOf(), undefined)
      const { statusCode } = await it.ask1(caller, form, 'GET', `/v2/team/app/manifests/${it.target.tag}`)
      if (caller !== 'stranger') t.equal(statusCode, 200, `${caller} (${form})`)
      const owner = adopts ? await it.ownerOf(other.name) : undefined
      t.equal(await it.ownerOf(), owner, `${caller} (${form}): ${adopts}`)
    }
  }
})

t.test('nobody pushes to a namespace that is not there', async (t) => {
  const it = await told(t)
  it.cluster.grant('root', 'registry-admin')
  const authorization = bearer(it.cluster.addUser('root'))
  it.changes()
  const answer = await it.ask('POST', '/v2/nowhere/app/blobs/uploads/', { headers: { authorization } })
  t.equal(refusal(answer), '404 NAME_UNKNOWN')
  t.match(answer.body, 'there is no namespace')
  t.same(it.changes(), [])
})

t.test('a namespace that is being deleted is still there', async (t) => {
  const it = await told(t)
  it.cluster.terminateNamespace('team')
  it.pass(NOTICED_MS)
  t.equal((await it.ask1('viewer', 'Basic', 'GET', '/v2/team/app/tags/list')).statusCode, 200)
})

t.test('where namespaces may not be read berth says so once, and does without', async (t) => {
  const it = await told(t)
  it.cluster.forbid('namespaces')
  const warnings = () => it.lines.filter((line) => line.includes('get namespaces'))
  for (let minute = 0; minute < 12; minute++) {
    it.pass(60_000)
    for (const caller of ['viewer', 'editor'] as const) {
      t.equal((await it.ask1(caller, 'Bearer', 'GET', '/v2/team/app/tags/list')).statusCode, 200)
    }
  }
  t.equal(warnings().length, 1)
  t.match(warnings()[0], 'can read its old images')
  t.equal((await it.ask1('editor', 'Bearer', 'POST', '/v2/team/app/blobs/uploads/')).statusCode, 202)
  const calls = it.cluster.calls().namespaces ?? 0
  t.ok(calls >= 2 && calls <= 4, `asked again every 5 minutes: ${calls}`)
  it.cluster.permit('namespaces')
  it.cluster.deleteNamespace('team')
  it.pass(5 * 60_000)
  t.equal((await it.ask1('viewer', 'Bearer', 'GET', '/v2/team/app/tags/list')).statusCode, 404)
})

t.test('once they might be read, a refusal shows nothing of a former namespace', async (t) => {
  const it = await told(t)
  const pull = async () => refusal(await it.ask1('editor', 'Basic', 'GET', '/v2/team/app/tags/list'))
  it.cluster.deleteNamespace('team')
  it.cluster.createNamespace('team')
  t.equal(await pull(), '404 NAME_UNKNOWN')
  it.cluster.forbid('namespaces')
  it.pass(NOTICED_MS)
  t.match(await pull(), /^(404|503)/)
  t.equal(refusal(await it.ask1('editor', 'Basic', 'POST', '/v2/team/app/blobs/uploads/')), '503 UNAVAILABLE')
  it.cluster.permit('namespaces')
  it.pass(NOTICED_MS)
  t.equal(await pull(), '404 NAME_UNKNOWN')
})

t.test('a namespace is there 2 s after it was made, whoever looked for it before', async (t) => {
  const it = await told(t)
  it.cluster.grant('root', 'registry-admin')
  const root = as(it, basic(it.cluster.addUser('root')))
  t.equal(refusal(await root.ask('GET', '/v2/fresh/app/tags/list')), '404 NAME_UNKNOWN')
  it.cluster.createNamespace('fresh')
  it.pass(2_000)
  t.equal((await root.ask('POST', '/v2/fresh/app/blobs/uploads/')).statusCode, 202)
})

t.test('a setting turns the check off', async (t) => {
  const it = await told(t, { namespaceUids: false })
  it.cluster.deleteNamespace('team')
  it.pass(NOTICED_MS)
  it.cluster.reset()
  t.equal((await it.ask1('viewer', 'Basic', 'GET', '/v2/team/app/tags/list')).statusCode, 200)
  t.equal(it.cluster.calls().namespaces, undefined)
})

t.test(
  'what is pushed while namespaces are not looked at is not taken for the former one later',
  async (t) => {
    const it = await told(t)
    const storage = it.storage
    const unchecked = await world(t, { storage, cluster: it.cluster, namespaceUids: false })
    it.cluster.deleteNamespace('team')
    it.cluster.createNamespace('team')
    await pushImage(as(unchecked, basic(it.tokens.editor as string)), 'team/app', 'kept', 'new content')
    const again = await world(t, { storage, cluster: it.cluster })
    const client = as(again, basic(it.tokens.editor as string))
    await pushImage(client, 'team/app', 'second', 'more content')
    const { tags } = (await client.ask('GET', '/v2/team/app/tags/list')).json()
    t.ok(tags.includes('kept') && tags.includes('second'))
  }
)
