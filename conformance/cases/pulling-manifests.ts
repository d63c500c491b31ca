import type { Case } from '../case.ts'
import type { Answer } from '../client.ts'
import { ACCEPT, type Algorithm, artifactOf, digestOf, indexOf, type Manifest, TYPES } from '../content.ts'
import { fail, header, must, mustHold, needs, skip } from '../expect.ts'

const EMPTY_BODY = Buffer.alloc(0)

/** A digest that is said must be that of the bytes, in whatever algorithm it is. Distribution spec: "Digests". */
export function mustNameBytes(answer: Answer, bytes: Buffer): void {
  const said = header(answer, 'docker-content-digest')
  const [, algorithm] = /^(sha256|sha512):/.exec(said ?? '') ?? []
  if (said === undefined) return
  if (algorithm === undefined) fail(`${answer.sent}: Docker-Content-Digest is "${said}", which is no digest`)
  const right = digestOf(bytes, algorithm as Algorithm)
  mustHold(said === right, `${answer.sent}: expected the digest of the content, ${right}, got ${said}`)
}

/** "Pulling manifests", "Checking if content exists in the registry". */
export const pullingManifests: readonly Case[] = [
  {
    id: 'R-030',
    level: 'MUST',
    section: 'Pulling manifests',
    title: 'a manifest comes back byte for byte by tag and by digest, and one that is not there is 404',
    async run({ repository, random, should }) {
      const image = await repository.pushImage('latest')
      for (const reference of ['latest', image.digest]) {
        const answer = await repository.get(`manifests/${reference}`, { accept: ACCEPT })
        must(answer, { status: 200, body: image.bytes })
      }
      for (const absent of ['absent', random.digest()]) {
        const answer = await repository.get(`manifests/${absent}`, { accept: ACCEPT })
        must(answer, { status: 404 })
        should(answer, { code: 'MANIFEST_UNKNOWN' })
      }
      must(await repository.get('manifests/.INVALID_MANIFEST_NAME'), { status: 404 })
      must(await repository.get('manifests/sha256:totallywrong'), { status: [400, 404] })
    }
  },
  {
    id: 'R-031',
    level: 'SHOULD',
    section: 'Pulling manifests',
    title: 'a manifest comes back with exactly the Content-Type that it was pushed with',
    async run({ repository }) {
      const image = await repository.pushImage('image')
      const index = await repository.pushManifest(indexOf([image]), 'index')
      for (const [tag, { mediaType }] of [
        ['image', image],
        ['index', index]
      ] as const) {
        needs(await repository.get(`manifests/${tag}`, { accept: ACCEPT }), {
          headers: { 'content-type': mediaType }
        })
      }
    }
  },
  {
    id: 'R-032',
    level: 'SHOULD',
    section: 'Pulling manifests',
    title: 'a manifest comes with its digest in Docker-Content-Digest, and never with another',
    async run({ repository }) {
      const image = await repository.pushImage('latest')
      for (const reference of ['latest', image.digest]) {
        const answer = await repository.get(`manifests/${reference}`, { accept: ACCEPT })
        mustNameBytes(answer, image.bytes)
        needs(answer, { status: 200, headers: { 'docker-content-digest': image.digest } })
      }
    }
  },
  {
    id: 'R-033',
    level: 'MUST',
    section: 'Checking if content exists in the registry',
    title: 'HEAD of a manifest is 200 without a body and says its digest and length; of none it is 404',
    async run({ repository, random, should }) {
      const image = await repository.pushImage('latest')
      for (const reference of ['latest', image.digest]) {
        const answer = await repository.head(`manifests/${reference}`, { accept: ACCEPT })
        must(answer, { status: 200, body: EMPTY_BODY })
        mustNameBytes(answer, image.bytes)
        const length = String(image.bytes.length)
        if (header(answer, 'content-length') !== undefined)
          must(answer, { headers: { 'content-length': length } })
        should(answer, {
          headers: {
            'content-length': length,
            'docker-content-digest': image.digest,
            'content-type': image.mediaType
          }
        })
      }
      must(await repository.head('manifests/absent'), { status: 404, body: EMPTY_BODY })
      must(await repository.head(`manifests/${random.digest()}`), { status: 404, body: EMPTY_BODY })
    }
  },
  {
    id: 'R-034',
    level: 'clients',
    section: 'Pulling manifests',
    title: 'GET of a manifest says how long it is',
    async run({ repository }) {
      const image = await repository.pushImage('latest')
      const length = String(image.bytes.length)
      needs(await repository.get('manifests/latest', { accept: ACCEPT }), {
        headers: { 'content-length': length }
      })
    }
  },
  {
    id: 'R-035',
    level: 'MAY',
    section: 'Pulling manifests',
    title: 'a manifest comes as it was pushed, whatever Accept says, and is never converted',
    async run({ repository }) {
      const image = await repository.pushImage()
      const index = await repository.pushManifest(indexOf([image]), 'latest')
      for (const accept of [undefined, '*/*', TYPES.dockerManifest, 'application/json', 'text/html;q=0.5']) {
        for (const reference of [index.digest, 'latest']) {
          const answer = await repository.get(
            `manifests/${reference}`,
            accept === undefined ? {} : { accept }
          )
          if (answer.status === 200 && reference !== 'latest') must(answer, { body: index.bytes })
          needs(answer, { status: 200, body: index.bytes, headers: { 'content-type': index.mediaType } })
        }
      }
    }
  },
  {
    id: 'R-036',
    level: 'docker',
    section: 'Pulling an Image Manifest',
    title: 'a manifest has its digest as ETag, and is 304 for a client that has that already',
    async run({ repository }) {
      const { digest } = await repository.pushImage('latest')
      const first = await repository.get('manifests/latest', { accept: ACCEPT })
      must(first, { status: 200 })
      if (header(first, 'etag') === undefined) skip('the registry sends no ETag with manifests')
      for (const etag of [`"${digest}"`, digest]) {
        const headers = { accept: ACCEPT, 'if-none-match': etag }
        needs(await repository.get('manifests/latest', headers), { status: 304, body: EMPTY_BODY })
        needs(await repository.head('manifests/latest', headers), { status: 304 })
      }
      const other = { accept: ACCEPT, 'if-none-match': '"something else"' }
      must(await repository.get('manifests/latest', other), { status: 200 })
    }
  },
  {
    id: 'R-090',
    level: 'MUST',
    section: 'Pushing Manifests',
    title: 'a pull from a repository that does not exist is 404',
    async run({ repository, random, should }) {
      const answer = await repository.get('manifests/latest', { accept: ACCEPT })
      must(answer, { status: 404 })
      should(answer, { code: ['NAME_UNKNOWN', 'MANIFEST_UNKNOWN'] })
      must(await repository.get(`manifests/${random.digest()}`, { accept: ACCEPT }), { status: 404 })
      must(await repository.get(`blobs/${random.digest()}`), { status: 404 })
    }
  },
  {
    id: 'R-111',
    level: 'MUST',
    section: 'Referrers Tag Schema',
    title: 'clients can keep a list of referrers by themselves, as an index under the tag sha256-HEX',
    async run({ repository }) {
      const image = await repository.pushImage()
      await repository.pushEmpty()
      const signature = await repository.pushManifest(artifactOf(image, 'application/vnd.example.signature'))
      const list: Manifest = indexOf([signature])
      const tag = image.digest.replace(':', '-')
      must(await repository.putManifest(tag, list), { status: 201 })
      must(await repository.get(`manifests/${tag}`, { accept: ACCEPT }), { status: 200, body: list.bytes })
    }
  }
]
