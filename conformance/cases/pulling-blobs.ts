import type { Case } from '../case.ts'
import { header, locationOf, must, mustHold, needs, skip } from '../expect.ts'
import { mustNameBytes } from './pulling-manifests.ts'

const EMPTY_BODY = Buffer.alloc(0)

/** "Pulling blobs", "Checking if content exists in the registry". */
export const pullingBlobs: readonly Case[] = [
  {
    id: 'R-040',
    level: 'MUST',
    section: 'Pulling blobs',
    title: 'a blob comes back byte for byte, and one that is not in the repository is 404',
    async run({ repository, another, random, should }) {
      const { bytes, digest } = await repository.pushBlob()
      const answer = await repository.get(`blobs/${digest}`)
      must(answer, { status: 200, body: bytes })
      mustNameBytes(answer, bytes)
      should(answer, {
        headers: {
          'docker-content-digest': digest,
          'content-length': String(bytes.length),
          'content-type': 'application/octet-stream'
        }
      })
      const absent = await repository.get(`blobs/${random.digest()}`)
      must(absent, { status: 404 })
      should(absent, { code: 'BLOB_UNKNOWN' })
      must(await repository.get('blobs/sha256:totallywrong'), { status: [400, 404] })
      const elsewhere = another()
      await elsewhere.pushBlob()
      should(await elsewhere.get(`blobs/${digest}`), { status: 404 })
    }
  },
  {
    id: 'R-041',
    level: 'MUST',
    section: 'Checking if content exists in the registry',
    title: 'HEAD of a blob is 200 without a body and says its digest and length; of none it is 404',
    async run({ repository, random, should }) {
      const { bytes, digest } = await repository.pushBlob()
      const answer = await repository.head(`blobs/${digest}`)
      must(answer, { status: 200, body: EMPTY_BODY })
      mustNameBytes(answer, bytes)
      const length = String(bytes.length)
      if (header(answer, 'content-length') !== undefined)
        must(answer, { headers: { 'content-length': length } })
      should(answer, { headers: { 'content-length': length, 'docker-content-digest': digest } })
      must(await repository.head(`blobs/${random.digest()}`), { status: 404, body: EMPTY_BODY })
    }
  },
  {
    id: 'R-042',
    level: 'SHOULD',
    section: 'Pulling blobs',
    title: 'a range of a blob is 206 with exactly those bytes, and one beyond its end is 416',
    async run({ repository, should }) {
      const { bytes, digest } = await repository.pushBlob()
      const last = bytes.length - 1
      const ranges = [
        ['bytes=100-199', 100, 199],
        ['bytes=0-0', 0, 0],
        ['bytes=1000-', 1000, last],
        ['bytes=-24', last - 23, last],
        ['bytes=1000-99999', 1000, last]
      ] as const
      for (const [range, from, to] of ranges) {
        const answer = await repository.get(`blobs/${digest}`, { range })
        if (answer.status === 200) must(answer, { body: bytes })
        needs(answer, { status: 206 })
        must(answer, {
          body: bytes.subarray(from, to + 1),
          headers: { 'content-range': new RegExp(`^bytes ${from}-${to}/(${bytes.length}|\\*)$`) }
        })
        should(answer, {
          headers: { 'content-length': String(to - from + 1), 'docker-content-digest': digest }
        })
      }
      const beyond = await repository.get(`blobs/${digest}`, { range: `bytes=${bytes.length}-` })
      if (beyond.status === 200) must(beyond, { body: bytes })
      needs(beyond, { status: 416 })
      should(beyond, { headers: { 'content-range': `bytes */${bytes.length}` } })
    }
  },
  {
    id: 'R-043',
    level: 'clients',
    section: 'Pulling blobs',
    title: 'several ranges in one request come in several parts, or the whole blob comes',
    async run({ repository }) {
      const { bytes, digest } = await repository.pushBlob()
      const answer = await repository.get(`blobs/${digest}`, { range: 'bytes=0-9,100-119,1000-1023' })
      needs(answer, { status: [200, 206] })
      if (answer.status === 200) {
        must(answer, { body: bytes })
        return
      }
      must(answer, { headers: { 'content-type': /^multipart\/byteranges; *boundary="?[^" ]+"?$/ } })
      const [, boundary] = /boundary="?([^" ]+)"?/.exec(header(answer, 'content-type') ?? '') ?? []
      const text = answer.body.toString('latin1')
      for (const [from, to] of [
        [0, 9],
        [100, 119],
        [1000, 1023]
      ] as const) {
        const part = text
          .split(`--${boundary}`)
          .find((one) => one.includes(`bytes ${from}-${to}/${bytes.length}`))
        const content = part?.slice(part.indexOf('\r\n\r\n') + 4).replace(/\r\n$/, '')
        const right = bytes.subarray(from, to + 1).toString('latin1')
        mustHold(content === right, `${answer.sent}: the part ${from}-${to} is missing or has other bytes`)
      }
    }
  },
  {
    id: 'R-044',
    level: 'MAY',
    section: 'Pulling blobs',
    title: 'a redirect of a blob leads to its bytes without credentials, and to ranges of them',
    async run({ repository, bare }) {
      const { bytes, digest } = await repository.pushBlob()
      const answer = await repository.send('GET', `blobs/${digest}`, { follow: false })
      if (answer.status === 200) skip('the registry sends blobs itself')
      must(answer, { status: [301, 302, 303, 307, 308] })
      const target = locationOf(answer)
      must(await bare('GET', target), { status: 200, body: bytes })
      const range = { headers: { range: 'bytes=10-19' } }
      must(await bare('GET', target, range), { status: 206, body: bytes.subarray(10, 20) })
    }
  },
  {
    id: 'R-045',
    level: 'clients',
    section: 'Pulling blobs',
    title: 'a manifest’s digest, asked for as a blob, is 404 or its bytes',
    async run({ repository }) {
      const image = await repository.pushImage()
      const answer = await repository.get(`blobs/${image.digest}`)
      if (answer.status === 200) must(answer, { body: image.bytes })
      needs(answer, { status: [200, 404] })
    }
  }
]
