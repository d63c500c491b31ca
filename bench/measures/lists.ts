import { load } from '../commands.ts'
import { copyRepository, copyTag } from '../fill.ts'
import { imageOf } from '../image.ts'
import type { Group, Measure, Sample, Site } from '../measure.ts'
import { getBytes, pushImage } from '../registry.ts'
import { PLAIN } from '../setup.ts'
import type { Sizes } from '../sizes.ts'
import { percentiles } from '../statistics.ts'
import { metered } from '../usage.ts'

const REPOSITORY = 'bench/lists'
const PLACE = 'many'
const PAGE = 100

/** Pages of long lists, at their beginning and in their middle; `size` says how long they are. */
export function listMeasures(list: 'tags' | 'catalog', size: 'many' | 'few', sizes: Sizes): Group {
  const count = sizes[size]
  const nameOf = (prefix: string, number: number): string => `${prefix}${`${number}`.padStart(6, '0')}`
  const namesOf = (prefix: string): string[] => Array.from({ length: count }, (_, at) => nameOf(prefix, at))
  const middle = Math.floor(count / 2)

  const measure = (where: 'first' | 'middle'): Measure => {
    const [path, last, title] =
      list === 'tags'
        ? [`/v2/${REPOSITORY}/tags/list`, nameOf('t', middle), `a repository of ${count} tags`]
        : ['/v2/_catalog', `${PLACE}/${nameOf('r', middle)}`, `${count} repositories`]
    const page = `${path}?n=${PAGE}${where === 'first' ? '' : `&last=${encodeURIComponent(last)}`}`
    return {
      name: `${list}-${size}-${where}`,
      title: `page of ${PAGE}, ${where === 'first' ? 'the first' : 'one from the middle'}, of ${title}, one client; p50`,
      ...{ unit: 'ms', better: 'lower', tools: [], setups: [PLAIN] },
      async sample({ server: { url, pid } }): Promise<Sample> {
        const length = await lengthOfPage(url, page)
        const job = { job: 'hammer' as const, method: 'GET' as const, url, path: page, length }
        const { usage, result } = await metered(pid, () =>
          load({ ...job, connections: 1, seconds: sizes.seconds })
        )
        const latencyMs = percentiles(result.times.request ?? [])
        return {
          ...usage,
          value: latencyMs.p50,
          requests: result.requests,
          latencyMs,
          loadCpus: result.cpu / result.seconds
        }
      }
    }
  }

  return {
    space: (contenders) => contenders * count * 64 * 1024, // files and folders of a block each
    async prepare(site: Site) {
      const { url } = site.server
      if (list === 'tags') {
        await pushImage(url, REPOSITORY, imageOf(REPOSITORY, [1024]), 'first')
        copyTag(site, REPOSITORY, 'first', namesOf('t'))
      } else {
        await pushImage(url, `${PLACE}/original`, imageOf(PLACE, [1024]), 'v1')
        copyRepository(site, PLACE, 'original', namesOf('r'))
      }
    },
    measures: [measure('first'), measure('middle')]
  }
}

/** @throws Error unless the page has as many entries as were asked for */
async function lengthOfPage(url: string, path: string): Promise<number> {
  const body = await getBytes(url, path, {})
  const { tags, repositories } = JSON.parse(body.toString())
  const entries = (tags ?? repositories)?.length
  if (entries !== PAGE) throw new Error(`${path}: ${entries} entries, not ${PAGE}`)
  return body.length
}
