import t, { type Test } from 'tap'
import { memoryStorage } from '../../../storage/memory.ts'
import { type Answer, refusal } from '../../http/support.ts'
import { basic, bearer, type World, type WorldOptions, world } from '../world.ts'

/** A repository of each name, with something in it, that belongs to its namespace if there is one. */
async function stocked(t: Test, names: readonly string[], options: WorldOptions = {}): Promise<World> {
  const storage = memoryStorage()
  const it = await world(t, { ...options, storage })
  const uids = new Map<string, string>()
  for (const name of names) {
    const [namespace = ''] = name.split('/')
    const uid = uids.get(namespace) ?? it.cluster.createNamespace(namespace)
    uids.set(namespace, uid)
    const revision = `docker/registry/v2/repositories/${name}/_manifests/revisions/sha256/${'0'.repeat(64)}`
    await storage.write(`${revision}/link`, [Buffer.from(`sha256:${'0'.repeat(64)}`)])
    await it.registry.owners.claim(name as never, uid, undefined)
  }
  return it
}

interface Walk {
  names: string[]
  pages: Answer[]
}

/** Follows the links from page to page, as far as they lead. */
async function walk(t: Test, { ask }: World, authorization: string, query = ''): Promise<Walk> {
  const walk: Walk = { names: [], pages: [] }
  let url: string | undefined = `/v2/_catalog${query}`
  while (url !== undefined && walk.pages.length < 100) {
    const answer = await ask('GET', url, { headers: { authorization } })
    if (answer.statusCode !== 200) throw new Error(answer.body)
    walk.names.push(...answer.json().repositories)
    walk.pages.push(answer)
    url = /^<(.+)>; rel="next"$/.exec(String(answer.headers.link ?? ''))?.[1]
  }
  t.ok(walk.pages.length < 100, 'it comes to an end')
  return walk
}

const NAMES = ['a/app', 'b-b/app', 'b/app', 'b/lib', 'b0/app', 'c/app']

t.test('everybody sees the repositories that they may pull from, in order and in pages', async (t) => {
  const it = await stocked(t, NAMES)
  const { cluster } = it
  cluster.grant('everywhere', 'registry-viewer')
  for (const namespace of ['b', 'c', 'none']) cluster.grant('somewhere', 'registry-viewer', namespace)
  cluster.grant('one', { verbs: ['get'], resources: ['imagestreams/layers'], names: ['app'] }, 'b')
  cluster.grant('pusher', { verbs: ['update'], resources: ['imagestreams/layers'] })
  cluster.grant('lister', { verbs: ['list'], resources: ['imagestreams'] })
  const visible: [string, string[]][] = [
    ['everywhere', NAMES],
    ['somewhere', ['b/app', 'b/lib', 'c/app']],
    ['one', []],
    ['pusher', []],
    ['lister', []],
    ['nobody', []]
  ]
  for (const [name, names] of visible) {
    const token = cluster.addUser(name)
    for (const authorization of [
      basic(token),
      bearer(token),
      bearer(await it.exchange(basic(token), 'registry:catalog:*'))
    ]) {
      for (const query of ['', '?n=1', '?n=2', '?n=3', '?n=1000']) {
        t.same((await walk(t, it, authorization, query)).names, names, `${name} ${query}`)
      }
      t.same((await walk(t, it, authorization, '?last=b/app')).names, names.slice(names.indexOf('b/app') + 1))
    }
  }
})

t.test('who sees everything costs one review, whoever sees less one for each namespace', async (t) => {
  const it = await stocked(t, NAMES)
  it.cluster.grant('everywhere', 'registry-viewer')
  it.cluster.grant('somewhere', 'registry-viewer', 'b')
  const reviews = async (name: string): Promise<number | undefined> => {
    const token = it.cluster.addUser(name)
    it.cluster.reset()
    await walk(t, it, bearer(token))
    return it.cluster.calls().subjectaccessreviews
  }
  t.equal(await reviews('everywhere'), 1)
  t.equal(await reviews('somewhere'), 1 + 5)
})

