import { load } from '../commands.ts'
import { APPLICATION_LAYERS, imageOf } from '../image.ts'
import type { Group, Measure, Sample, Site } from '../measure.ts'
import { pushImage, verifyImage } from '../registry.ts'
import { PLAIN } from '../setup.ts'
import type { Sizes } from '../sizes.ts'
import { percentiles } from '../statistics.ts'
import { metered } from '../usage.ts'

const REPOSITORY = 'bench/storm'
/** containerd's default. */
const BLOBS_AT_ONCE = 3
const LOADS = 2

/** Many nodes pull one image. */
export function stormMeasures({ clients, stormSeconds }: Sizes): Group {
  const image = imageOf(REPOSITORY, APPLICATION_LAYERS)
  const measure = (name: string, how: string, seconds: number): Measure => ({
    name,
    title: `${clients} clients pull an image of ${APPLICATION_LAYERS.length} layers (13 MiB), ${how}; p99 to first byte`,
    ...{ unit: 'ms', better: 'lower', tools: [], setups: [PLAIN] },
    async sample(site: Site, round): Promise<Sample> {
      const { url, pid } = site.server
      // The round that warms up needs no more than a tenth.
      const share = round === 0 ? 10 * LOADS : LOADS
      const job = {
        ...{ job: 'storm' as const, url, repository: REPOSITORY },
        ...{ clients: Math.ceil(clients / share), seconds: (seconds * LOADS) / share, atOnce: BLOBS_AT_ONCE }
      }
      const { usage, result } = await metered(pid, () => load(...Array(LOADS).fill(job)))
      const { requests, bytes, seconds: took, cpu, statuses, times } = result
      const firstByte = percentiles(times['first byte'] ?? [])
      const end = percentiles(times.request ?? [])
      const wholeImage = percentiles(times.image ?? [])
      return {
        ...{ ...usage, value: firstByte.p99, requests, bytes, latencyMs: firstByte },
        loadCpus: cpu / took,
        more: {
          statuses: JSON.stringify(statuses),
          'all pulled after s': took,
          'to the end, p50 ms': end.p50,
          'to the end, p99 ms': end.p99,
          'image, p50 ms': wholeImage.p50,
          'image, p99 ms': wholeImage.p99
        }
      }
    }
  })
  return {
    space: (contenders) => contenders * APPLICATION_LAYERS.reduce((sum, size) => sum + size, 0),
    async prepare({ server }) {
      await pushImage(server.url, REPOSITORY, image, 'v1')
      await verifyImage(server.url, REPOSITORY, image, 'v1')
    },
    measures: [
      measure('storm', `begun within ${stormSeconds} s`, stormSeconds),
      measure('storm-burst', 'all begun at once', 0)
    ]
  }
}
