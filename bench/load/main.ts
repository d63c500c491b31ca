import { type HammerJob, hammer } from './hammer.ts'
import { type PullsJob, pulls } from './pulls.ts'
import { type PushesJob, pushes } from './pushes.ts'
import { type SmallImagesJob, smallImages } from './small-images.ts'
import { type StormJob, storm } from './storm.ts'
import { createTally, type LoadResult, type Tally } from './tally.ts'
import { type TransfersJob, transfers } from './transfers.ts'

/** Our own load, in a process of its own: `node bench/load/main.ts JOB`, with the job as JSON. It prints a
 *  `LoadResult`. */

/** What one process of the load does. */
export type Job = { url: string; startAt?: number } & (
  | HammerJob
  | PullsJob
  | PushesJob
  | SmallImagesJob
  | StormJob
  | TransfersJob
)

async function main(job: Job): Promise<LoadResult> {
  const tally = createTally()
  const act = await prepare(job, tally)
  // Processes that belong together start at one moment, in milliseconds since 1970.
  if (job.startAt !== undefined) {
    const startAt = job.startAt
    await new Promise((resolve) => setTimeout(resolve, startAt - Date.now()))
  }
  tally.start()
  await act()
  return tally.result()
}

/** Connects and reckons what has to be reckoned; what it gives does the job. */
async function prepare(job: Job, tally: Tally): Promise<() => Promise<void>> {
  switch (job.job) {
    case 'hammer':
      return hammer(job.url, job, tally)
    case 'pulls':
      return pulls(job.url, job, tally)
    case 'pushes':
      return pushes(job.url, job, tally)
    case 'small-images':
      return smallImages(job.url, job, tally)
    case 'storm':
      return storm(job.url, job, tally)
    case 'transfers':
      return transfers(job.url, job, tally)
  }
}

if (import.meta.main) {
  const [, , job] = process.argv
  if (job === undefined) throw new Error('usage: node bench/load/main.ts JOB')
  process.stdout.write(JSON.stringify(await main(JSON.parse(job))), () => process.exit())
}
