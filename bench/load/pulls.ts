import { connect } from './connection.ts'
import type { Tally } from './tally.ts'

export interface PullsJob {
  job: 'pulls'
  /** Each has a connection of its own, all at once. */
  paths: readonly string[]
  /** Of each, in bytes. */
  length: number
  /** How often each is pulled. */
  times: number
}

/** Pulls blobs and throws them away. */
export async function pulls(url: string, job: PullsJob, tally: Tally): Promise<() => Promise<void>> {
  const connections = await Promise.all(job.paths.map(() => connect(url)))
  return async () => {
    await Promise.all(
      job.paths.map(async (path, number) => {
        for (let time = 0; time < job.times; time++) {
          const exchange = { method: 'GET', path }
          const answer = await connections[number]?.exchange(exchange)
          if (answer === undefined) throw new Error('unreachable')
          tally.check(exchange, answer, 200, job.length)
          tally.moved(answer.length)
          tally.took('pull', answer.ms)
        }
      })
    )
  }
}
