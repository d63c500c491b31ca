import t from 'tap'
import { createRandom } from '../oci/random.ts'
import { type Answer, type Berth, berth, must, NOWHERE, pushImage, refusal } from './support.ts'

/** Tags in the order of their bytes: upper case before `_`, and `_` before lower case. */
const SORTED = ['0.1', '10', '9', 'A', 'Z-1', '_x', 'a', 'a-b', 'a.b', 'a0', 'aa', 'b', 'latest', 'z']

/** A repository with these tags, all of one manifest. */
async function tagged(world: Berth, name: string, tags: readonly string[]): Promise<void> {
  const { digest, bytes } = await pushImage(world, name)
  for (let at = 0; at < tags.length; at += 100) {
    const query = tags.slice(at, at + 100).map((tag) => `tag=${tag}`)
    const url = `/v2/${name}/manifests/${digest}?${query.join('&')}`
    await must(201, world.ask('PUT', url, { body: bytes }))
  }
}

/** The path that a `Link` to the next page leads to. */
function nextOf({ headers }: Answer): string | undefined {
  const { link } = headers
  if (link === undefined) return undefined
  const target = /^<(\/[^>]*)>; ?rel="next"$/.exec(String(link))?.[1]
  if (target === undefined) throw new Error(`not a link to the next page: ${link}`)
  return target
}

/** Every page, from a first URL on. */
async function pages({ ask }: Berth, first: string, list: string): Promise<string[][]> {
  const found: string[][] = []
  for (let url: string | undefined = first; url !== undefined; ) {
    const answer = await must(200, ask('GET', url))
    found.push(answer.json()[list])
    url = nextOf(answer)
  }
  return found
}

t.test('tags are listed in the order of their bytes (R-100, R-101)', async (t) => {
  const world = await berth(t)
  await tagged(world, 'a/b', SORTED.toReversed())
  const answer = await world.ask('GET', '/v2/a/b/tags/list')
  t.equal(answer.statusCode, 200)
  t.equal(answer.headers['content-type'], 'application/json')
  t.strictSame(answer.json(), { name: 'a/b', tags: SORTED })
  t.notOk(answer.headers.link)
})

t.test('a repository that is not there is 404 NAME_UNKNOWN, one without tags lists [] (R-100)', async (t) => {
  const world = await berth(t)
  t.equal(refusal(await world.ask('GET', '/v2/nobody/tags/list')), '404 NAME_UNKNOWN')
  t.equal(refusal(await world.ask('GET', '/v2/nobody/tags/list?n=0')), '404 NAME_UNKNOWN')
  await pushImage(world, 'a/b')
  t.strictSame((await world.ask('GET', '/v2/a/b/tags/list')).json(), { name: 'a/b', tags: [] })
  t.equal(refusal(await world.ask('GET', '/v2/a/tags/list')), '404 NAME_UNKNOWN', 'a folder on the way')
})

t.test('n is how many tags come, with a link while there are more (R-102, R-104)', async (t) => {
  const world = await berth(t)
  await tagged(world, 'a/b', SORTED)
  const first = await world.ask('GET', '/v2/a/b/tags/list?n=3')
  t.strictSame(first.json().tags, SORTED.slice(0, 3))
  t.equal(first.headers.link, '</v2/a/b/tags/list?n=3&last=9>; rel="next"')
  for (const n of [SORTED.length, SORTED.length + 1, 1000]) {
    const answer = await world.ask('GET', `/v2/a/b/tags/list?n=${n}`)
    t.strictSame(answer.json().tags, SORTED, String(n))
    t.notOk(answer.headers.link, 'no link on the last page')
  }
})

t.test('n=0 is an empty list without a link (R-102)', async (t) => {
  const world = await berth(t)
  await tagged(world, 'a', SORTED)
  const answer = await world.ask('GET', '/v2/a/tags/list?n=0')
  t.strictSame(answer.json(), { name: 'a', tags: [] })
  t.notOk(answer.headers.link)
})

t.test('an n that is no number is 400 PAGINATION_NUMBER_INVALID (R-102)', async (t) => {
  const world = await berth(t)
  await pushImage(world, 'a', 'v1')
  for (const n of ['-1', 'x', '1.5', '0x10', '1e3', '%20', '%2B1']) {
    for (const path of ['/v2/a/tags/list', '/v2/_catalog', `/v2/a/referrers/${NOWHERE}`]) {
      t.equal(refusal(await world.ask('GET', `${path}?n=${n}`)), '400 PAGINATION_NUMBER_INVALID', path + n)
    }
  }
})

t.test('last is where the list goes on, whether it exists or not (R-103)', async (t) => {
  const world = await berth(t)
  await tagged(world, 'a', SORTED)
  for (const last of [...SORTED, '', 'A-', 'aZ', '~', '5', '!', 'a%2Fb', '%00', 'x'.repeat(3000)]) {
    const decoded = decodeURIComponent(last)
    const after = SORTED.filter((tag) => tag > decoded)
    const whole = await world.ask('GET', `/v2/a/tags/list?last=${last}`)
    t.strictSame(whole.json().tags, after, last)
    const two = await world.ask('GET', `/v2/a/tags/list?last=${last}&n=2`)
    t.strictSame(two.json().tags, after.slice(0, 2), last)
  }
})

