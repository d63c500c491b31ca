import type { Case } from '../case.ts'
import { blobOf, digestOf } from '../content.ts'
import { header, locationOf, must, mustHold, needs, skip, withQuery } from '../expect.ts'
import { mustNameBytes } from './pulling-manifests.ts'

const NONE = Buffer.alloc(0)

const UUID = /[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}/i

/** "Pushing blobs": in one request, in two, as a stream; and what ends an upload without a blob. */
export const uploads: readonly Case[] = [
  {
    id: 'R-050',
    level: 'MUST',
    section: 'POST then PUT',
    title: 'an upload begins with POST and 202, and a Location of its own with a UUID',
    async run({ repository, random, should }) {
      const first = await repository.send('POST', 'blobs/uploads/')
      must(first, { status: 202, headers: { location: UUID } })
      const second = await repository.send('POST', 'blobs/uploads/')
      must(second, { status: 202, headers: { location: UUID } })
      mustHold(
        locationOf(first).href !== locationOf(second).href,
        `${first.sent}: two uploads were given one Location, ${header(first, 'location')}`
      )
      const [a, b] = [random.bytes(100), random.bytes(200)]
      must(await repository.close(locationOf(second), digestOf(b), b), { status: 201 })
      must(await repository.close(locationOf(first), digestOf(a), a), { status: 201 })
      should(await repository.send('POST', 'blobs/uploads'), { status: 202 })
    }
  },
  {
    id: 'R-051',
    level: 'clients',
    section: 'POST then PUT',
    title: 'the POST that begins an upload may claim any Content-Type of the body that it does not have',
    async run({ repository }) {
      for (const type of ['application/json', 'text/plain', 'application/octet-stream']) {
        const headers = { 'content-type': type }
        needs(await repository.send('POST', 'blobs/uploads/', { headers }), { status: 202 })
      }
    }
  },
  {
    id: 'R-053',
    level: 'MUST',
    section: 'POST then PUT',
    title: 'a PUT with the whole blob and its digest is 201, with a Location from which it can be pulled',
    async run({ repository, random, should }) {
      const bytes = random.bytes(5000)
      const digest = digestOf(bytes)
      const answer = await repository.close(await repository.openUpload(), digest, bytes)
      must(answer, { status: 201, headers: { location: /./ } })
      mustNameBytes(answer, bytes)
      should(answer, { headers: { 'docker-content-digest': digest } })
      must(await repository.get(locationOf(answer)), { status: 200, body: bytes })
      must(await repository.get(`blobs/${digest}`), { status: 200, body: bytes })
    }
  },
  {
    id: 'R-054',
    level: 'MUST',
    section: 'Pushing a blob in chunks',
    title: 'a PUT without a body closes an upload whose bytes came before',
    async run({ repository, random }) {
      const bytes = random.bytes(5000)
      const patched = await repository.patch(await repository.openUpload(), bytes, '0-4999')
      must(patched, { status: 202, headers: { location: /./ } })
      const bare = withQuery(locationOf(patched), { digest: digestOf(bytes) })
      const closed = await repository.send('PUT', bare) // without a Content-Type, as docker does
      must(closed, { status: 201, headers: { location: /./ } })
      must(await repository.get(locationOf(closed)), { status: 200, body: bytes })
    }
  },
  {
    id: 'R-055',
    level: 'MAY',
    section: 'Single POST',
    title: 'a POST with a digest and the whole blob is 201; where it is 202 nothing was pushed yet',
    async run({ repository, random }) {
      const bytes = random.bytes(700)
      const digest = digestOf(bytes)
      const headers = { 'content-type': 'application/octet-stream' }
      const answer = await repository.send('POST', `blobs/uploads/?digest=${digest}`, {
        headers,
        body: bytes
      })
      needs(answer, { status: [201, 202] })
      must(answer, { headers: { location: /./ } })
      if (answer.status === 202) {
        must(await repository.get(`blobs/${digest}`), { status: 404 })
        must(await repository.close(locationOf(answer), digest, bytes), { status: 201 })
        skip(`${answer.sent}: 202, so it takes blobs in two requests only`)
      }
      must(await repository.get(locationOf(answer)), { status: 200, body: bytes })
      const wrong = random.digest()
      const refused = await repository.send('POST', `blobs/uploads/?digest=${wrong}`, {
        headers,
        body: bytes
      })
      mustHold(refused.status >= 400, `${refused.sent}: bytes of another digest got ${refused.status}`)
    }
  },
  {
    id: 'R-056',
    level: 'draft',
    section: 'Pushing blobs',
    title: 'a blob is pushed under its sha512 digest, whether ?digest-algorithm= announced that or not',
    async run({ repository, random, should }) {
      for (const query of ['', '?digest-algorithm=sha512']) {
        const { bytes, digest } = blobOf(random.bytes(900), 'sha512')
        const opened = await repository.send('POST', `blobs/uploads/${query}`)
        needs(opened, { status: 202 })
        const closed = await repository.close(locationOf(opened), digest, bytes)
        needs(closed, { status: 201 })
        must(await repository.get(`blobs/${digest}`), { status: 200, body: bytes })
      }
      should(await repository.send('POST', 'blobs/uploads/?digest-algorithm=md17'), { status: 400 })
    }
  },
  {
    id: 'R-057',
    level: 'MUST',
    section: 'Pushing blobs',
    title: 'bytes that do not have the digest that was named become no blob',
    async run({ repository, random, should }) {
      const bytes = random.bytes(300)
      const right = digestOf(bytes)
      const wrong = [
        random.digest(),
        right.toUpperCase().replace('SHA', 'sha'),
        'sha256:abc',
        'md17:abcd',
        'x'
      ]
      for (const digest of wrong) {
        const answer = await repository.close(await repository.openUpload(), digest, bytes)
        mustHold(answer.status >= 400, `${answer.sent}: expected a refusal, got ${answer.status}`)
        should(answer, { status: 400, code: 'DIGEST_INVALID' })
        must(await repository.get(`blobs/${digest}`), { status: [400, 404] })
      }
      const unnamed = await repository.send('PUT', await repository.openUpload(), { body: bytes })
      mustHold(
        unnamed.status >= 400,
        `${unnamed.sent}: expected a refusal without a digest, got ${unnamed.status}`
      )
    }
  },
  {
    id: 'R-059',
    level: 'clients',
    section: 'Pushing a blob in chunks',
    title: 'bytes that come without a range, with a length or in chunked coding, follow those before',
    async run({ repository, random, should }) {
      const bytes = random.bytes(9000)
      const headers = { 'content-type': 'application/octet-stream' }
      const first = await repository.patch(await repository.openUpload(), bytes.subarray(0, 4000))
      needs(first, { status: 202 })
      should(first, { headers: { range: '0-3999' } })
      const rest = { headers, body: bytes.subarray(4000), chunked: true }
      const second = await repository.send('PATCH', locationOf(first), rest)
      needs(second, { status: 202 })
      should(second, { headers: { range: '0-8999' } })
      needs(await repository.close(locationOf(second), digestOf(bytes)), { status: 201 })
      must(await repository.get(`blobs/${digestOf(bytes)}`), { status: 200, body: bytes })
    }
  },
  {
    id: 'R-065',
    level: 'draft',
    section: 'Cancel a blob upload',
    title: 'DELETE ends an upload with 204, and after that there is none',
    async run({ repository, random, should }) {
      const upload = await repository.openUpload()
      needs(await repository.delete(upload), { status: 204 })
      const gone = await repository.get(upload)
      must(gone, { status: [400, 404, 410] })
      should(gone, { status: 404, code: 'BLOB_UPLOAD_UNKNOWN' })
      const bytes = random.bytes(10)
      must(await repository.close(upload, digestOf(bytes), bytes), { status: [400, 404, 410] })
    }
  },
  {
    id: 'R-072',
    level: 'clients',
    section: 'Pushing blobs',
    title: 'a blob can be pushed by two clients at once, and once more when it is there already',
    async run({ repository, random }) {
      const bytes = random.bytes(20_000)
      const digest = digestOf(bytes)
      const [a, b] = [await repository.openUpload(), await repository.openUpload()]
      const both = await Promise.all([a, b].map((upload) => repository.close(upload, digest, bytes)))
      for (const answer of both) needs(answer, { status: 201 })
      needs(await repository.close(await repository.openUpload(), digest, bytes), { status: 201 })
      must(await repository.get(`blobs/${digest}`), { status: 200, body: bytes })
    }
  },
  {
    id: 'R-073',
    level: 'clients',
    section: 'Pushing blobs',
    title: 'a blob of no bytes can be pushed in every way, and pulled',
    async run({ repository }) {
      const digest = digestOf(NONE)
      needs(await repository.close(await repository.openUpload(), digest), { status: 201 })
      const patched = await repository.patch(await repository.openUpload(), NONE)
      needs(patched, { status: 202 })
      needs(await repository.close(locationOf(patched), digest), { status: 201 })
      const single = await repository.send('POST', `blobs/uploads/?digest=${digest}`)
      needs(single, { status: [201, 202] })
      needs(await repository.get(`blobs/${digest}`), { status: 200, body: NONE })
      needs(await repository.head(`blobs/${digest}`), { status: 200, headers: { 'content-length': '0' } })
    }
  }
]
