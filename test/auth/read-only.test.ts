import t from 'tap'
import { createReadOnly } from '../../src/operations/read-only.ts'
import { memoryStorage } from '../../storage/memory.ts'
import { berth, NOWHERE, pushImage, refusal, startUpload } from '../http/support.ts'
import { interposed } from '../registry/interposed.ts'

const READS = new Set(['size', 'read', 'appended', 'readAppended', 'list'])

t.test('a registry that is read-only refuses what writes, and nothing else', async (t) => {
  const changes: string[] = []
  const storage = interposed(memoryStorage(), (call) => {
    if (!READS.has(call.split(' ', 1)[0] as string)) changes.push(call)
  })
  const before = await berth(t, { storage })
  const { digest, bytes } = await pushImage(before, 'a/b', 'v1')
  const { location } = await startUpload(before, 'a/b')
  const it = await berth(t, { storage, readOnly: createReadOnly(true) })
  changes.length = 0
  for (const [method, url, allow] of [
    ['POST', '/v2/a/b/blobs/uploads/', ''],
    ['POST', `/v2/a/b/blobs/uploads/?mount=${NOWHERE}&from=a/c`, ''],
    ['PATCH', location, 'GET'],
    ['PUT', `${location}?digest=${NOWHERE}`, 'GET'],
    ['DELETE', location, 'GET'],
    ['PUT', '/v2/a/b/manifests/v2', 'GET, HEAD'],
    ['DELETE', '/v2/a/b/manifests/v1', 'GET, HEAD'],
    ['DELETE', `/v2/a/b/blobs/${NOWHERE}`, 'GET, HEAD']
  ] as const) {
    const answer = await it.ask(method, url, method === 'DELETE' ? {} : { body: bytes })
    t.equal(refusal(answer), '405 UNSUPPORTED', `${method} ${url}`)
    t.equal(answer.headers.allow, allow)
    t.match(answer.body, 'read-only')
  }
  t.strictSame(changes, [])
  for (const url of ['/v2/', '/v2/_catalog', '/v2/a/b/tags/list', `/v2/a/b/manifests/${digest}`, location]) {
    t.ok((await it.ask('GET', url)).statusCode < 300, url)
  }
  t.equal((await before.ask('DELETE', '/v2/a/b/manifests/v1')).statusCode, 202)
})
