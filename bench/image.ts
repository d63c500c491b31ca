import { type Content, content, contentOf } from './content.ts'

export const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json'

const KIB = 1024

/** Like those of an application: a few large ones below, many small ones above; 13 MiB in 30 layers. */
export const APPLICATION_LAYERS: readonly number[] = [
  ...Array<number>(2).fill(4096 * KIB),
  ...Array<number>(8).fill(512 * KIB),
  ...Array<number>(20).fill(64 * KIB)
]

export interface Image {
  manifest: Buffer
  config: Content
  layers: Content[]
}

/** An image that its id and the sizes of its layers decide. */
export function imageOf(id: string, layerSizes: readonly number[]): Image {
  const layers = layerSizes.map((size, number) => content(size, `${id}#${number}`))
  const config = contentOf(
    Buffer.from(
      JSON.stringify({
        ...{ architecture: 'amd64', os: 'linux', config: { Labels: { id } } },
        rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest) }
      })
    )
  )
  const descriptor = (mediaType: string, { digest, size }: Content) => ({ mediaType, digest, size })
  const manifest = {
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    config: descriptor('application/vnd.oci.image.config.v1+json', config),
    layers: layers.map((layer) => descriptor('application/vnd.oci.image.layer.v1.tar+gzip', layer))
  }
  return { manifest: Buffer.from(JSON.stringify(manifest)), config, layers }
}
