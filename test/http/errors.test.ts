import t, { type Test } from 'tap'
import { ObjectNotFound, StorageFull, StorageUnavailable } from '../../storage/driver.ts'
import { memoryStorage } from '../../storage/memory.ts'
import { interposed } from '../registry/interposed.ts'
import {
  type Answer,
  type Berth,
  berth,
  digestOf,
  errorsOf,
  image,
  NOWHERE,
  OCI_IMAGE,
  pushImage,
  refusal,
  startUpload
} from './support.ts'

/** A server whose storage works until it is told to throw. */
async function failing(t: Test): Promise<Berth & { fail(error: Error, only?: RegExp): void }> {
  let thrown: Error | undefined
  let which = /^/
  const storage = interposed(memoryStorage(), (call) => {
    if (thrown !== undefined && which.test(call)) throw thrown
  })
  return {
    ...(await berth(t, { storage })),
    fail: (error, only = /^/) => {
      thrown = error
      which = only
    }
  }
}

/** Every request that needs the storage to read or to write: what is there was pushed to another process. */
async function everyRequest(t: Test, { ask, storage }: Berth): Promise<[string, () => Promise<Answer>][]> {
  const another = await berth(t, { storage })
  const { digest, bytes } = await pushImage(another, 'a', 'v1')
  const { layers } = await image(another, 'a')
  const layer = layers[0]?.digest ?? ''
  const { location } = await startUpload(another, 'a')
  const headers = { 'content-type': OCI_IMAGE }
  return [
    ['HEAD blob', () => ask('HEAD', `/v2/a/blobs/${layer}`)],
    ['GET blob', () => ask('GET', `/v2/a/blobs/${layer}`)],
    ['DELETE blob', () => ask('DELETE', `/v2/a/blobs/${layer}`)],
    ['GET manifest by tag', () => ask('GET', '/v2/a/manifests/v1')],
    ['GET manifest by digest', () => ask('GET', `/v2/a/manifests/${digest}`)],
    ['PUT manifest', () => ask('PUT', '/v2/a/manifests/v2', { headers, body: bytes })],
    ['DELETE tag', () => ask('DELETE', '/v2/a/manifests/v1')],
    ['DELETE manifest', () => ask('DELETE', `/v2/a/manifests/${digest}`)],
    ['GET tags', () => ask('GET', '/v2/a/tags/list')],
    ['GET catalog', () => ask('GET', '/v2/_catalog')],
    ['GET referrers', () => ask('GET', `/v2/a/referrers/${digest}`)],
    ['POST upload', () => ask('POST', '/v2/a/blobs/uploads/')],
    ['POST blob', () => ask('POST', `/v2/a/blobs/uploads/?digest=${digestOf('x')}`, { body: 'x' })],
    ['POST mount', () => ask('POST', `/v2/b/blobs/uploads/?from=a&mount=${layer}`)],
    ['GET upload', () => ask('GET', location)],
    ['PATCH upload', () => ask('PATCH', location, { body: 'x' })],
    ['PUT upload', () => ask('PUT', `${location}?digest=${digestOf('x')}`, { body: 'x' })],
    ['DELETE upload', () => ask('DELETE', location)]
  ]
}

t.test('a storage that does not answer is 503 UNAVAILABLE with Retry-After on every request', async (t) => {
  const world = await failing(t)
  const requests = await everyRequest(t, world)
  world.fail(new StorageUnavailable('/secret/path: EIO'))
  for (const [title, request] of requests) {
    const answer = await request()
    t.equal(answer.statusCode, 503, title)
    t.match(answer.headers['retry-after'], /^\d+$/, title)
    if (answer.body !== '') t.equal(refusal(answer), '503 UNAVAILABLE')
    t.notMatch(answer.body, /secret|EIO/, 'the cause is for the log')
  }
})

t.test('a full storage is 507 UNAVAILABLE on every request that writes', async (t) => {
  const world = await failing(t)
  const requests = await everyRequest(t, world)
  world.fail(new StorageFull('ENOSPC'), /^(write|begin|append|commit) /)
  for (const [title, request] of requests.filter(([title]) => /^P/.test(title) && title !== 'POST mount')) {
    t.equal(refusal(await request()), '507 UNAVAILABLE', title)
  }
  for (const [title, request] of requests.filter(([title]) => /^GET/.test(title))) {
    t.ok((await request()).statusCode < 300, `${title} still works`)
  }
})

t.test(
  'a fault of the server is a bare 500 UNKNOWN that tells the client nothing of the inside',
  async (t) => {
    const world = await failing(t)
    const requests = await everyRequest(t, world)
    world.fail(new TypeError('secret is not a function'))
    for (const [title, request] of requests) {
      const answer = await request()
      t.equal(answer.statusCode, 500, title)
      t.notMatch(answer.body, /secret|TypeError|stack/)
    }
  }
)

t.test(
  'no failure of the storage may be kept by caches, or claims to be the blob (R-003, C-21)',
  async (t) => {
    const world = await failing(t)
    const { layers } = await image(world, 'a')
    const url = `/v2/a/blobs/${layers[0]?.digest}`
    await world.ask('HEAD', url)
    world.fail(new StorageUnavailable('EIO'), /^read .*\/data$/)
    const answer = await world.ask('GET', url, { headers: { range: 'bytes=0-1' } })
    t.equal(refusal(answer), '503 UNAVAILABLE')
    for (const header of ['etag', 'docker-content-digest', 'accept-ranges', 'content-range']) {
      t.notOk(answer.headers[header], header)
    }
    t.notMatch(String(answer.headers['cache-control']), /max-age/)
    t.equal(answer.headers['content-type'], 'application/json')
    t.equal(answer.headers['content-length'], String(answer.rawPayload.length))
  }
)

t.test('bytes that vanish under a blob which was just seen are 404, never 500', async (t) => {
  const world = await failing(t)
  const { layers } = await image(world, 'a')
  const url = `/v2/a/blobs/${layers[0]?.digest}`
  t.equal((await world.ask('HEAD', url)).statusCode, 200)
  world.fail(new ObjectNotFound('gone'), /^read .*\/data$/)
  t.equal(refusal(await world.ask('GET', url)), '404 BLOB_UNKNOWN')
})

t.test('every refusal has the shape of the specification (R-003)', async (t) => {
  const { ask } = await berth(t)
  const refused = [
    await ask('GET', '/v2/A/tags/list'),
    await ask('GET', `/v2/a/blobs/${NOWHERE}`),
    await ask('GET', '/v2/a/tags/list?n=x'),
    await ask('POST', '/v2/'),
    await ask('GET', '/v2/a/x'),
    await ask('PUT', '/v2/a/manifests/v1', { body: 'x' }),
    await ask('GET', '/v2/', { headers: { origin: 'https://example.org' } })
  ]
  for (const answer of refused) {
    t.equal(answer.headers['content-type'], 'application/json')
    t.equal(answer.headers['content-length'], String(answer.rawPayload.length))
    for (const { code, message, detail } of errorsOf(answer)) {
      t.match(code, /^[A-Z_]+$/)
      t.type(message, 'string')
      if (detail !== undefined) t.type(detail, 'string')
    }
  }
})

t.test("a client's text comes back in a refusal as plain ASCII, and not endless (R-003)", async (t) => {
  const { ask } = await berth(t)
  const name = encodeURIComponent(`<script>\u202e\r\nx: y${'A'.repeat(5000)}`)
  const answer = await ask('GET', `/v2/${name}/tags/list`)
  t.equal(refusal(answer), '400 NAME_INVALID')
  t.match(answer.body, /^[ -~]*$/)
  t.ok(answer.body.length < 1000)
})
