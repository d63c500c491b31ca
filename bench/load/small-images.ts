import { imageOf, MANIFEST_TYPE } from '../image.ts'
import { type Connection, connect } from './connection.ts'
import { pushBlob } from './pushes.ts'
import type { Tally } from './tally.ts'

export interface SmallImagesJob {
  job: 'small-images'
  /** What the images' repositories begin with. */
  prefix: string
  images: number
  repositories: number
  atOnce: number
  layerSize: number
}

/** Pushes images as container engines do: what is there is asked for, then opened, sent, closed and named. */
export async function smallImages(
  url: string,
  job: SmallImagesJob,
  tally: Tally
): Promise<() => Promise<void>> {
  const connections = await Promise.all(Array.from({ length: job.atOnce }, () => connect(url)))
  return async () => {
    const queue = Array.from({ length: job.images }, (_, number) => number).values()
    await Promise.all(
      connections.map(async (connection) => {
        for (const number of queue) {
          const since = performance.now()
          await pushImage(connection, job, number, tally)
          tally.took('image', performance.now() - since)
        }
      })
    )
  }
}

export function placeOf({ prefix, repositories }: SmallImagesJob, number: number) {
  return { repository: `${prefix}/${number % repositories}`, tag: `image-${number}` }
}

async function pushImage(
  connection: Connection,
  job: SmallImagesJob,
  number: number,
  tally: Tally
): Promise<void> {
  const { repository, tag } = placeOf(job, number)
  const { manifest, config, layers } = imageOf(`${repository}/${tag}`, [job.layerSize])
  for (const blob of [...layers, config]) {
    const asking = { method: 'HEAD', path: `/v2/${repository}/blobs/${blob.digest}` }
    tally.check(asking, await connection.exchange(asking), 404)
    await pushBlob(connection, repository, blob, tally)
  }
  const naming = {
    method: 'PUT',
    path: `/v2/${repository}/manifests/${tag}`,
    headers: { 'Content-Type': MANIFEST_TYPE, 'Content-Length': manifest.length },
    body: [manifest]
  }
  tally.check(naming, await connection.exchange(naming), 201)
  tally.moved(manifest.length)
}
