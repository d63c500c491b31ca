import t from 'tap'
import { type Berth, berth, digestOf, must, NOWHERE, pushBlob, refusal, startUpload } from './support.ts'

const START = '/v2/a/blobs/uploads/'

async function pulled({ ask }: Berth, name: string, digest: string): Promise<string> {
  return (await must(200, ask('GET', `/v2/${name}/blobs/${digest}`))).body
}

t.test('a blob is pushed in one POST (R-055, C-09)', async (t) => {
  const world = await berth(t)
  const digest = digestOf('abc')
  const answer = await world.ask('POST', `${START}?digest=${digest}`, { body: 'abc' })
  t.equal(answer.statusCode, 201)
  t.equal(answer.headers.location, `/v2/a/blobs/${digest}`)
  t.equal(answer.headers['docker-content-digest'], digest)
  t.equal(await pulled(world, 'a', digest), 'abc')
})

t.test(
  'a POST whose digest is malformed or not that of its body is 400, and stores nothing (R-055)',
  async (t) => {
    const { ask } = await berth(t)
    for (const digest of [NOWHERE, 'sha256:0', '', `md5:${'0'.repeat(32)}`]) {
      const answer = await ask('POST', `${START}?digest=${digest}`, { body: 'abc' })
      t.equal(refusal(answer), '400 DIGEST_INVALID', digest)
    }
    t.equal((await ask('GET', `/v2/a/blobs/${NOWHERE}`)).statusCode, 404)
    t.equal((await ask('GET', `/v2/a/blobs/${digestOf('abc')}`)).statusCode, 404)
  }
)

t.test('a sha512 blob is pushed by every method, announced or not (R-056)', async (t) => {
  const world = await berth(t)
  for (const query of ['', '?digest-algorithm=sha512', '?digest-algorithm=sha256']) {
    for (const patched of [true, false]) {
      const content = `${query} ${patched}`
      const { headers } = await must(202, world.ask('POST', START + query))
      const location = String(headers.location)
      if (patched) await must(202, world.ask('PATCH', location, { body: content }))
      const digest = digestOf(content, 'sha512')
      const url = `${location}?digest=${digest}`
      const put = await world.ask('PUT', url, patched ? {} : { body: content })
      t.equal(put.statusCode, 201, content)
      t.equal(put.headers['docker-content-digest'], digest)
      t.equal(await pulled(world, 'a', digest), content)
    }
  }
  const digest = digestOf('whole', 'sha512')
  t.equal((await world.ask('POST', `${START}?digest=${digest}`, { body: 'whole' })).statusCode, 201)
})

t.test('a sha256 digest closes an upload that was announced as sha512 (R-056)', async (t) => {
  const world = await berth(t)
  const { headers } = await must(202, world.ask('POST', `${START}?digest-algorithm=sha512`))
  await must(202, world.ask('PATCH', String(headers.location), { body: 'abc' }))
  const put = await world.ask('PUT', `${headers.location}?digest=${digestOf('abc')}`)
  t.equal(put.statusCode, 201)
})

t.test('an unknown algorithm is 400 DIGEST_INVALID (R-056, R-057)', async (t) => {
  const { ask } = await berth(t)
  for (const algorithm of ['md5', 'blake3', 'SHA256', 'constructor', '']) {
    const answer = await ask('POST', `${START}?digest-algorithm=${algorithm}`)
    t.equal(refusal(answer), '400 DIGEST_INVALID', algorithm)
  }
})

t.test('a blob of another repository is mounted with 201 and need not be sent (R-067, C-09)', async (t) => {
  const world = await berth(t)
  const digest = await pushBlob(world, 'from/here', 'abc')
  for (const mount of [digest, encodeURIComponent(digest)]) {
    const answer = await world.ask(
      'POST',
      `/v2/to/there/blobs/uploads/?from=from%2Fhere&mount=${mount}&origin=x`
    )
    t.equal(answer.statusCode, 201)
    t.equal(answer.headers.location, `/v2/to/there/blobs/${digest}`)
    t.equal(answer.headers['docker-content-digest'], digest)
  }
  t.equal(await pulled(world, 'to/there', digest), 'abc')
})

t.test('a mounted blob stays when it is deleted where it came from (R-067, R-122)', async (t) => {
  const world = await berth(t)
  const digest = await pushBlob(world, 'b', 'abc')
  await must(201, world.ask('POST', `${START}?mount=${digest}&from=b`))
  await must(202, world.ask('DELETE', `/v2/b/blobs/${digest}`))
  t.equal(await pulled(world, 'a', digest), 'abc')
})

t.test('what cannot be mounted starts an upload that works (R-067, R-068, R-069, C-12)', async (t) => {
  const world = await berth(t)
  const digest = await pushBlob(world, 'b', 'abc')
  const deleted = await pushBlob(world, 'b', 'deleted')
  await must(202, world.ask('DELETE', `/v2/b/blobs/${deleted}`))
  const mounts = [
    `mount=${NOWHERE}&from=b`,
    `mount=${digest}&from=nobody`,
    `mount=${digest}&from=NOT..A/NAME`,
    `mount=${digest}&from=`,
    `mount=${deleted}&from=b`,
    `mount=${deleted}`,
    `mount=${NOWHERE}`,
    'mount=sha256:0&from=b',
    'mount=nonsense',
    'mount=',
    `mount=md5:${'0'.repeat(32)}&from=b`,
    'from=b'
  ]
  for (const query of mounts) {
    const answer = await world.ask('POST', `${START}?${query}`)
    t.equal(answer.statusCode, 202, query)
    t.match(answer.headers.location, /^\/v2\/a\/blobs\/uploads\//)
    const put = await world.ask('PUT', `${answer.headers.location}?digest=${digestOf(query)}`, {
      body: query
    })
    t.equal(put.statusCode, 201, query)
  }
  t.equal((await world.ask('HEAD', `/v2/a/blobs/${digest}`)).statusCode, 404)
})

t.test('a mount without from finds the repository that was seen to hold the blob (R-068)', async (t) => {
  const world = await berth(t)
  const digest = await pushBlob(world, 'b', 'abc')
  const answer = await world.ask('POST', `${START}?mount=${digest}`)
  t.equal(answer.statusCode, 201)
  t.equal(answer.headers.location, `/v2/a/blobs/${digest}`)
  t.equal(await pulled(world, 'a', digest), 'abc')
})

t.test('a first blob makes a repository that lists no tags yet (R-100)', async (t) => {
  const world = await berth(t)
  await startUpload(world, 'new')
  t.equal(refusal(await world.ask('GET', '/v2/new/tags/list')), '404 NAME_UNKNOWN')
  await pushBlob(world, 'new', 'layer')
  t.same((await world.ask('GET', '/v2/new/tags/list')).json(), { name: 'new', tags: [] })
})
