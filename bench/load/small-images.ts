import { bytesOf, type Content } from '../content.ts'
import { imageOf, MANIFEST_TYPE } from '../image.ts'
import { type Answer, type Connection, connect } from './connection.ts'
import type { LoadResult } from './main.ts'
import { check, createTally, type Tally } from './tally.ts'

export interface SmallImagesJob {
  url: string
  /** Each image goes to a tag of this repository. */
  repository: string
  images: number
  atOnce: number
  layerSize: number
}

/** Pushes images as container engines do: what is there is asked for, then opened, sent, closed and named. */
export async function smallImages(job: SmallImagesJob): Promise<LoadResult> {
  const connections = await Promise.all(Array.from({ length: job.atOnce }, () => connect(job.url)))
  const tally = createTally()
  const queue = Array.from({ length: job.images }, (_, number) => `image-${number}`).values()
  await Promise.all(
    connections.map(async (connection) => {
      for (const tag of queue) {
        const since = performance.now()
        await pushImage(connection, job, tag, tally)
        tally.took(performance.now() - since)
      }
      connection.close()
    })
  )
  return tally.result()
}

async function pushImage(
  connection: Connection,
  { repository, layerSize }: SmallImagesJob,
  tag: string,
  tally: Tally
): Promise<void> {
  const { manifest, config, layers } = imageOf(`${repository}/${tag}`, [layerSize])
  for (const blob of [...layers, config]) await pushBlob(connection, repository, blob, tally)
  const path = `/v2/${repository}/manifests/${tag}`
  const headers = { 'Content-Type': MANIFEST_TYPE, 'Content-Length': manifest.length }
  const named = await connection.exchange({ method: 'PUT', path, headers, body: [manifest] })
  check(tally, `PUT ${path}`, named, 201)
  tally.moved(manifest.length)
}

/** HEAD, POST, PATCH in one piece, PUT. */
export async function pushBlob(
  connection: Connection,
  repository: string,
  blob: Content,
  tally: Tally
): Promise<void> {
  const path = `/v2/${repository}/blobs/${blob.digest}`
  const there = await connection.exchange({ method: 'HEAD', path })
  check(tally, `HEAD ${path}`, there, 404)
  const opened = await connection.exchange({
    method: 'POST',
    path: `/v2/${repository}/blobs/uploads/`,
    headers: { 'Content-Length': 0 }
  })
  check(tally, 'POST', opened, 202)
  const sent = await connection.exchange({
    method: 'PATCH',
    path: locationOf(opened),
    headers: { 'Content-Type': 'application/octet-stream', 'Content-Length': blob.size },
    body: bytesOf(blob)
  })
  check(tally, 'PATCH', sent, 202)
  const location = locationOf(sent)
  const closed = await connection.exchange({
    method: 'PUT',
    path: `${location}${location.includes('?') ? '&' : '?'}digest=${blob.digest}`,
    headers: { 'Content-Length': 0 }
  })
  check(tally, 'PUT', closed, 201)
  tally.moved(blob.size)
}

/** Its path and query; registries answer with a whole URL or without the host. */
export function locationOf({ head }: Answer): string {
  const location = /\r\nlocation: *([^\r\n]*)/i.exec(head)?.[1]
  if (location === undefined) throw new Error(`an answer without Location: ${head}`)
  const { pathname, search } = new URL(location, 'http://host')
  return pathname + search
}
