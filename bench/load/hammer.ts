import { connect } from './connection.ts'
import type { LoadResult } from './main.ts'
import { check, createTally } from './tally.ts'

export interface HammerJob {
  url: string
  method: 'GET' | 'HEAD'
  path: string
  headers?: Record<string, string>
  connections: number
  seconds: number
  /** Of every answer, in bytes. */
  length: number
}

/** One request after another on each of the connections, for so long. */
export async function hammer(job: HammerJob): Promise<LoadResult> {
  const connections = await Promise.all(Array.from({ length: job.connections }, () => connect(job.url)))
  const tally = createTally()
  const end = performance.now() + job.seconds * 1000
  await Promise.all(
    connections.map(async (connection) => {
      while (performance.now() < end) {
        const answer = await connection.exchange(job)
        check(tally, `${job.method} ${job.path}`, answer, 200, job.length)
        tally.took(answer.ms)
      }
      connection.close()
    })
  )
  return tally.result()
}
