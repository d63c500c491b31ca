import type { Case } from '../case.ts'
import { digestOf } from '../content.ts'
import { header, locationOf, must, needs, skip } from '../expect.ts'
import type { Repository } from '../repository.ts'

/** "Pushing a blob in chunks". */
export const chunks: readonly Case[] = [
  {
    id: 'R-052',
    level: 'SHOULD',
    section: 'Pushing a blob in chunks',
    title: 'a registry with a smallest chunk announces it in bytes',
    async run({ repository }) {
      const answer = await repository.send('POST', 'blobs/uploads/')
      must(answer, { status: 202 })
      if (header(answer, 'oci-chunk-min-length') === undefined)
        skip('the registry announces no smallest chunk')
      must(answer, { headers: { 'oci-chunk-min-length': /^[1-9][0-9]*$/ } })
    }
  },
  {
    id: 'R-058',
    level: 'MUST',
    section: 'Pushing a blob in chunks',
    title: 'each chunk is 202, with a Location for the next and a Range up to the last byte that came',
    async run({ repository, random }) {
      const { size, upload } = await open(repository)
      const bytes = random.bytes(3 * size)
      let next = upload
      for (const end of [size, 2 * size, 3 * size]) {
        const start = end - size
        const answer = await repository.patch(next, bytes.subarray(start, end), `${start}-${end - 1}`)
        must(answer, { status: 202, headers: { location: /./, range: `0-${end - 1}` } })
        next = locationOf(answer)
      }
      must(await repository.close(next, digestOf(bytes)), { status: 201 })
      must(await repository.get(`blobs/${digestOf(bytes)}`), { status: 200, body: bytes })
    }
  },
  {
    id: 'R-060',
    level: 'MUST',
    section: 'Pushing a blob in chunks',
    title: 'a chunk that begins elsewhere than where the last one ended is 416, and adds nothing',
    async run({ repository, random, should }) {
      const { size, upload } = await open(repository)
      const bytes = random.bytes(2 * size)
      const [first, second] = [bytes.subarray(0, size), bytes.subarray(size)]
      must(await repository.patch(upload, second, `${size}-${2 * size - 1}`), { status: 416 })

      const begun = await repository.openUpload()
      const accepted = await repository.patch(begun, first, `0-${size - 1}`)
      must(accepted, { status: 202 })
      const repeated = await repository.patch(locationOf(accepted), first, `0-${size - 1}`)
      must(repeated, { status: 416 })
      should(repeated, { headers: { range: `0-${size - 1}`, location: /./ } })
      must(await repository.patch(locationOf(accepted), second, `${size + 1}-${2 * size}`), { status: 416 })

      const status = await repository.get(locationOf(accepted))
      must(status, { status: 204, headers: { range: `0-${size - 1}`, location: /./ } })
      const went = await repository.patch(locationOf(status), second, `${size}-${2 * size - 1}`)
      must(went, { status: 202 })
      must(await repository.close(locationOf(went), digestOf(bytes)), { status: 201 })
      must(await repository.get(`blobs/${digestOf(bytes)}`), { status: 200, body: bytes })
    }
  },
  {
    id: 'R-061',
    level: 'draft',
    section: 'Pushing a blob in chunks',
    title: 'a closing PUT whose chunk begins elsewhere is 416, and the upload can still be closed rightly',
    async run({ repository, random }) {
      const { size, upload } = await open(repository)
      const bytes = random.bytes(2 * size)
      const digest = digestOf(bytes)
      const accepted = await repository.patch(upload, bytes.subarray(0, size), `0-${size - 1}`)
      must(accepted, { status: 202 })
      const last = bytes.subarray(size)
      const wrong = await repository.close(locationOf(accepted), digest, last, `${size + 5}-${2 * size + 4}`)
      needs(wrong, { status: 416 })
      const right = await repository.close(locationOf(accepted), digest, last, `${size}-${2 * size - 1}`)
      needs(right, { status: 201 })
      must(await repository.get(`blobs/${digest}`), { status: 200, body: bytes })
    }
  },
  {
    id: 'R-062',
    level: 'MUST',
    section: 'Pushing a blob in chunks',
    title: 'the last chunk may come with the PUT that closes the upload',
    async run({ repository, random }) {
      const { size, upload } = await open(repository)
      const bytes = random.bytes(size + 10)
      const digest = digestOf(bytes)
      const accepted = await repository.patch(upload, bytes.subarray(0, size), `0-${size - 1}`)
      must(accepted, { status: 202 })
      const range = `${size}-${size + 9}`
      const closed = await repository.close(locationOf(accepted), digest, bytes.subarray(size), range)
      must(closed, { status: 201, headers: { location: /./ } })
      must(await repository.get(locationOf(closed)), { status: 200, body: bytes })
    }
  },
  {
    id: 'R-063',
    level: 'MUST',
    section: 'Pushing a blob in chunks',
    title: 'GET of an upload is 204, and says where it goes on and what has come',
    async run({ repository, random, should }) {
      const { size, upload } = await open(repository)
      const fresh = await repository.get(upload)
      must(fresh, { status: 204, headers: { location: /./ } })
      should(fresh, { headers: { range: '0-0' } })
      const accepted = await repository.patch(upload, random.bytes(size), `0-${size - 1}`)
      must(accepted, { status: 202 })
      const expected = {
        status: 204,
        headers: { location: /./, range: `0-${size - 1}` },
        body: Buffer.alloc(0)
      }
      must(await repository.get(locationOf(accepted)), expected)
      should(await repository.get(upload), expected)
      const unknown = new URL(upload)
      unknown.pathname = unknown.pathname.replace(/[0-9a-f]{8}-[0-9a-f]{4}/, '00000000-0000')
      if (unknown.href !== upload.href) must(await repository.get(unknown), { status: [400, 404] })
    }
  },
  {
    id: 'R-064',
    level: 'clients',
    section: 'Pushing a blob in chunks',
    title: 'an upload goes on at any Location that it has had, and what counts is the range of the chunk',
    async run({ repository, random }) {
      const { size, upload } = await open(repository)
      const bytes = random.bytes(3 * size)
      for (const start of [0, size, 2 * size]) {
        const chunk = bytes.subarray(start, start + size)
        needs(await repository.patch(upload, chunk, `${start}-${start + size - 1}`), { status: 202 })
      }
      needs(await repository.close(upload, digestOf(bytes)), { status: 201 })
      must(await repository.get(`blobs/${digestOf(bytes)}`), { status: 200, body: bytes })
    }
  }
]

/** Begins an upload, with a size of chunks that the registry takes. */
async function open(repository: Repository): Promise<{ size: number; upload: URL }> {
  const upload = await repository.openUpload()
  const answer = await repository.send('POST', 'blobs/uploads/')
  const least = Number(header(answer, 'oci-chunk-min-length') ?? 0)
  return { size: Math.max(1000, least), upload }
}
