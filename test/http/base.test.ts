import t from 'tap'
import { berth, errorsOf, NOWHERE, pushBlob, refusal } from './support.ts'

t.test('GET /v2/ says that the specification is spoken here (R-020, R-022)', async (t) => {
  const { ask } = await berth(t)
  const answer = await ask('GET', '/v2/')
  t.equal(answer.statusCode, 200)
  t.equal(answer.headers['content-type'], 'application/json')
  t.equal(answer.headers['docker-distribution-api-version'], 'registry/2.0')
  t.equal(answer.body, '{}')
})

t.test('/v2 without its slash is the same, and HEAD is answered on both (R-021)', async (t) => {
  const { ask } = await berth(t)
  t.equal((await ask('GET', '/v2')).statusCode, 200)
  for (const url of ['/v2', '/v2/']) {
    const head = await ask('HEAD', url)
    t.equal(head.statusCode, 200)
    t.equal(head.headers['content-length'], '2')
    t.equal(head.body, '')
  }
})

t.test('every answer under /v2 says which API it is of, refusals too (R-008)', async (t) => {
  const { ask } = await berth(t)
  for (const url of ['/v2/a/tags/list', '/v2/A/tags/list', '/v2/_catalog', '/v2/']) {
    const { headers } = await ask('GET', url)
    t.equal(headers['docker-distribution-api-version'], 'registry/2.0', url)
  }
})

t.test('an answer on an unknown path below /v2 says which API it is of (R-008)', async (t) => {
  const { ask } = await berth(t)
  t.equal((await ask('GET', '/v2/a/nothing')).headers['docker-distribution-api-version'], 'registry/2.0')
})

t.test('an unknown path is 404 in the shape of the specification (C-24, R-003, F-10)', async (t) => {
  const { ask } = await berth(t)
  const paths = [
    '/v1/',
    '/v2/a',
    '/v2/a/nothing',
    '/v2/tags/list',
    '/v2/a/tags',

    '/v3',
    '/x'
  ]
  for (const url of paths) {
    const answer = await ask('GET', url)
    t.equal(answer.statusCode, 404, url)
    t.equal(answer.headers['content-type'], 'application/json')
    t.match(errorsOf(answer)[0], { code: /^[A-Z_]+$/ })
  }
})

t.test('an unknown path is 404 whatever the body that comes with it (C-24, F-01, F-02)', async (t) => {
  const { ask } = await berth(t)
  for (const type of ['application/json', 'application/octet-stream', 'text/plain', 'nonsense']) {
    for (const body of ['', 'not JSON']) {
      const answer = await ask('POST', '/v2/a/nothing', { headers: { 'content-type': type }, body })
      t.equal(answer.statusCode, 404, `${type} "${body}"`)
    }
  }
})

const ALLOWED: [string, string, string[]][] = [
  ['POST', '/v2/', ['GET', 'HEAD']],
  ['PUT', '/v2', ['GET', 'HEAD']],
  ['POST', '/v2/a/tags/list', ['GET']],
  ['DELETE', '/v2/_catalog', ['GET']],
  ['PUT', '/v2/a/blobs/sha256:0', ['DELETE', 'GET', 'HEAD']],
  ['PATCH', '/v2/a/manifests/latest', ['DELETE', 'GET', 'HEAD', 'PUT']],
  ['PUT', '/v2/a/referrers/sha256:0', ['GET']],
  ['GET', '/v2/a/blobs/uploads/', ['POST']],
  ['GET', '/v2/a/b/blobs/uploads', ['POST']],
  ['POST', '/v2/a/blobs/uploads/1', ['DELETE', 'GET', 'PATCH', 'PUT']],
  ['OPTIONS', '/v2/', ['GET', 'HEAD']],
  ['TRACE', '/v2/a/b/c/manifests/latest', ['DELETE', 'GET', 'HEAD', 'PUT']]
]

t.test('a wrong method on a known path is 405 UNSUPPORTED and says which are right (C-24)', async (t) => {
  const { ask } = await berth(t)
  for (const [method, url, allowed] of ALLOWED) {
    const answer = await ask(method, url)
    t.equal(refusal(answer), '405 UNSUPPORTED', `${method} ${url}`)
    const allow = String(answer.headers.allow).split(', ')
    for (const right of allowed) t.ok(allow.includes(right), `${method} ${url}: ${right}`)
    t.notOk(allow.includes(method))
  }
})

t.test('a method that is no part of HTTP/1.1 itself is 405 as well (C-24)', async (t) => {
  const { ask } = await berth(t)
  for (const method of ['PROPFIND', 'PURGE']) t.equal((await ask(method, '/v2/')).statusCode, 405, method)
})

t.test('lists are answered to HEAD as to GET, without a body (R-004, C-10)', async (t) => {
  const world = await berth(t)
  const { ask } = world
  await pushBlob(world, 'a', 'layer')
  for (const url of ['/v2/_catalog', '/v2/a/tags/list', `/v2/a/referrers/${NOWHERE}`]) {
    const get = await ask('GET', url)
    const head = await ask('HEAD', url)
    t.equal(head.statusCode, 200, url)
    t.equal(head.body, '')
    t.equal(head.headers['content-length'], get.headers['content-length'], url)
    t.equal(head.headers['content-type'], get.headers['content-type'], url)
  }
})

t.test('what a client adds to its question is passed over (R-070, R-037, F-13)', async (t) => {
  const { ask } = await berth(t)
  t.equal((await ask('GET', '/v2/?ns=docker.io&x=1&x=2&__proto__=3&%zz')).statusCode, 200)
  t.equal((await ask('GET', '/v2/', { body: 'blablabla' })).statusCode, 200)
  t.equal((await ask('GET', '/v2/', { headers: { 'accept-version': '1.x' } })).statusCode, 200)
})

t.test('an Accept-Encoding is passed over: nothing is compressed (R-011, F-12)', async (t) => {
  const { ask } = await berth(t)
  const headers = { 'accept-encoding': 'zstd;q=1.0, gzip;q=0.8, deflate;q=0.5' }
  const answer = await ask('GET', '/v2/', { headers })
  t.notOk(answer.headers['content-encoding'])
  t.equal(answer.body, '{}')
})