t.test('nobody who has not logged in sees anything, unless a setting says so', async (t) => {
  const closed = await stocked(t, NAMES)
  const open = await stocked(t, NAMES, { anonymousCatalog: true })
  for (const { cluster } of [closed, open]) cluster.grant('system:anonymous', 'registry-viewer', 'b')
  const asked = ({ exchange }: World) => exchange(undefined, 'registry:catalog:*')
  t.same((await walk(t, open, bearer(await asked(open)))).names, ['b/app', 'b/lib'])
  const headers = { authorization: bearer(await asked(closed)) }
  t.equal(refusal(await closed.ask('GET', '/v2/_catalog', { headers })), '401 UNAUTHORIZED')
  t.equal(refusal(await closed.ask('GET', '/v2/_catalog')), '401 UNAUTHORIZED')
})

t.test('a page of which most is denied is short, and its link tells no hidden name', async (t) => {
  const hidden = Array.from({ length: 450 }, (_, index) => `hidden-${String(index).padStart(3, '0')}`)
  const it = await stocked(t, [...hidden.map((namespace) => `${namespace}/secret`), 'visible/app'])
  it.cluster.grant('vera', 'registry-viewer', 'visible')
  const authorization = bearer(it.cluster.addUser('vera'))
  it.cluster.reset()
  const { names, pages } = await walk(t, it, authorization)
  t.same(names, ['visible/app'])
  t.equal(pages.length, 3)
  t.same(
    pages.slice(0, 2).map((page) => page.json()),
    Array(2).fill({ repositories: [] })
  )
  for (const { headers } of pages) {
    const text = decodeURIComponent(String(headers.link ?? ''))
    t.notMatch(text, /hidden|secret/)
    const cursor = /last=~([\w-]+)/.exec(text)?.[1] ?? ''
    t.notMatch(Buffer.from(cursor, 'base64url').toString('latin1'), /hidden|secret/)
  }
  const { subjectaccessreviews = 0 } = it.cluster.calls()
  t.ok(subjectaccessreviews <= 3 * 200 && subjectaccessreviews >= 450, `${subjectaccessreviews} reviews`)
})

t.test('a link that was tampered with leads nowhere', async (t) => {
  const it = await stocked(t, NAMES)
  const headers = { authorization: bearer(it.cluster.addUser('vera')) }
  for (const last of ['~', '~x', `~${'A'.repeat(100)}`, `~${Buffer.from('b').toString('base64url')}`]) {
    const answer = await it.ask('GET', `/v2/_catalog?last=${encodeURIComponent(last)}`, { headers })
    t.equal(refusal(answer), '400 UNSUPPORTED', last)
  }
})

t.test('what belongs to a former namespace, or to none, is not listed', async (t) => {
  const it = await stocked(t, [...NAMES, 'app', 'a/nested/app', 'a.b/app'])
  it.cluster.grant('everywhere', 'registry-viewer')
  it.cluster.grant('somewhere', 'registry-viewer', 'b')
  it.cluster.deleteNamespace('b')
  it.cluster.deleteNamespace('c')
  it.cluster.createNamespace('b')
  it.pass(11_000)
  const others = NAMES.filter((name) => !name.startsWith('b/') && !name.startsWith('c/'))
  t.same((await walk(t, it, bearer(it.cluster.addUser('everywhere')))).names, others)
  t.same((await walk(t, it, bearer(it.cluster.addUser('somewhere')))).names, [])
})

t.test('a catalog that cannot be judged is 503', async (t) => {
  const it = await stocked(t, NAMES)
  const authorization = bearer(await it.exchange(basic(it.cluster.addUser('vera')), 'registry:catalog:*'))
  await it.cluster.stop()
  const answer = await it.ask('GET', '/v2/_catalog', { headers: { authorization } })
  t.equal(refusal(answer), '503 UNAVAILABLE')
  t.ok(Number(answer.headers['retry-after']) > 0)
})
