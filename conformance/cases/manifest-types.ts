import type { Case } from '../case.ts'
import { ACCEPT, blobOf, descriptorOf, type Manifest, manifestOf, TYPES } from '../content.ts'
import { needs } from '../expect.ts'

const accept = { accept: ACCEPT }

function raw(text: string, mediaType: string = TYPES.manifest): Manifest {
  return { ...blobOf(Buffer.from(text)), mediaType }
}

/** What is a manifest, and of which type. */
export const manifestTypes: readonly Case[] = [
  {
    id: 'M-01',
    level: 'SHOULD',
    section: 'OCI Image Manifest Specification',
    title: 'what is no JSON object of schemaVersion 2, or could be read as two kinds at once, is no manifest',
    async run({ repository }) {
      const config = descriptorOf(await repository.pushConfig(), TYPES.config)
      const layer = descriptorOf(await repository.pushBlob(), TYPES.layer)
      const whole = { schemaVersion: 2, mediaType: TYPES.manifest, config, layers: [layer] }
      const wrong = ['', 'null', '[]', '{', '{"a":1}', '7']
      const texts = [
        ...wrong,
        { ...whole, schemaVersion: 3 },
        { ...whole, manifests: [config] },
        { schemaVersion: 1 }
      ]
      for (const text of texts) {
        const manifest = raw(typeof text === 'string' ? text : JSON.stringify(text))
        const answer = await repository.putManifest(manifest.digest, manifest)
        needs(answer, { status: [400, 415, 422] })
      }
    }
  },
  {
    id: 'M-02',
    level: 'SHOULD',
    section: 'Pushing Manifests',
    title: 'a manifest that is sent as another type than its mediaType says is refused',
    async run({ repository }) {
      const image = await repository.pushImage()
      needs(await repository.putManifest('latest', { ...image, mediaType: TYPES.index }), { status: 400 })
      needs(await repository.putManifest('latest', { ...image, mediaType: TYPES.dockerManifest }), {
        status: 400
      })
      const parameters = { ...image, mediaType: `${TYPES.manifest}; charset=utf-8` }
      needs(await repository.putManifest('latest', parameters), { status: 201 })
    }
  },
  {
    id: 'M-03',
    level: 'SHOULD',
    section: 'Pushing Manifests',
    title: 'a manifest without a mediaType comes back as the type that it was sent as',
    async run({ repository }) {
      const config = descriptorOf(await repository.pushConfig(), TYPES.config)
      const layers = [descriptorOf(await repository.pushBlob(), TYPES.layer)]
      const image = manifestOf({ mediaType: undefined, config, layers })
      const index = manifestOf({ mediaType: undefined, manifests: [] }, TYPES.index)
      for (const [tag, manifest] of [
        ['image', image],
        ['index', index]
      ] as const) {
        needs(await repository.putManifest(tag, manifest), { status: 201 })
        const headers = { 'content-type': manifest.mediaType }
        needs(await repository.get(`manifests/${tag}`, accept), {
          status: 200,
          headers,
          body: manifest.bytes
        })
      }
    }
  }
]
