import { curlPull } from '../commands.ts'
import { content } from '../content.ts'
import { type Group, PLAIN, type Sample, TLS } from '../measure.ts'
import { placeBlob } from '../registry.ts'
import { metered } from '../usage.ts'

const REPOSITORY = 'bench/pulls'
const MIB = 2 ** 20

/** Blobs on their way out. */
export function pullMeasures({ bigSize }: { bigSize: number }): Group {
  const big = () => content(bigSize, REPOSITORY)
  const pathOf = ({ digest }: { digest: string }): string => `/v2/${REPOSITORY}/blobs/${digest}`
  return {
    tools: ['curl'],
    files: true,
    prepare: (site) => placeBlob(site, REPOSITORY, big()),
    measures: [
      {
        name: 'pull-1',
        title: `GET of a blob of ${bigSize / MIB} MiB, one client`,
        ...{ unit: 'MiB/s', better: 'higher', setups: [PLAIN, TLS] },
        async sample({ server }): Promise<Sample> {
          const { usage, result } = await metered(server.pid, () =>
            curlPull(server.url + pathOf(big()), bigSize)
          )
          return { ...usage, value: bigSize / MIB / result, bytes: bigSize }
        }
      }
    ]
  }
}
