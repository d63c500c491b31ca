import type { Case, Stage } from '../case.ts'
import {
  ACCEPT,
  artifactOf,
  blobOf,
  descriptorOf,
  EMPTY,
  imageOf,
  indexOf,
  type Manifest,
  manifestOf,
  TYPES
} from '../content.ts'
import { must, needs, skip } from '../expect.ts'

const accept = { accept: ACCEPT }

/** Pushes it, which must work, and pulls it, which must give the same. */
async function mustTake({ repository }: Stage, manifest: Manifest, tag = 'latest'): Promise<void> {
  must(await repository.putManifest(tag, manifest), { status: 201 })
  must(await repository.get(`manifests/${tag}`, accept), { status: 200, body: manifest.bytes })
}

/** The same where no released specification says must. */
async function shallTake({ repository }: Stage, manifest: Manifest, tag = 'latest'): Promise<void> {
  needs(await repository.putManifest(tag, manifest), { status: 201 })
  must(await repository.get(`manifests/${tag}`, accept), { status: 200, body: manifest.bytes })
}

/** What is in a manifest, and what it refers to. */
export const accepting: readonly Case[] = [
  {
    id: 'M-04',
    level: 'clients',
    section: 'OCI Image Index Specification',
    title: 'an image needs no layers, an index no manifests, and a manifest in an index no platform',
    async run(stage) {
      const config = await stage.repository.pushConfig()
      const image = imageOf(config, [])
      await shallTake(stage, image, 'image')
      await stage.repository.pushManifest(image)
      await shallTake(stage, indexOf([]), 'empty')
      const child = descriptorOf(image, image.mediaType)
      await shallTake(stage, manifestOf({ manifests: [child] }, TYPES.index), 'bare')
      await shallTake(stage, manifestOf({ manifests: [{ ...child, platform: null }] }, TYPES.index), 'null')
    }
  },
  {
    id: 'M-05',
    level: 'MUST',
    section: 'Extensibility (image specification, considerations)',
    title: 'descriptors may have every field that there is, and some that nobody knows, and stay as they are',
    async run(stage) {
      const { repository } = stage
      const [config, layer] = [await repository.pushConfig(), await repository.pushBlob()]
      const more = {
        annotations: { 'org.example.key': 'value' },
        data: layer.bytes.toString('base64'),
        artifactType: 'application/vnd.example.thing',
        newUnspecifiedField: null,
        'org.example.other': [{ deep: true }]
      }
      const fields = {
        config: { ...descriptorOf(config, TYPES.config), newUnspecifiedField: null },
        layers: [{ ...descriptorOf(layer, TYPES.layer), ...more }]
      }
      await mustTake(stage, manifestOf(fields))
    }
  },
  {
    id: 'M-06',
    level: 'MUST',
    section: 'Media Types (image specification, considerations)',
    title: 'media types that nobody knows, of configs, layers and artifacts, are no error',
    async run(stage) {
      const { repository } = stage
      const blob = await repository.pushBlob()
      const unknown = descriptorOf(blob, 'application/vnd.example.unknown.v7+json')
      await mustTake(stage, manifestOf({ config: unknown, layers: [unknown, unknown] }), 'config')
      await repository.pushEmpty()
      const config = descriptorOf(EMPTY, TYPES.empty)
      const artifactType = 'application/vnd.example.artifact'
      await mustTake(
        stage,
        manifestOf({ artifactType, config, layers: [{ ...config, data: 'e30=' }] }),
        'artifact'
      )
    }
  },
  {
    id: 'M-07',
    level: 'MAY',
    section: 'Pushing Manifests',
    title: 'a manifest is refused while what it refers to is not in its own repository',
    async run({ repository, another }) {
      const [config, layer] = [await repository.pushConfig(), await repository.pushBlob()]
      const image = imageOf(config, [layer])
      const elsewhere = another()
      await elsewhere.pushBlob()
      for (const manifest of [image, indexOf([image])]) {
        const answer = await elsewhere.putManifest('latest', manifest)
        if (answer.status === 201) skip(`${answer.sent}: taken, though what it refers to lies elsewhere`)
        needs(answer, { status: [400, 404, 422] })
      }
      must(await repository.putManifest('latest', image), { status: 201 })
    }
  },
  {
    id: 'M-08',
    level: 'clients',
    section: 'Non-Distributable Layers',
    title: 'a layer that lies elsewhere by its type and urls need not be pushed',
    async run(stage) {
      const { repository, random } = stage
      const config = await repository.pushConfig()
      const absent = blobOf(random.bytes(10))
      const urls = ['https://example.com/layer.tar.gz']
      for (const [index, type] of [
        'application/vnd.oci.image.layer.nondistributable.v1.tar',
        'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
        'application/vnd.oci.image.layer.nondistributable.v1.tar+zstd'
      ].entries()) {
        const layers = [{ ...descriptorOf(absent, type), urls }]
        await shallTake(
          stage,
          manifestOf({ config: descriptorOf(config, TYPES.config), layers }),
          `t${index}`
        )
      }
    }
  },
  {
    id: 'M-09',
    level: 'clients',
    section: 'OCI Image Index Specification',
    title: 'an index may list blobs, as BuildKit’s caches do',
    async run(stage) {
      const { repository } = stage
      const [layer, config] = [await repository.pushBlob(), await repository.pushBlob()]
      const manifests = [
        descriptorOf(layer, TYPES.layer),
        descriptorOf(config, 'application/vnd.buildkit.cacheconfig.v0')
      ]
      await shallTake(stage, manifestOf({ manifests }, TYPES.index))
    }
  },
  {
    id: 'M-10',
    level: 'MUST',
    section: 'Pulling manifests',
    title: 'a blob whose bytes are a manifest’s is no manifest until it is pushed as one',
    async run({ repository }) {
      // "Manifest: a JSON document uploaded via the manifests endpoint" ("Definitions"), and "If the manifest is not
      // found in the repository, the response code MUST be 404 Not Found".
      const image = imageOf(await repository.pushConfig(), [await repository.pushBlob()])
      await repository.pushBlob(image.bytes)
      must(await repository.get(`manifests/${image.digest}`, accept), { status: 404 })
      must(await repository.putManifest(image.digest, image), { status: 201 })
      must(await repository.get(`manifests/${image.digest}`, accept), { status: 200, body: image.bytes })
    }
  },
  {
    id: 'M-11',
    level: 'MAY',
    section: 'Registered algorithms (image specification, descriptors)',
    title: 'a manifest pushed by its sha512 digest is pulled by it, and says it',
    async run({ repository, random }) {
      const layer = blobOf(random.bytes(100), 'sha512')
      needs(await repository.close(await repository.openUpload(), layer.digest, layer.bytes), { status: 201 })
      const fields = { config: descriptorOf(layer, TYPES.config), layers: [descriptorOf(layer, TYPES.layer)] }
      const image = manifestOf(fields, TYPES.manifest, 'sha512')
      needs(await repository.putManifest(image.digest, image), { status: 201 })
      const answer = await repository.get(`manifests/${image.digest}`, accept)
      must(answer, { status: 200, body: image.bytes })
      needs(answer, { headers: { 'docker-content-digest': image.digest } })
    }
  },
  {
    id: 'M-12',
    level: 'MUST',
    section: 'Guidelines for Artifact Usage',
    title:
      'signatures as cosign pushes them, charts as helm does, and attached artifacts are ordinary content',
    async run(stage) {
      const { repository } = stage
      const image = await repository.pushImage('image')
      const [config, layer] = [await repository.pushConfig(), await repository.pushBlob()]
      const ofTypes = (configType: string, layerType: string): Manifest =>
        manifestOf({ config: descriptorOf(config, configType), layers: [descriptorOf(layer, layerType)] })
      const signature = ofTypes(TYPES.config, 'application/vnd.dev.cosign.simplesigning.v1+json')
      await mustTake(stage, signature, `${image.digest.replace(':', '-')}.sig`)
      const chart = 'application/vnd.cncf.helm'
      await mustTake(
        stage,
        ofTypes(`${chart}.config.v1+json`, `${chart}.chart.content.v1.tar+gzip`),
        '1.2.3_build.4'
      )
      await repository.pushEmpty()
      await mustTake(stage, artifactOf(image, 'application/vnd.dev.sigstore.bundle.v0.3+json'), 'bundle')
    }
  },
  {
    id: 'M-13',
    level: 'clients',
    section: 'Pulling manifests',
    title: 'a manifest comes to every client, in whichever way it says what it accepts',
    async run({ repository }) {
      const image = await repository.pushImage('latest')
      const signed = 'application/vnd.docker.distribution.manifest.v1+prettyjws'
      for (const said of [
        ACCEPT,
        `${ACCEPT}, ${signed}`,
        ACCEPT.replaceAll(', ', ','),
        `${TYPES.manifest}, */*`
      ]) {
        for (const reference of ['latest', image.digest]) {
          needs(await repository.get(`manifests/${reference}`, { accept: said }), {
            status: 200,
            body: image.bytes
          })
          needs(await repository.head(`manifests/${reference}`, { accept: said }), { status: 200 })
        }
      }
    }
  },
  {
    id: 'M-14',
    level: 'MUST',
    section: 'Layer Media Types',
    title: 'layers of every type that there is are taken, in OCI’s manifests and in Docker’s',
    async run(stage) {
      const { repository } = stage
      const [config, layer] = [await repository.pushConfig(), await repository.pushBlob()]
      const image = (mediaType: string, configType: string, types: string[]): Manifest => {
        const layers = types.map((type) => descriptorOf(layer, type))
        return manifestOf({ config: descriptorOf(config, configType), layers }, mediaType)
      }
      const oci = 'application/vnd.oci.image.layer.v1.tar'
      await mustTake(stage, image(TYPES.manifest, TYPES.config, [oci, `${oci}+gzip`, `${oci}+zstd`]), 'oci')
      const docker = 'application/vnd.docker.image.rootfs.diff.tar'
      const dockerConfig = 'application/vnd.docker.container.image.v1+json'
      const child = image(TYPES.dockerManifest, dockerConfig, [`${docker}.gzip`])
      await shallTake(stage, child, 'docker')
      await repository.pushManifest(child)
      const platform = { architecture: 'amd64', os: 'linux' }
      const manifests = [{ ...descriptorOf(child, child.mediaType), platform }]
      await shallTake(stage, manifestOf({ manifests }, TYPES.dockerList), 'list')
    }
  }
]
