import { content } from '../content.ts'
import { connect } from './connection.ts'
import { pushBlob } from './pushes.ts'
import type { Tally } from './tally.ts'

export interface TransfersJob {
  job: 'transfers'
  repository: string
  /** Of every blob. The one that is pulled has the repository for its id. */
  size: number
  /** At once. */
  pulls: number
  pushes: number
  /** No transfer begins later than this; each connection has one at least. */
  seconds: number
  /** What the contents that are pushed are called after. */
  id: string
}

/** Keeps transfers in flight, both ways. */
export async function transfers(url: string, job: TransfersJob, tally: Tally): Promise<() => Promise<void>> {
  const pulled = content(job.size, job.repository)
  const path = `/v2/${job.repository}/blobs/${pulled.digest}`
  const connections = await Promise.all(Array.from({ length: job.pulls + job.pushes }, () => connect(url)))
  return async () => {
    const end = performance.now() + job.seconds * 1000
    await Promise.all(
      connections.map(async (connection, number) => {
        for (let turn = 0; turn === 0 || performance.now() < end; turn++) {
          if (number >= job.pulls) {
            const blob = content(job.size, `${job.id}/${number}/${turn}`)
            await pushBlob(connection, job.repository, blob, tally)
          } else {
            const exchange = { method: 'GET', path }
            const answer = await connection.exchange(exchange)
            tally.check(exchange, answer, 200, job.size)
            tally.moved(answer.length)
          }
        }
      })
    )
  }
}
