import type { Case } from '../case.ts'
import {
  ACCEPT,
  artifactOf,
  blobOf,
  descriptorOf,
  digestOf,
  imageOf,
  indexOf,
  type Manifest,
  manifestOf,
  TYPES
} from '../content.ts'
import { errorCodes, fail, header, inWords, locationOf, must, mustHold, needs, skip } from '../expect.ts'
import { mustNameBytes } from './pulling-manifests.ts'
import { needsReferrers } from './referrers.ts'

const accept = { accept: ACCEPT }

/** "Pushing Manifests". */
export const manifestPushes: readonly Case[] = [
  {
    id: 'R-080',
    level: 'MUST',
    section: 'Pushing Manifests',
    title:
      'a manifest is pushed by tag or digest with 201, kept byte for byte, and refused under a wrong digest',
    async run({ repository, random, should }) {
      const { bytes: compact } = imageOf(await repository.pushConfig(), [await repository.pushBlob()])
      const bytes = Buffer.concat([compact, Buffer.from(' \n')]) // the end counts too
      const image: Manifest = { ...blobOf(bytes), mediaType: TYPES.manifest }
      for (const reference of ['latest', image.digest]) {
        const answer = await repository.putManifest(reference, image)
        must(answer, { status: 201, headers: { location: /./ } })
        mustNameBytes(answer, bytes)
        should(answer, { headers: { 'docker-content-digest': image.digest } })
        must(await repository.get(locationOf(answer), accept), { status: 200, body: bytes })
        must(await repository.get(`manifests/${reference}`, accept), { status: 200, body: bytes })
      }
      for (const wrong of [random.digest(), digestOf(compact), 'sha256:baddigeststring']) {
        const answer = await repository.putManifest(wrong, image)
        mustHold(answer.status >= 400, `${answer.sent}: expected a refusal, got ${answer.status}`)
        should(answer, { status: 400, code: 'DIGEST_INVALID' })
        must(await repository.get(`manifests/${wrong}`, accept), { status: [400, 404] })
      }
    }
  },
  {
    id: 'R-081',
    level: 'clients',
    section: 'Pushing Manifests',
    title: 'a manifest may come in chunked coding, without a length',
    async run({ repository }) {
      const image = imageOf(await repository.pushConfig(), [await repository.pushBlob()])
      const headers = { 'content-type': image.mediaType }
      const body = { headers, body: image.bytes, chunked: true }
      needs(await repository.send('PUT', 'manifests/latest', body), { status: 201 })
      must(await repository.get('manifests/latest', accept), { status: 200, body: image.bytes })
    }
  },
  {
    id: 'R-082',
    level: 'MUST',
    section: 'Pushing Manifests',
    title: 'a manifest that is refused for blobs that are not there is refused with MANIFEST_BLOB_UNKNOWN',
    async run({ repository, random, note }) {
      const absent = [blobOf(random.bytes(10)), blobOf(random.bytes(20))]
      const answer = await repository.putManifest('latest', imageOf(await repository.pushConfig(), absent))
      if (answer.status === 201) skip('the registry takes manifests before their blobs')
      must(answer, { code: 'MANIFEST_BLOB_UNKNOWN' })
      mustHold(answer.status >= 400 && answer.status < 500, `${answer.sent}: got ${inWords(answer)}`)
      const named = errorCodes(answer).filter((code) => code === 'MANIFEST_BLOB_UNKNOWN').length
      if (named !== absent.length)
        note(`${answer.sent}: ${absent.length} blobs were not there, ${named} are named`)
      must(await repository.get('manifests/latest', accept), { status: 404 })
    }
  },
  {
    id: 'R-083',
    level: 'MUST',
    section: 'Pushing Manifests with Subject',
    title: 'a manifest whose subject is not there yet is accepted',
    async run({ repository, random }) {
      await repository.pushEmpty()
      const subject = imageOf(blobOf(random.bytes(10)), [])
      const artifact = artifactOf(subject, 'application/vnd.example.sbom')
      must(await repository.putManifest(artifact.digest, artifact), { status: 201 })
      must(await repository.get(`manifests/${artifact.digest}`, accept), {
        status: 200,
        body: artifact.bytes
      })
    }
  },
  {
    id: 'R-084',
    level: 'MUST',
    section: 'Pushing Manifests with Subject',
    title: 'a registry that lists referrers says OCI-Subject to every push of a manifest with a subject',
    async run({ repository }) {
      await needsReferrers(repository)
      const image = await repository.pushImage()
      await repository.pushEmpty()
      const artifact = artifactOf(image, 'application/vnd.example.sbom')
      const index = indexOf([image], { subject: descriptorOf(image, image.mediaType) })
      const expected = { status: 201, headers: { 'oci-subject': image.digest } }
      for (const manifest of [artifact, index]) {
        for (const reference of [manifest.digest, manifest.digest, 'latest']) {
          must(await repository.putManifest(reference, manifest), expected)
        }
      }
      must(await repository.putManifest('plain', image), {
        status: 201,
        headers: { 'oci-subject': undefined }
      })
    }
  },
  {
    id: 'R-085',
    level: 'SHOULD',
    section: 'Pushing Manifests',
    title: 'a manifest of four megabytes is accepted; a limit above that is told with 413',
    async run({ repository, should }) {
      const [config, layer] = [await repository.pushConfig(), await repository.pushBlob()]
      const large = imageOf(config, [layer], { annotations: annotationsOf(390) })
      needs(await repository.putManifest('large', large), { status: 201 })
      must(await repository.get('manifests/large', accept), { status: 200, body: large.bytes })
      const larger = await repository.putManifest(
        'larger',
        imageOf(config, [layer], { annotations: annotationsOf(1000) })
      )
      if (larger.status !== 201) should(larger, { status: 413 })
    }
  },
  {
    id: 'R-086',
    level: 'MUST',
    section: 'Pushing Manifests',
    title: 'a manifest may have fields that nobody knows, and no mediaType, and is kept as it is',
    async run({ repository }) {
      const config = descriptorOf(await repository.pushConfig(), TYPES.config)
      const fields = {
        config,
        layers: [descriptorOf(await repository.pushBlob(), TYPES.layer)],
        'org.example.unknown': { deep: [null, 1.5] },
        annotations: { a: 'b' }
      }
      for (const [tag, more] of [
        ['typed', {}],
        ['untyped', { mediaType: undefined }]
      ] as const) {
        const manifest = manifestOf({ ...fields, ...more })
        must(await repository.putManifest(tag, manifest), { status: 201 })
        must(await repository.get(`manifests/${tag}`, accept), { status: 200, body: manifest.bytes })
      }
    }
  },
  {
    id: 'R-087',
    level: 'draft',
    section: 'Pushing Manifests',
    title: 'a push by digest with ?tag= sets each of these tags, and says them in OCI-Tag',
    async run({ repository, should }) {
      const image = await repository.pushImage()
      const tags = Array.from({ length: 10 }, (_, index) => `tag-${index}`)
      const query = tags.map((tag) => `tag=${tag}`).join('&')
      const answer = await repository.putManifest(`${image.digest}?${query}`, image)
      needs(answer, { status: 201, headers: { 'oci-tag': /./ } })
      const said = (header(answer, 'oci-tag') ?? '').split(/, */)
      for (const tag of said) {
        mustHold(tags.includes(tag), `${answer.sent}: OCI-Tag names "${tag}", which was not asked for`)
        must(await repository.get(`manifests/${tag}`, accept), { status: 200, body: image.bytes })
      }
      mustHold(said.length === tags.length, `${answer.sent}: expected all ten tags in OCI-Tag, got ${said}`)
      should(await repository.putManifest(`${image.digest}?tag=.wrong`, image), { status: 400 })
    }
  },
  {
    id: 'R-088',
    level: 'draft',
    section: 'Pushing Manifests',
    title: 'a tag that was pushed with a sha512 digest comes back with that digest',
    async run({ repository }) {
      const image = manifestOf(
        {
          config: descriptorOf(await repository.pushConfig(), TYPES.config),
          layers: [descriptorOf(await repository.pushBlob(), TYPES.layer)]
        },
        TYPES.manifest,
        'sha512'
      )
      const answer = await repository.putManifest(`${image.digest}?tag=latest`, image)
      needs(answer, { status: 201, headers: { 'oci-tag': 'latest' } })
      const expected = { status: 200, headers: { 'docker-content-digest': image.digest } }
      must(await repository.get('manifests/latest', accept), { ...expected, body: image.bytes })
      must(await repository.head('manifests/latest', accept), expected)
    }
  },
  {
    id: 'R-089',
    level: 'MUST',
    section: 'Pushing Manifests',
    title: 'a push to a tag that is there moves it, and the former manifest stays under its digest',
    async run({ repository }) {
      const former = await repository.pushImage('latest')
      const next = await repository.pushImage()
      const answer = await repository.putManifest('latest', next)
      if ([403, 409].includes(answer.status)) skip(`the registry’s tags do not move: ${answer.status}`)
      must(answer, { status: 201 })
      const latest = await repository.get('manifests/latest', accept)
      if (latest.body.equals(former.bytes)) fail(`${latest.sent}: still the former manifest`)
      must(latest, { status: 200, body: next.bytes })
      must(await repository.get(`manifests/${former.digest}`, accept), { status: 200, body: former.bytes })
    }
  }
]

/** So many notes of ten thousand letters. */
function annotationsOf(count: number): Record<string, string> {
  const text = 'x'.repeat(10_000)
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`org.example.note-${index}`, text]))
}
