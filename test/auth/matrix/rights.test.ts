import t from 'tap'
import type { ResourceAttributes } from '../../../src/kubernetes/api-server.ts'
import { type Ask, NOWHERE, refusal } from '../../http/support.ts'
import type { ROLES, Rule } from '../../kubernetes/rbac.ts'
import { basic, bearer } from '../world.ts'
import { type Scene, scene, type Target } from './scene.ts'

const layers = { group: 'image.openshift.io', resource: 'imagestreams', subresource: 'layers' }
const app = { namespace: 'team', name: 'app' }

type Request = (target: Target) => [method: string, url: string, options?: Ask]

const own = '/v2/team/app'

const REQUESTS = {
  'pull a manifest': ({ tag }) => ['GET', `${own}/manifests/${tag}`],
  'pull a blob': ({ blob }) => ['GET', `${own}/blobs/${blob}`],
  'list tags': () => ['GET', `${own}/tags/list`],
  'list referrers': ({ manifest }) => ['GET', `${own}/referrers/${manifest}`],
  'start an upload': () => ['POST', `${own}/blobs/uploads/`],
  'begin a repository': () => ['POST', '/v2/team/new/blobs/uploads/'],
  'go on with an upload': ({ upload }) => ['PATCH', `${own}/blobs/uploads/${upload}`, { body: 'x' }],
  'cancel an upload': ({ upload }) => ['DELETE', `${own}/blobs/uploads/${upload}`],
  'delete a tag': ({ tag }) => ['DELETE', `${own}/manifests/${tag}`],
  'delete a manifest': ({ manifest }) => ['DELETE', `${own}/manifests/${manifest}`],
  'delete a blob': ({ blob }) => ['DELETE', `${own}/blobs/${blob}`]
} as const satisfies Record<string, Request>

type What = keyof typeof REQUESTS

const PULLS: What[] = ['pull a manifest', 'pull a blob', 'list tags', 'list referrers']
const PUSHES: What[] = ['start an upload', 'go on with an upload', 'cancel an upload']
const only = (verb: string, resource: string, names?: string[]): Rule => ({
  verbs: [verb],
  resources: [resource],
  ...(names && { names })
})

/** What each role or rule allows in the namespace where it is given, and nothing else. */
const ALLOWS: [keyof typeof ROLES | Rule, What[]][] = [
  ['registry-viewer', PULLS],
  ['system:image-puller', PULLS],
  ['system:image-pusher', [...PULLS, ...PUSHES]],
  ['system:image-builder', [...PULLS, ...PUSHES, 'begin a repository']],
  ['registry-editor', Object.keys(REQUESTS) as What[]],
  ['prometheus-scraper', []],
  [only('get', 'imagestreams'), []],
  [only('get', '*/layers'), PULLS],
  [only('get', 'imagestreams/layers', ['app']), PULLS],
  [only('get', 'imagestreams/layers', ['new', 'ap', 'team/app']), []],
  [only('list', 'imagestreams/layers'), []],
  [only('update', 'imagestreams/layers'), PUSHES],
  [only('update', 'imagestreams'), []],
  [only('create', 'imagestreams'), []],
  [only('create', 'imagestreams/layers'), []],
  [only('delete', 'imagestreams'), []],
  [only('delete', 'imagestreamtags'), ['delete a tag']],
  [only('delete', 'imagestreamimages'), ['delete a manifest', 'delete a blob']],
  // Which only the whole cluster's would allow.
  [only('delete', 'images'), []],
  [{ ...only('*', '*'), group: 'apps' }, []]
]

async function allowed(it: Scene, secret: string): Promise<string[]> {
  const seen: string[] = []
  for (const [what, request] of Object.entries(REQUESTS)) {
    const [method, url, options] = (request as Request)(await it.fill('team/app'))
    const scope = `repository:${/^\/v2\/(team\/\w+)/.exec(url)?.[1]}:pull,push,delete`
    const forms = [basic(secret), bearer(secret), bearer(await it.exchange(basic(secret), scope))]
    const answers: boolean[] = []
    for (const authorization of forms) {
      const answer = await it.ask(method, url, { ...options, headers: { authorization } })
      // The second time what was deleted is gone.
      answers.push(answer.statusCode < 300 || answer.statusCode === 404)
    }
    if (new Set(answers).size > 1) throw new Error(`${what}: ${answers}`)
    if (answers[0]) seen.push(what)
    await it.storage.deleteFolder('docker/registry/v2/repositories/team/new')
    it.pass(11_000)
  }
  return seen.sort()
}

