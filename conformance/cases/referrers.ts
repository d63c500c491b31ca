import type { Case } from '../case.ts'
import type { Answer } from '../client.ts'
import {
  artifactOf,
  type Descriptor,
  descriptorOf,
  imageOf,
  indexOf,
  type Manifest,
  TYPES
} from '../content.ts'
import { fail, header, isObject, jsonObject, must, mustHold, needs, skip } from '../expect.ts'
import type { Repository } from '../repository.ts'
import { nextOf } from './discovery.ts'

const SIGNATURE = 'application/vnd.example.signature'
const SBOM = 'application/vnd.example.sbom+json'

/** "Listing Referrers". */
export const referrers: readonly Case[] = [
  {
    id: 'R-105',
    level: 'MUST',
    section: 'Listing Referrers',
    title: 'what nothing refers to has an empty index of referrers, be it there or not',
    async run({ repository, random }) {
      await needsReferrers(repository)
      const image = await repository.pushImage()
      for (const digest of [image.digest, random.digest()]) {
        const answer = await repository.get(`referrers/${digest}`)
        must(answer, { status: 200, headers: { 'content-type': TYPES.index } })
        mustHold(descriptorsOf(answer).length === 0, `${answer.sent}: expected no referrers`)
      }
      must(await repository.get('referrers/sha256:totallywrong'), { status: 400 })
    }
  },
  {
    id: 'R-106',
    level: 'MUST',
    section: 'Listing Referrers',
    title: 'a referrer is listed with its type, size, digest, artifact type and all its annotations',
    async run({ repository }) {
      await needsReferrers(repository)
      const image = await repository.pushImage()
      const subject = descriptorOf(image, image.mediaType)
      const annotations = { 'org.example.a': '1', 'org.example.ü': '"two"' }
      await repository.pushEmpty()
      const config = await repository.pushConfig()
      const pushed: [Manifest, string | undefined, Record<string, string> | undefined][] = [
        [artifactOf(image, SIGNATURE, annotations), SIGNATURE, annotations],
        [imageOf(config, [await repository.pushBlob()], { subject }), TYPES.config, undefined],
        [indexOf([image], { subject, annotations }), undefined, annotations],
        [indexOf([], { subject, artifactType: SBOM }), SBOM, undefined]
      ]
      for (const [manifest] of pushed) await repository.pushManifest(manifest)
      const answer = await list(repository, image)
      const listed = descriptorsOf(answer)
      mustHold(
        listed.length === pushed.length,
        `${answer.sent}: expected ${pushed.length}, got ${listed.length}`
      )
      for (const [manifest, artifactType, expected] of pushed) {
        const one = listed.find(({ digest }) => digest === manifest.digest)
        if (one === undefined) fail(`${answer.sent}: ${manifest.digest} is not listed`)
        const right = { ...descriptorOf(manifest, manifest.mediaType), artifactType, annotations: expected }
        for (const [field, value] of Object.entries(right)) {
          const [a, b] = [text(one[field]), text(value)]
          mustHold(a === b, `${answer.sent}: expected ${field} ${b} of ${manifest.digest}, got ${a}`)
        }
      }
    }
  },
  {
    id: 'R-107',
    level: 'SHOULD',
    section: 'Listing Referrers',
    title: '?artifactType= gives only referrers of that type, and the answer says that it was applied',
    async run({ repository, should, note }) {
      await needsReferrers(repository)
      const image = await repository.pushImage()
      await repository.pushEmpty()
      const [signature, sbom] = [artifactOf(image, SIGNATURE), artifactOf(image, SBOM)]
      for (const one of [signature, sbom]) await repository.pushManifest(one)
      for (const [type, only] of [
        [SIGNATURE, signature],
        [SBOM, sbom]
      ] as const) {
        const answer = await repository.get(
          `referrers/${image.digest}?artifactType=${encodeURIComponent(type)}`
        )
        must(answer, { status: 200, headers: { 'content-type': TYPES.index } })
        const digests = descriptorsOf(answer).map(({ digest }) => digest)
        if (header(answer, 'oci-filters-applied') === undefined) {
          mustHold(
            digests.length === 2,
            `${answer.sent}: filtered, but without OCI-Filters-Applied: ${digests}`
          )
          skip(`${answer.sent}: no OCI-Filters-Applied, so the registry does not filter`)
        }
        must(answer, { headers: { 'oci-filters-applied': /\bartifactType\b/ } })
        mustHold(digests.join() === only.digest, `${answer.sent}: expected ${only.digest}, got ${digests}`)
      }
      const raw = await repository.get(`referrers/${image.digest}?artifactType=${SBOM}`) // its "+" is not encoded
      if (should(raw, { status: 200, headers: { 'oci-filters-applied': /\bartifactType\b/ } })) {
        if (descriptorsOf(raw).length !== 1)
          note(`${raw.sent}: a plus sign that is not encoded finds nothing`)
      }
    }
  },
  {
    id: 'R-108',
    level: 'MUST',
    section: 'Listing Referrers',
    title: 'referrers come in pages that are each an index and link to the next, or all at once',
    async run({ repository }) {
      await needsReferrers(repository)
      const image = await repository.pushImage()
      await repository.pushEmpty()
      const pushed = [1, 2, 3, 4, 5].map((n) => artifactOf(image, SIGNATURE, { 'org.example.n': `${n}` }))
      for (const one of pushed) await repository.pushManifest(one)
      let page = await repository.get(`referrers/${image.digest}?n=2`)
      const found = digestsOf(page)
      for (let pages = 1; pages < pushed.length; pages += 1) {
        const next = nextOf(page)
        if (next === undefined) break
        page = await repository.get(next)
        found.push(...digestsOf(page))
      }
      const expected = pushed.map(({ digest }) => digest).toSorted()
      mustHold(
        found.toSorted().join() === expected.join(),
        `${page.sent}: over all pages expected ${expected.length} referrers once each, got ${found.length}`
      )
    }
  },
  {
    id: 'R-109',
    level: 'MUST',
    section: 'Listing Referrers',
    title: 'a referrer is listed as soon as it is pushed, and no more once it is deleted',
    async run({ repository }) {
      await needsReferrers(repository)
      const image = await repository.pushImage()
      await repository.pushEmpty()
      const artifact = await repository.pushManifest(artifactOf(image, SIGNATURE))
      const listed = await list(repository, image)
      mustHold(
        digestsOf(listed).includes(artifact.digest),
        `${listed.sent}: what was just pushed is not listed`
      )
      const deleted = await repository.delete(`manifests/${artifact.digest}`)
      if ([400, 405].includes(deleted.status)) skip('the registry deletes no manifests')
      must(deleted, { status: 202 })
      const after = await list(repository, image)
      mustHold(digestsOf(after).length === 0, `${after.sent}: what was deleted is still listed`)

      const kept = await repository.pushManifest(artifactOf(image, SBOM))
      must(await repository.delete(`manifests/${image.digest}`), { status: 202 })
      const orphan = await list(repository, image)
      mustHold(digestsOf(orphan).includes(kept.digest), `${orphan.sent}: a referrer went with its subject`)
    }
  }
]

