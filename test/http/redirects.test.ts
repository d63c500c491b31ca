import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { createRecorder } from '../../src/operations/metrics/recorder.ts'
import { createMetrics } from '../../src/operations/metrics/registry.ts'
import { type StorageDriver, StorageUnavailable } from '../../storage/driver.ts'
import { memoryStorage } from '../../storage/memory.ts'
import { as, basic, world } from '../auth/world.ts'
import { fileLogger } from '../operations/logs/support.ts'
import { berth, digestOf, NOWHERE, pushBlob, pushImage, refusal } from './support.ts'

const LARGE = Buffer.alloc(64 * 1024, 'x')
const SECRET = 'X-Amz-Signature=hush'

interface Sending {
  storage: StorageDriver
  /** What was to be signed, and for whom. */
  asked: [key: string, address: string | undefined][]
}

/** A store that has URLs of its own. @param sign what it gives for one of them */
function sending(sign = async (url: string): Promise<string | undefined> => url): Sending {
  const asked: Sending['asked'] = []
  const storage: StorageDriver = {
    ...memoryStorage(),
    redirect: (key, address) => {
      asked.push([key, address])
      return sign(`https://store.example.com/bucket/${key}?${SECRET}`)
    }
  }
  return { storage, asked }
}

t.test('who pulls a blob is sent to the store, where nobody keeps the address', async (t) => {
  const { storage, asked } = sending()
  const it = await berth(t, { storage })
  const digest = await pushBlob(it, 'a/b', LARGE)
  const answer = await it.ask('GET', `/v2/a/b/blobs/${digest}`)
  const hex = digestOf(LARGE).slice('sha256:'.length)
  const key = `docker/registry/v2/blobs/sha256/${hex.slice(0, 2)}/${hex}/data`
  t.equal(answer.statusCode, 307)
  t.equal(answer.headers.location, `https://store.example.com/bucket/${key}?${SECRET}`)
  t.equal(answer.headers['cache-control'], 'private, no-store')
  t.equal(answer.headers['content-length'], '0')
  t.equal(answer.headers['docker-content-digest'], digest)
  for (const name of ['etag', 'accept-ranges', 'content-type']) t.notOk(answer.headers[name], name)
  t.equal(answer.body, '')
  t.strictSame(asked, [[key, '127.0.0.1']])
})

t.test('a range goes with the client, whatever it is', async (t) => {
  const it = await berth(t, sending())
  const digest = await pushBlob(it, 'a', LARGE)
  for (const range of ['bytes=0-9', 'bytes=5-', 'bytes=0-1,4-5', 'bytes=999999-']) {
    t.equal((await it.ask('GET', `/v2/a/blobs/${digest}`, { headers: { range } })).statusCode, 307, range)
  }
})

t.test('HEAD, small blobs, manifests and what the client has are answered here', async (t) => {
  const { storage, asked } = sending()
  const it = await berth(t, { storage })
  const digest = await pushBlob(it, 'a', LARGE)
  const small = await pushBlob(it, 'a', LARGE.subarray(1))
  const url = `/v2/a/blobs/${digest}`
  const head = await it.ask('HEAD', url)
  t.equal(head.statusCode, 200)
  t.equal(head.headers['content-length'], String(LARGE.length))
  t.equal((await it.ask('GET', url, { headers: { 'if-none-match': `"${digest}"` } })).statusCode, 304)
  t.equal((await it.ask('GET', `/v2/a/blobs/${small}`)).body.length, LARGE.length - 1)
  await pushImage(it, 'a', 'v1')
  t.equal((await it.ask('GET', '/v2/a/manifests/v1')).statusCode, 200)
  t.strictSame(asked, [])
})

t.test('nobody is given an address of what they may not have, or what is not there', async (t) => {
  const { storage, asked } = sending()
  const it = await world(t, { storage })
  it.cluster.createNamespace('team')
  it.cluster.grant('ed', 'registry-editor', 'team')
  const editor = as(it, basic(it.cluster.addUser('ed')))
  const digest = await pushBlob(editor, 'team/app', LARGE)
  const url = `/v2/team/app/blobs/${digest}`
  t.equal((await it.ask('GET', url)).statusCode, 401)
  t.equal((await as(it, basic(it.cluster.addUser('otto'))).ask('GET', url)).statusCode, 403)
  t.equal(refusal(await editor.ask('GET', `/v2/team/app/blobs/${NOWHERE}`)), '404 BLOB_UNKNOWN')
  t.equal(refusal(await editor.ask('GET', `/v2/team/other/blobs/${digest}`)), '404 BLOB_UNKNOWN')
  t.strictSame(asked, [])
  t.equal((await editor.ask('GET', url)).statusCode, 307)
  t.equal(asked.length, 1)
})

t.test('no address is in a log or a metric', async (t) => {
  const { logger, text } = fileLogger(t, { level: 'debug' })
  const recorder = createRecorder()
  const metrics = createMetrics({ version: '0.0.0' })
  const it = await berth(t, {
    ...sending(),
    logger,
    accessLog: true,
    metrics: { recorder, secret: 'sesame', text: async () => metrics.text() }
  })
  const digest = await pushBlob(it, 'a', LARGE)
  t.equal((await it.ask('GET', `/v2/a/blobs/${digest}`)).statusCode, 307)
  await turn()
  const batch = recorder.take()
  if (batch !== undefined) metrics.add({}, batch)
  t.match(text(), /http\.response\.status=307/)
  t.match(await metrics.text(), /307/)
  t.notMatch(`${text()}${await metrics.text()}`, /hush|store\.example/)
})

t.test('where nothing can be signed the bytes come from here, and the log says why', async (t) => {
  const failures: [sign: () => Promise<string | undefined>, told: RegExp | undefined][] = [
    [async () => undefined, undefined],
    [async () => Promise.reject(new TypeError(`cannot sign ?${SECRET}`)), /itself \(.*: TypeError"/],
    [
      async () => Promise.reject(new StorageUnavailable('no permission to sign; grant it')),
      /level=warn msg="no URL of the store can be signed.*: no permission to sign; grant it"/
    ]
  ]
  for (const [sign, told] of failures) {
    const { logger, text } = fileLogger(t)
    const it = await berth(t, { ...sending(sign), logger })
    const digest = await pushBlob(it, 'a', LARGE)
    const answer = await it.ask('GET', `/v2/a/blobs/${digest}`, { headers: { range: 'bytes=0-9' } })
    t.equal(answer.statusCode, 206)
    t.equal(answer.body, 'xxxxxxxxxx')
    if (told === undefined) t.notMatch(text(), /warn/)
    else t.match(text(), told)
    t.notMatch(text(), /hush/)
  }
})

t.test('nobody waits long for a store that does not sign', async (t) => {
  const { storage } = sending(() => new Promise(() => {}))
  const it = await berth(t, { storage })
  const digest = await pushBlob(it, 'a/b', LARGE)
  const answer = await it.ask('GET', `/v2/a/b/blobs/${digest}`)
  t.equal(answer.statusCode, 200)
  t.equal(answer.rawPayload.length, LARGE.length)
})
