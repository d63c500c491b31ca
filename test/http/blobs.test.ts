import t from 'tap'
import { readTogether, together } from '../../src/http/send-parts.ts'
import { seeded } from '../integration/support/random.ts'
import {
  type Answer,
  berth,
  digestOf,
  errorsOf,
  NOWHERE,
  NOWHERE_EITHER,
  pushBlob,
  pushImage,
  refusal
} from './support.ts'

const TEN = '0123456789'
const EMPTY = 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

t.test('a blob comes as it was pushed, with all that says what it is (R-040, C-09, C-21)', async (t) => {
  const world = await berth(t)
  const digest = await pushBlob(world, 'a/b', TEN)
  const { statusCode, headers, body } = await world.ask('GET', `/v2/a/b/blobs/${digest}`)
  t.equal(statusCode, 200)
  t.equal(body, TEN)
  t.equal(headers['content-length'], '10')
  t.equal(headers['content-type'], 'application/octet-stream')
  t.equal(headers['docker-content-digest'], digest)
  t.equal(headers['accept-ranges'], 'bytes')
  t.equal(headers.etag, `"${digest}"`)
  t.equal(headers['cache-control'], 'max-age=31536000')
  t.notOk(headers['transfer-encoding'])
})

t.test('HEAD has the headers of GET and no body (R-041, C-10, F-09)', async (t) => {
  const world = await berth(t)
  const digest = await pushBlob(world, 'a', TEN)
  const get = await world.ask('GET', `/v2/a/blobs/${digest}`)
  const head = await world.ask('HEAD', `/v2/a/blobs/${digest}`)
  t.equal(head.statusCode, 200)
  t.equal(head.body, '')
  for (const name of ['content-length', 'content-type', 'docker-content-digest', 'etag', 'accept-ranges']) {
    t.equal(head.headers[name], get.headers[name], name)
  }
})

t.test('sha512 blobs are pushed and pulled by their own digest (R-040, R-032, F-04)', async (t) => {
  const world = await berth(t)
  const digest = await pushBlob(world, 'a', TEN, 'sha512')
  for (const method of ['GET', 'HEAD']) {
    const answer = await world.ask(method, `/v2/a/blobs/${digest}`)
    t.equal(answer.statusCode, 200)
    t.equal(answer.headers['docker-content-digest'], digest)
  }
  t.equal(refusal(await world.ask('GET', `/v2/a/blobs/${digestOf(TEN)}`)), '404 BLOB_UNKNOWN')
})

t.test('an empty blob is pulled (R-073)', async (t) => {
  const world = await berth(t)
  t.equal(await pushBlob(world, 'a', ''), EMPTY)
  const answer = await world.ask('GET', `/v2/a/blobs/${EMPTY}`)
  t.equal(answer.statusCode, 200)
  t.equal(answer.headers['content-length'], '0')
  t.equal(answer.body, '')
})

t.test(
  'a blob that is not there is 404 BLOB_UNKNOWN, to HEAD without a body (R-040, R-041, C-14)',
  async (t) => {
    const world = await berth(t)
    await pushBlob(world, 'a', TEN)
    t.equal(refusal(await world.ask('GET', `/v2/a/blobs/${NOWHERE}`)), '404 BLOB_UNKNOWN')
    t.equal(refusal(await world.ask('GET', `/v2/nobody/blobs/${NOWHERE}`)), '404 BLOB_UNKNOWN')
    const head = await world.ask('HEAD', `/v2/a/blobs/${NOWHERE}`)
    t.equal(head.statusCode, 404)
    t.equal(head.body, '')
  }
)

t.test('a blob of another repository is not here (R-040)', async (t) => {
  const world = await berth(t)
  const digest = await pushBlob(world, 'a', TEN)
  t.equal(refusal(await world.ask('GET', `/v2/b/blobs/${digest}`)), '404 BLOB_UNKNOWN')
  t.equal(refusal(await world.ask('GET', `/v2/a/b/blobs/${digest}`)), '404 BLOB_UNKNOWN')
})