/** A registry without this list says 404. @throws Skipped */
export async function needsReferrers(repository: Repository): Promise<void> {
  await repository.pushEmpty() // some registries say 404 as well while there is no such repository
  const answer = await repository.get(`referrers/sha256:${'0'.repeat(64)}`)
  if (answer.status === 404) needs(answer, { status: 200 })
}

async function list(repository: Repository, subject: Manifest): Promise<Answer> {
  const answer = await repository.get(`referrers/${subject.digest}`)
  must(answer, { status: 200, headers: { 'content-type': TYPES.index } })
  return answer
}

function digestsOf(answer: Answer): string[] {
  must(answer, { status: 200, headers: { 'content-type': TYPES.index } })
  return descriptorsOf(answer).map(({ digest }) => digest)
}

/** What an image index lists. @throws Failed when it is none */
function descriptorsOf(answer: Answer): Descriptor[] {
  const { schemaVersion, mediaType, manifests } = jsonObject(answer)
  mustHold(schemaVersion === 2, `${answer.sent}: expected schemaVersion 2, got ${schemaVersion}`)
  mustHold(mediaType === TYPES.index, `${answer.sent}: expected mediaType ${TYPES.index}, got ${mediaType}`)
  if (!Array.isArray(manifests)) fail(`${answer.sent}: expected a list of manifests, got ${text(manifests)}`)
  return manifests
}

/** Of a value, whatever the order of its keys; `{}` and null are as good as absent. */
function text(value: unknown): string {
  if (!isObject(value)) return JSON.stringify(value ?? undefined) ?? 'none'
  const sorted = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return sorted.length === 0 ? 'none' : JSON.stringify(Object.fromEntries(sorted))
}
