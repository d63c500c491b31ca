import { globSync, statSync } from 'node:fs'
import { curlPull, load, shared, tool } from '../commands.ts'
import { type Content, content } from '../content.ts'
import type { Group, Measure, Sample, Site } from '../measure.ts'
import { placeBlob } from '../registry.ts'
import { PLAIN, type Setup, TLS } from '../setup.ts'
import type { Sizes } from '../sizes.ts'
import { metered } from '../usage.ts'

const REPOSITORY = 'bench/pulls'
const MIB = 2 ** 20
const AT_ONCE = 16

/** Blobs on their way out. */
export function pullMeasures({ big, medium, pulls }: Sizes): Group {
  const bigBlob = (): Content => content(big, REPOSITORY)
  const mediumBlob = (number: number): Content => content(medium, `${REPOSITORY}#${number}`)
  const pathOf = ({ digest }: Content): string => `/v2/${REPOSITORY}/blobs/${digest}`

  async function one({ server }: Site, times: number, size = big, range?: string): Promise<Sample> {
    const url = server.url + pathOf(bigBlob())
    const { usage, result } = await metered(server.pid, async () => {
      let seconds = 0
      for (let time = 0; time < times; time++) seconds += await curlPull(url, size, range)
      return seconds
    })
    return { ...usage, value: (times * size) / MIB / result, bytes: times * size }
  }

  async function many({ server: { url, pid } }: Site): Promise<Sample> {
    const paths = Array.from({ length: AT_ONCE }, (_, number) => pathOf(mediumBlob(number)))
    const jobs = shared(paths).map((paths) => ({
      ...{ job: 'pulls' as const, url, paths, length: medium, times: pulls }
    }))
    const { usage, result } = await metered(pid, () => load(...jobs))
    const { bytes, seconds, cpu } = result
    return { ...usage, value: bytes / MIB / seconds, bytes, loadCpus: cpu / seconds }
  }

  const bigTitle = `GET of a blob of ${big / MIB} MiB, one client`
  const range = `${big / 2}-${big / 2 + medium - 1}`
  return {
    space: (contenders) => contenders * (big + AT_ONCE * medium),
    async prepare(site) {
      await placeBlob(site, REPOSITORY, bigBlob())
      for (let number = 0; number < AT_ONCE; number++) await placeBlob(site, REPOSITORY, mediumBlob(number))
    },
    measures: [
      { ...measure('pull-1', bigTitle, ['curl'], [PLAIN, TLS], (site) => one(site, pulls)), quick: true },
      measure('pull-range', `GET of ${medium / MIB} MiB in the middle of it`, ['curl'], [PLAIN], (site) =>
        one(site, 10 * pulls, medium, range)
      ),
      measure('pull-16', `GET of ${AT_ONCE} blobs of ${medium / MIB} MiB at once`, [], [PLAIN, TLS], many),
      measure(
        'pull-cold',
        `${bigTitle}, nothing in the page cache`,
        ['curl', 'dd'],
        [PLAIN],
        async (site) => {
          await forget(site, big)
          return one(site, 1)
        }
      )
    ]
  }
}

/** Takes files of a size out of the page cache. */
async function forget({ server }: Site, size: number): Promise<void> {
  const files = globSync(`${server.root}/**/*`).filter((path) => statSync(path).size === size)
  if (files.length === 0) throw new Error(`there is no file of ${size} bytes to forget`)
  for (const file of files) await tool('dd', [`if=${file}`, 'iflag=nocache', 'count=0', 'status=none'])
}

function measure(
  name: string,
  title: string,
  tools: string[],
  setups: Setup[],
  sample: (site: Site) => Promise<Sample>
): Measure {
  return { name, title, unit: 'MiB/s', better: 'higher', tools, setups, files: true, sample }
}