t.test('a digest that is malformed or of an unknown algorithm is 400 DIGEST_INVALID (R-040)', async (t) => {
  const { ask } = await berth(t)
  const hex = '0'.repeat(64)
  const digests = [
    'sha256:',
    `sha256:${hex}0`,
    `SHA256:${hex}`,
    `sha256:${'A'.repeat(64)}`,
    `md5:${hex}`,
    hex
  ]
  for (const digest of [...digests, `sha512:${hex}`, 'x:y', 'sha256:totallywrong']) {
    t.equal(refusal(await ask('GET', `/v2/a/blobs/${digest}`)), '400 DIGEST_INVALID', digest)
  }
})

t.test('a manifest is no blob until it is pushed as one (R-045, M-10)', async (t) => {
  const world = await berth(t)
  const { digest } = await pushImage(world, 'a')
  t.equal(refusal(await world.ask('GET', `/v2/a/blobs/${digest}`)), '404 BLOB_UNKNOWN')
})

/** Range, its bytes of the ten, and its Content-Range. */
const RANGES: [string, string, string][] = [
  ['bytes=0-0', '0', 'bytes 0-0/10'],
  ['bytes=2-5', '2345', 'bytes 2-5/10'],
  ['bytes=7-', '789', 'bytes 7-9/10'],
  ['bytes=0-', TEN, 'bytes 0-9/10'],
  ['bytes=-3', '789', 'bytes 7-9/10'],
  ['bytes=-100', TEN, 'bytes 0-9/10'],
  ['bytes=8-100', '89', 'bytes 8-9/10'],
  ['bytes=3-3', '3', 'bytes 3-3/10']
]

t.test('one range is 206 with just these bytes, and the digest of the whole (R-042)', async (t) => {
  const world = await berth(t)
  const digest = await pushBlob(world, 'a', TEN)
  for (const [range, bytes, contentRange] of RANGES) {
    const { statusCode, headers, body } = await world.ask('GET', `/v2/a/blobs/${digest}`, {
      headers: { range }
    })
    t.equal(statusCode, 206, range)
    t.equal(body, bytes, range)
    t.equal(headers['content-range'], contentRange)
    t.equal(headers['content-length'], String(bytes.length))
    t.equal(headers['docker-content-digest'], digest)
  }
})

t.test('a range that begins at or after the end is 416, with the size (R-042)', async (t) => {
  const world = await berth(t)
  const url = `/v2/a/blobs/${await pushBlob(world, 'a', TEN)}`
  for (const range of ['bytes=10-', 'bytes=10-20', 'bytes=500-0', 'bytes=-0']) {
    const answer = await world.ask('GET', url, { headers: { range } })
    t.equal(refusal(answer), '416 RANGE_INVALID', range)
    t.equal(answer.headers['content-range'], 'bytes */10')
  }
})

t.test('a Range of another unit or form is passed over (R-042, R-004)', async (t) => {
  const world = await berth(t)
  const url = `/v2/a/blobs/${await pushBlob(world, 'a', TEN)}`
  for (const range of ['lines=1-2', 'bytes', 'bytes=', 'bytes=a-b', '0-5', 'bytes=-']) {
    const answer = await world.ask('GET', url, { headers: { range } })
    t.equal(answer.statusCode, 200, range)
    t.equal(answer.body, TEN)
  }
})

/** The parts of a multipart answer: what each says of itself, and its bytes. */
function partsOf(answer: Answer): { range: string; bytes: string }[] {
  const boundary = /^multipart\/byteranges; boundary=([\w-]+)$/.exec(
    String(answer.headers['content-type'])
  )?.[1]
  const [, ...parts] = `\r\n${answer.body}`.split(`\r\n--${boundary}`)
  if (parts.pop()?.trim() !== '--') throw new Error('the last boundary is missing')
  return parts.map((part) => {
    const end = part.indexOf('\r\n\r\n')
    const range = /^content-range: (.*)$/im.exec(part.slice(0, end))?.[1]
    return { range: String(range).trim(), bytes: part.slice(end + 4) }
  })
}

