import { setTimeout as sleep } from 'node:timers/promises'
import { APPLICATION_LAYERS, imageOf, MANIFEST_TYPE } from '../image.ts'
import { type Connection, connect } from './connection.ts'
import type { Tally } from './tally.ts'

export interface StormJob {
  job: 'storm'
  /** Where an application's image lies under the tag `v1`; also its id. */
  repository: string
  /** Each starts at its own moment, evenly over so many seconds. */
  clients: number
  seconds: number
  /** Connections of a client, each with one blob at a time. */
  atOnce: number
}

/** Nodes that pull one image: its manifest by tag, then its blobs, a few at once. */
export async function storm(url: string, job: StormJob, tally: Tally): Promise<() => Promise<void>> {
  const image = imageOf(job.repository, APPLICATION_LAYERS)
  const blobs = [image.config, ...image.layers]

  async function pullImage(): Promise<void> {
    const since = performance.now()
    const first = await connect(url)
    const others = Array.from({ length: job.atOnce - 1 }, () => connect(url))
    const headers = { Accept: MANIFEST_TYPE }
    await get(first, `/v2/${job.repository}/manifests/v1`, image.manifest.length, headers)
    const queue = blobs.values()
    await Promise.all(
      [first, ...others].map(async (opening) => {
        const connection = await opening
        for (const { digest, size } of queue) {
          await get(connection, `/v2/${job.repository}/blobs/${digest}`, size, {})
        }
        connection.close()
      })
    )
    tally.took('image', performance.now() - since)
  }

  async function get(
    connection: Connection,
    path: string,
    length: number,
    headers: Record<string, string>
  ): Promise<void> {
    const exchange = { method: 'GET', path, headers }
    const answer = await connection.exchange(exchange)
    tally.check(exchange, answer, 200, length)
    tally.took('first byte', answer.firstByteMs)
    tally.took('request', answer.ms)
    tally.moved(answer.length)
  }

  return async () => {
    await Promise.all(
      Array.from({ length: job.clients }, async (_, number) => {
        await sleep((number / job.clients) * job.seconds * 1000)
        await pullImage()
      })
    )
  }
}
