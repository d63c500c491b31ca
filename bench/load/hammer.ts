import { connect } from './connection.ts'
import type { Tally } from './tally.ts'

export interface HammerJob {
  job: 'hammer'
  method: 'GET' | 'HEAD'
  path: string
  headers?: Record<string, string>
  connections: number
  /** How long; each connection sends one request at least. */
  seconds: number
  /** Of every answer, in bytes. */
  length: number
}

/** One request after another on each of the connections. */
export async function hammer(url: string, job: HammerJob, tally: Tally): Promise<() => Promise<void>> {
  const connections = await Promise.all(Array.from({ length: job.connections }, () => connect(url)))
  return async () => {
    const end = performance.now() + job.seconds * 1000
    await Promise.all(
      connections.map(async (connection) => {
        do {
          const answer = await connection.exchange(job)
          tally.check(job, answer, 200, job.length)
          tally.took('request', answer.ms)
        } while (performance.now() < end)
      })
    )
  }
}
