import { load } from '../commands.ts'
import { imageOf } from '../image.ts'
import { placeOf } from '../load/small-images.ts'
import type { Group, Sample } from '../measure.ts'
import { verifyImage } from '../registry.ts'
import { PLAIN } from '../setup.ts'
import type { Sizes } from '../sizes.ts'
import { percentiles } from '../statistics.ts'
import { metered } from '../usage.ts'

const LAYER_SIZE = 1024
const AT_ONCE = 16
const REPOSITORIES = 20

/** Images that are mostly round trips. */
export function smallImageMeasures({ images }: Sizes): Group {
  return {
    space: (contenders) => contenders * images * 200 * 1024, // in several rounds
    prepare: async () => {},
    measures: [
      {
        name: 'small-images',
        title: `push of ${images} images with one layer of 1 KiB to ${REPOSITORIES} repositories, ${AT_ONCE} at once`,
        ...{ unit: 'images/s', better: 'higher', tools: [], setups: [PLAIN], quick: true },
        async sample({ server: { url, pid } }, round): Promise<Sample> {
          const job = {
            ...{ job: 'small-images' as const, prefix: `bench/small-${round}`, images },
            ...{ repositories: REPOSITORIES, atOnce: AT_ONCE, layerSize: LAYER_SIZE }
          }
          const { usage, result } = await metered(pid, () => load({ url, ...job }))
          for (const number of [0, Math.floor(images / 2), images - 1]) {
            const { repository, tag } = placeOf(job, number)
            await verifyImage(url, repository, imageOf(`${repository}/${tag}`, [LAYER_SIZE]), tag)
          }
          const { requests, seconds, cpu, times } = result
          const latencyMs = percentiles(times.image ?? [])
          return { ...usage, value: images / seconds, requests, latencyMs, loadCpus: cpu / seconds }
        }
      }
    ]
  }
}
