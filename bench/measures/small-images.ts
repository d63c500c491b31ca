import { load } from '../commands.ts'
import { imageOf, MANIFEST_TYPE } from '../image.ts'
import { type Group, PLAIN, type Sample } from '../measure.ts'
import { expect, verifyBlob, withConnection } from '../registry.ts'
import { metered } from '../usage.ts'

const LAYER_SIZE = 1024

/** Images that are mostly round trips. */
export function smallImageMeasures({ images, atOnce }: { images: number; atOnce: number }): Group {
  return {
    tools: [],
    files: false,
    prepare: async () => {},
    measures: [
      {
        name: 'small-images',
        title: `push of ${images} images with one layer of 1 KiB, ${atOnce} at once`,
        ...{ unit: 'images/s', better: 'higher', setups: [PLAIN] },
        async sample({ server: { url, pid } }, round): Promise<Sample> {
          const repository = `bench/small-${round}`
          const { usage, result } = await metered(pid, () =>
            load({ job: 'small-images', url, repository, images, atOnce, layerSize: LAYER_SIZE })
          )
          await verifyImage(url, repository, `image-${images - 1}`)
          return {
            ...usage,
            value: images / result.seconds,
            requests: result.requests,
            latencyMs: result.latencyMs
          }
        }
      }
    ]
  }
}

async function verifyImage(url: string, repository: string, tag: string): Promise<void> {
  const { manifest, layers, config } = imageOf(`${repository}/${tag}`, [LAYER_SIZE])
  const pieces: Buffer[] = []
  await withConnection(url, (connection) =>
    expect(connection, 200, {
      method: 'GET',
      path: `/v2/${repository}/manifests/${tag}`,
      headers: { Accept: MANIFEST_TYPE },
      onBody: (piece) => pieces.push(Buffer.from(piece))
    })
  )
  if (!Buffer.concat(pieces).equals(manifest)) throw new Error(`${tag} is not the manifest that was pushed`)
  for (const blob of [...layers, config]) await verifyBlob(url, repository, blob)
}