t.test('page by page, with every n, the tags are the whole list (R-102, R-103, R-104)', async (t) => {
  const world = await berth(t)
  await tagged(world, 'a', SORTED)
  for (let n = 1; n <= SORTED.length + 1; n++) {
    const found = await pages(world, `/v2/a/tags/list?n=${n}`, 'tags')
    t.strictSame(found.flat(), SORTED, `n=${n}`)
    t.ok(found.slice(0, -1).every((page) => page.length === n))
  }
})

t.test('an n above what one page may have is cut, and the rest linked (R-102, C-22)', async (t) => {
  const world = await berth(t)
  const many = Array.from({ length: 10_001 }, (_, index) => `t${String(index).padStart(5, '0')}`)
  await tagged(world, 'a', many)
  for (const query of ['?n=1000000', '?n=99999999999999999999999', '']) {
    t.strictSame((await pages(world, `/v2/a/tags/list${query}`, 'tags')).flat(), many, query)
  }
  t.equal((await world.ask('GET', '/v2/a/tags/list?n=1000')).json().tags.length, 1000)
})

/** Names that sort as nobody expects: `-` and `.` come before `/`, digits and letters after it. */
const NAMES = [
  'a',
  'a-b',
  'a-b/c',
  'a--b',
  'a.b',
  'a/b',
  'a/b-c',
  'a/b/c',
  'a0',
  'a0/b',
  'a_b',
  'ab',
  'b/a/c'
]

t.test(
  'the catalog lists repositories by their full names, in the order of their bytes (R-112)',
  async (t) => {
    const world = await berth(t)
    t.strictSame((await world.ask('GET', '/v2/_catalog')).json(), { repositories: [] })
    for (const name of NAMES.toReversed()) await pushImage(world, name, 'v1')
    const answer = await world.ask('GET', '/v2/_catalog')
    t.equal(answer.headers['content-type'], 'application/json')
    t.strictSame(answer.json(), { repositories: NAMES.toSorted() })
    t.strictSame((await world.ask('GET', '/v2/_catalog?n=0')).json(), { repositories: [] })
  }
)

t.test('page by page, with every n and last, the catalog is the whole list (R-112)', async (t) => {
  const world = await berth(t)
  const random = createRandom(7)
  const parts = ['a', 'b', 'a-b', 'a.b', 'a0', 'b_c']
  const part = (): string => random.pick(parts)
  const names = new Set(NAMES)
  while (names.size < 25) names.add(Array.from({ length: 1 + random.integer(3) }, part).join('/'))
  const sorted = [...names].sort()
  for (const name of names) await pushImage(world, name)
  for (let n = 1; n <= sorted.length + 1; n++) {
    const found = await pages(world, `/v2/_catalog?n=${n}`, 'repositories')
    t.strictSame(found.flat(), sorted, `n=${n}`)
  }
  for (const last of [...sorted, 'a/', 'a/b/', 'a-', 'a/zz', 'zz', '', 'A', '/']) {
    const url = `/v2/_catalog?n=3&last=${encodeURIComponent(last)}`
    const expected = sorted.filter((name) => name > last).slice(0, 3)
    t.strictSame((await world.ask('GET', url)).json().repositories, expected, last)
  }
})

t.test('the catalog has 100 names to a page unless told, and at most 1000 (R-112)', async (t) => {
  const world = await berth(t)
  const many = Array.from({ length: 1001 }, (_, index) => `r/${String(index).padStart(4, '0')}`)
  const { digest } = await pushImage(world, 'r/0000')
  for (const name of many) {
    const key = `docker/registry/v2/repositories/${name}/_manifests/revisions/sha256/${digest.slice(7)}/link`
    await world.storage.write(key, [Buffer.from(digest)])
  }
  const size = async (query: string): Promise<number> => {
    const answer = await must(200, world.ask('GET', `/v2/_catalog${query}`))
    t.match(nextOf(answer), /^\/v2\/_catalog\?n=\d+&last=/)
    return answer.json().repositories.length
  }
  t.equal(await size(''), 100)
  t.equal(await size('?n=1000'), 1000)
  t.equal(await size('?n=5000'), 1000)
})

t.test('a repository whose manifests were all deleted is not in the catalog (R-112)', async (t) => {
  const world = await berth(t)
  const { digest } = await pushImage(world, 'a', 'v1')
  await pushImage(world, 'b', 'v1')
  await must(202, world.ask('DELETE', `/v2/a/manifests/${digest}`))
  t.strictSame((await world.ask('GET', '/v2/_catalog')).json().repositories, ['b'])
})

t.test('an administrator says how much a page holds at most', async (t) => {
  const world = await berth(t, { pages: { repositories: 3, tags: 2 } })
  for (const name of ['a', 'b', 'c', 'd']) await pushImage(world, name)
  await tagged(world, 'a', ['t1', 't2', 't3'])
  for (const query of ['?n=100', '']) {
    const repositories = await pages(world, `/v2/_catalog${query}`, 'repositories')
    t.strictSame(repositories, [['a', 'b', 'c'], ['d']], query)
    t.strictSame(await pages(world, `/v2/a/tags/list${query}`, 'tags'), [['t1', 't2'], ['t3']], query)
  }
  t.strictSame((await world.ask('GET', '/v2/_catalog?n=1')).json().repositories, ['a'])
})