t.test('several ranges are the parts of one 206 (R-043)', async (t) => {
  const world = await berth(t)
  const digest = await pushBlob(world, 'a', TEN)
  const headers = { range: 'bytes=0-1, 4-5,-2' }
  const answer = await world.ask('GET', `/v2/a/blobs/${digest}`, { headers })
  t.equal(answer.statusCode, 206)
  t.notOk(answer.headers['content-range'])
  t.equal(answer.headers['content-length'], String(answer.rawPayload.length))
  t.equal(answer.headers['docker-content-digest'], digest)
  t.strictSame(partsOf(answer), [
    { range: 'bytes 0-1/10', bytes: '01' },
    { range: 'bytes 4-5/10', bytes: '45' },
    { range: 'bytes 8-9/10', bytes: '89' }
  ])
})

t.test('a set of ranges is never 416 while one of them is there (R-043)', async (t) => {
  const world = await berth(t)
  const url = `/v2/a/blobs/${await pushBlob(world, 'a', TEN)}`
  const partly = await world.ask('GET', url, { headers: { range: 'bytes=20-30,1-2' } })
  t.equal(partly.statusCode, 206)
  t.equal(partly.body, '12')
  const many = Array.from({ length: 1000 }, (_, index) => `${index * 2}-${index * 2}`).join(',')
  const wide = await pushBlob(world, 'a', TEN.repeat(200))
  const all = await world.ask('GET', `/v2/a/blobs/${wide}`, { headers: { range: `bytes=${many}` } })
  t.equal(all.statusCode, 206)
  t.equal(partsOf(all).length, 1000)
  t.equal(all.headers['content-length'], String(all.rawPayload.length))
})

t.test('a client that has the blob is told so, and If-Range guards a range (R-004, C-21)', async (t) => {
  const world = await berth(t)
  const digest = await pushBlob(world, 'a', TEN)
  const get = (headers: Record<string, string>) => world.ask('GET', `/v2/a/blobs/${digest}`, { headers })
  for (const tag of [`"${digest}"`, digest, `W/"${digest}"`, `"x", "${digest}"`, '*']) {
    const answer = await get({ 'if-none-match': tag })
    t.equal(answer.statusCode, 304, tag)
    t.equal(answer.body, '')
    t.equal(answer.headers.etag, `"${digest}"`)
  }
  t.equal((await get({ 'if-none-match': `"${NOWHERE}"` })).statusCode, 200)
  t.equal((await get({ range: 'bytes=0-1', 'if-range': `"${digest}"` })).statusCode, 206)
  t.equal((await get({ range: 'bytes=0-1', 'if-range': `"${NOWHERE}"` })).statusCode, 200)
  t.equal((await get({ range: 'bytes=0-1', 'if-range': 'Sat, 21 Nov 2026 10:00:00 GMT' })).statusCode, 200)
  const head = await world.ask('HEAD', `/v2/a/blobs/${digest}`, { headers: { 'if-none-match': digest } })
  t.equal(head.statusCode, 304)
})

t.test('a deleted blob is 404 at once, and stays in other repositories (R-122, R-123)', async (t) => {
  const world = await berth(t)
  const digest = await pushBlob(world, 'a', TEN)
  await pushBlob(world, 'b', TEN)
  t.equal((await world.ask('HEAD', `/v2/a/blobs/${digest}`)).statusCode, 200)
  const answer = await world.ask('DELETE', `/v2/a/blobs/${digest}`)
  t.equal(answer.statusCode, 202)
  t.equal(answer.headers['content-length'], '0')
  t.equal((await world.ask('HEAD', `/v2/a/blobs/${digest}`)).statusCode, 404)
  t.equal(refusal(await world.ask('GET', `/v2/a/blobs/${digest}`)), '404 BLOB_UNKNOWN')
  t.equal((await world.ask('GET', `/v2/b/blobs/${digest}`)).body, TEN)
  t.equal(await pushBlob(world, 'a', TEN), digest)
  t.equal((await world.ask('GET', `/v2/a/blobs/${digest}`)).body, TEN)
})

t.test('deleting what is not there is 404 BLOB_UNKNOWN, and a bad digest 400 (R-122)', async (t) => {
  const world = await berth(t)
  await pushBlob(world, 'a', TEN)
  t.equal(refusal(await world.ask('DELETE', `/v2/a/blobs/${NOWHERE}`)), '404 BLOB_UNKNOWN')
  t.equal(refusal(await world.ask('DELETE', `/v2/nobody/blobs/${NOWHERE_EITHER}`)), '404 BLOB_UNKNOWN')
  t.equal(refusal(await world.ask('DELETE', '/v2/a/blobs/sha256:0')), '400 DIGEST_INVALID')
})

