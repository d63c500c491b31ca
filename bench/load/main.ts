import { type HammerJob, hammer } from './hammer.ts'
import { type SmallImagesJob, smallImages } from './small-images.ts'

/** What the load does, as one JSON text on its command line. */
export type Job = ({ job: 'hammer' } & HammerJob) | ({ job: 'small-images' } & SmallImagesJob)

/** What it writes to its standard output, as JSON. */
export interface LoadResult {
  requests: number
  bytes: number
  /** From the first request to the last answer. */
  seconds: number
  latencyMs: Percentiles
  /** How often each status was answered. */
  statuses: Record<string, number>
  /** The first few things that were wrong, in words. */
  wrong: string[]
}

export interface Percentiles {
  p50: number
  p90: number
  p99: number
}

async function main(job: Job): Promise<LoadResult> {
  switch (job.job) {
    case 'hammer':
      return hammer(job)
    case 'small-images':
      return smallImages(job)
  }
}

if (import.meta.main) {
  console.log(JSON.stringify(await main(JSON.parse(process.argv[2] ?? ''))))
  process.exit()
}
