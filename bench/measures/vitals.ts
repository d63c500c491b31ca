import { setTimeout as sleep } from 'node:timers/promises'
import { memoryOf } from '../../test/integration/support/vitals.ts'
import { load } from '../commands.ts'
import { content } from '../content.ts'
import { type Group, type Measure, restart, type Sample, type Site } from '../measure.ts'
import { placeBlob, removeBlobs } from '../registry.ts'
import { PLAIN } from '../setup.ts'
import type { Sizes } from '../sizes.ts'
import { metered } from '../usage.ts'

const REPOSITORY = 'bench/vitals'
const MIB = 2 ** 20
const IDLE_MS = 2000
const PULLS = 24
const PUSHES = 8

/** What a server takes that does nothing, or much at once. Each sample begins with a start. */
export function vitalMeasures({ flight, flightSeconds }: Sizes): Group {
  const inFlight = (name: string, size: number): Measure => ({
    name,
    title: `peak PSS with ${PULLS} pulls and ${PUSHES} pushes of ${size / MIB} MiB in flight`,
    ...{ unit: 'MiB', better: 'lower', tools: [], setups: [PLAIN], fresh: true },
    async sample(site, round): Promise<Sample> {
      await restart(site)
      const { url, pid } = site.server
      const job = {
        ...{ job: 'transfers' as const, url, repository: REPOSITORY, size, id: `${name}#${round}` },
        ...{ pulls: PULLS, pushes: PUSHES, seconds: flightSeconds }
      }
      const { usage, result } = await metered(pid, () => load(job))
      removeBlobs(site, size, content(size, REPOSITORY))
      const { bytes, cpu, seconds } = result
      return { ...usage, value: usage.peakMemory / MIB, bytes, loadCpus: cpu / seconds }
    }
  })
  return {
    space: (contenders) => (PUSHES + contenders) * flight,
    async prepare(site) {
      for (const size of [MIB, flight]) await placeBlob(site, REPOSITORY, content(size, REPOSITORY))
    },
    measures: [
      {
        name: 'start',
        title: 'from the start to the first answer',
        ...{ unit: 'ms', better: 'lower', tools: [], setups: [PLAIN], quick: true },
        async sample(site): Promise<Sample> {
          await restart(site)
          const { usage } = await metered(site.server.pid, async () => {})
          return { ...usage, value: site.server.startMs }
        }
      },
      {
        name: 'idle-memory',
        title: 'PSS of a server that has just started',
        ...{ unit: 'MiB', better: 'lower', tools: [], setups: [PLAIN], fresh: true },
        async sample(site: Site): Promise<Sample> {
          await restart(site)
          const { usage } = await metered(site.server.pid, () => sleep(IDLE_MS))
          return { ...usage, value: memoryOf(site.server.pid).proportional / MIB }
        }
      },
      inFlight('flight-small', MIB),
      inFlight('flight-large', flight)
    ]
  }
}