t.test('blobs may be deleted before the manifest that needs them (R-122, R-124)', async (t) => {
  const world = await berth(t)
  const { bytes, digest } = await pushImage(world, 'a', 'v1')
  const { config, layers } = JSON.parse(bytes.toString())
  for (const blob of [config, ...layers]) {
    t.equal((await world.ask('DELETE', `/v2/a/blobs/${blob.digest}`)).statusCode, 202)
  }
  t.equal((await world.ask('DELETE', `/v2/a/manifests/${digest}`)).statusCode, 202)
})

t.test('while deletes are off they are 405 UNSUPPORTED and say why (R-122, R-123)', async (t) => {
  const world = await berth(t, { deletes: false })
  const digest = await pushBlob(world, 'a', TEN)
  for (const path of [`blobs/${digest}`, `blobs/${NOWHERE}`, 'manifests/v1', `manifests/${NOWHERE}`]) {
    const answer = await world.ask('DELETE', `/v2/a/${path}`)
    t.equal(refusal(answer), '405 UNSUPPORTED', path)
    t.match(errorsOf(answer)[0]?.message, /storage\.delete\.enabled/)
  }
  t.equal((await world.ask('GET', `/v2/a/blobs/${digest}`)).body, TEN)
})

t.test('a 405 for deletes that are off says which methods there are (R-004)', async (t) => {
  const { ask } = await berth(t, { deletes: false })
  const allow = String((await ask('DELETE', `/v2/a/blobs/${NOWHERE}`)).headers.allow).split(', ')
  t.strictSame(allow.sort(), ['GET', 'HEAD'])
})

t.test('while deletes are off an upload can still be cancelled (C-13)', async (t) => {
  const { ask } = await berth(t, { deletes: false })
  const { headers } = await ask('POST', '/v2/a/blobs/uploads/')
  t.equal((await ask('DELETE', String(headers.location))).statusCode, 204)
})

t.test('no refusal may be kept by caches for as long as a blob (C-21, R-004)', async (t) => {
  const world = await berth(t)
  const url = `/v2/a/blobs/${await pushBlob(world, 'a', TEN)}`
  const refused = await world.ask('GET', url, { headers: { range: 'bytes=10-' } })
  t.equal(refused.statusCode, 416)
  t.notMatch(String(refused.headers['cache-control']), /max-age/)
})

t.test(
  'ranges that lie near each other come of one read, and each is as if it were read alone',
  async (t) => {
    const random = seeded('parts')
    const bytes = random.bytes(600_000)
    for (let turn = 0; turn < 50; turn++) {
      const ranges = Array.from({ length: random.between(2, 12) }, () => {
        const start = random.below(bytes.length)
        return { start, end: Math.min(bytes.length - 1, start + random.below(random.pick([1, 100, 40_000]))) }
      })
      if (random.chance(0.7)) ranges.sort((one, other) => one.start - other.start)
      let reads = 0
      const blob = {
        size: bytes.length,
        async *read({ start, end }: { start: number; end: number } = { start: 0, end: 0 }) {
          reads++
          for (let at = start; at <= end; ) {
            const next = Math.min(end + 1, at + random.between(1, 30_000))
            yield bytes.subarray(at, next)
            at = next
          }
        }
      }
      const sent: Buffer[] = []
      for (const near of together(ranges.map((range) => ({ range, head: Buffer.from('|') })))) {
        for await (const chunk of readTogether(blob, near)) sent.push(Buffer.from(chunk))
      }
      const expected = ranges.map(({ start, end }) => [Buffer.from('|'), bytes.subarray(start, end + 1)])
      t.ok(Buffer.concat(sent).equals(Buffer.concat(expected.flat())), `turn ${turn}`)
      t.ok(reads <= ranges.length)
    }
    const dense = Array.from({ length: 1024 }, (_, i) => ({
      range: { start: 2 * i, end: 2 * i },
      head: bytes
    }))
    t.equal(together(dense).length, 1)
  }
)