t.test('each right allows what it is for, and nothing else', async (t) => {
  const it = await scene(t)
  for (const [index, [what, expected]] of ALLOWS.entries()) {
    it.cluster.grant(`user${index}`, what, 'team')
    it.cluster.grant(`stranger${index}`, what, 'other')
    const name = typeof what === 'string' ? what : JSON.stringify(what)
    t.same(await allowed(it, it.cluster.addUser(`user${index}`)), expected.toSorted(), name)
    t.same(await allowed(it, it.cluster.addUser(`stranger${index}`)), [], `${name} elsewhere`)
  }
})

/** What the API server is asked about whoever does that. */
const REVIEWS: [What, ResourceAttributes[]][] = [
  ['pull a manifest', [{ ...layers, ...app, verb: 'get' }]],
  ['pull a blob', [{ ...layers, ...app, verb: 'get' }]],
  ['list tags', [{ ...layers, ...app, verb: 'get' }]],
  ['list referrers', [{ ...layers, ...app, verb: 'get' }]],
  ['start an upload', [{ ...layers, ...app, verb: 'update' }]],
  ['go on with an upload', [{ ...layers, ...app, verb: 'update' }]],
  ['cancel an upload', [{ ...layers, ...app, verb: 'update' }]],
  [
    'begin a repository',
    [
      { ...layers, namespace: 'team', name: 'new', verb: 'update' },
      {
        group: 'image.openshift.io',
        resource: 'imagestreams',
        namespace: 'team',
        name: 'new',
        verb: 'create'
      }
    ]
  ],
  ['delete a tag', [{ group: 'image.openshift.io', resource: 'imagestreamtags', ...app, verb: 'delete' }]],
  [
    'delete a manifest',
    [{ group: 'image.openshift.io', resource: 'imagestreamimages', ...app, verb: 'delete' }]
  ],
  ['delete a blob', [{ group: 'image.openshift.io', resource: 'imagestreamimages', ...app, verb: 'delete' }]]
]

t.test('the API server is asked about the caller as a whole, and about just what is done', async (t) => {
  const it = await scene(t)
  const groups = ['dev', 'ops']
  const extra = { 'example.com/key': ['a', 'b'], 'authentication.kubernetes.io/pod-name': ['p'] }
  for (const [what, reviews] of REVIEWS) {
    const name = `ed-${what.replaceAll(' ', '-')}`
    it.cluster.grant(name, 'registry-editor', 'team')
    const secret = it.cluster.addUser(name, { groups, extra, uid: 'a-uid' })
    const [method, url, options] = (REQUESTS[what] as Request)(await it.fill('team/app'))
    it.cluster.reset()
    await it.ask(method, url, { ...options, headers: { authorization: bearer(secret) } })
    const asked = it.cluster.requests.filter(({ kind }) => kind === 'subjectaccessreviews')
    t.same(
      asked.map(({ body }) => body.spec.resourceAttributes),
      reviews,
      what
    )
    for (const { body } of asked) {
      const user = { user: name, uid: 'a-uid', groups: [...groups, 'system:authenticated'], extra }
      t.same({ ...body.spec, resourceAttributes: undefined }, { ...user, resourceAttributes: undefined })
    }
  }
})

t.test('anonymous is reviewed as such', async (t) => {
  const it = await scene(t)
  await it.exchange(undefined, 'repository:team/app:pull')
  const [{ body } = { body: undefined }] = it.cluster.requests
  t.match(body.spec, { user: 'system:anonymous', groups: ['system:unauthenticated'] })
})

t.test('names that can be no repository here are told so to everybody, and not judged', async (t) => {
  const it = await scene(t)
  const cases: [string, string, RegExp][] = [
    ['app', '404 NAME_UNKNOWN', /default\/app/],
    ['team', '404 NAME_UNKNOWN', /default\/team/],
    ['team/app/x', '400 NAME_INVALID', /NESTEDREPOSITORIES/],
    ['te.am/app', '400 NAME_INVALID', /can be no namespace/],
    ['te_am/app', '400 NAME_INVALID', /can be no namespace/],
    [`${'a'.repeat(64)}/app`, '400 NAME_INVALID', /can be no namespace/]
  ]
  for (const [name, code, hint] of cases) {
    for (const caller of ['anonymous', 'bad', 'viewer', 'pruner'] as const) {
      const authorization = await it.show(caller, 'Bearer', [])
      const headers: Ask = { headers: authorization === undefined ? {} : { authorization } }
      for (const [method, rest] of [
        ['GET', `blobs/${NOWHERE}`],
        ['POST', 'blobs/uploads/'],
        ['DELETE', `manifests/${NOWHERE}`]
      ] as const) {
        const answer = await it.ask(method, `/v2/${name}/${rest}`, headers)
        t.equal(refusal(answer), code, `${caller} ${method} ${name}`)
        t.match(answer.body, hint)
      }
    }
  }
  t.same(it.cluster.calls(), {})
  t.same(it.changes(), [])
})
