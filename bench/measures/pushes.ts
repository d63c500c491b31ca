import { join } from 'node:path'
import { scratch } from '../../test/integration/support/processes.ts'
import { curlPatch, load, shared } from '../commands.ts'
import { type Content, content, writeContent } from '../content.ts'
import type { Job } from '../load/main.ts'
import type { Group, Measure, Sample, Site } from '../measure.ts'
import { closeUpload, openUpload, removeBlobs, verifyBlob, withConnection } from '../registry.ts'
import { PLAIN, type Setup, TLS } from '../setup.ts'
import type { Sizes } from '../sizes.ts'
import { metered } from '../usage.ts'

const REPOSITORY = 'bench/pushes'
const MIB = 2 ** 20
const AT_ONCE = 16
const CHUNK = 16 * MIB

/** Blobs on their way in. Every push brings bytes that its registry does not have. */
export function pushMeasures({ big, medium }: Sizes): Group {
  const pushFile = filePusher()

  async function byCurl(site: Site, round: number): Promise<Sample> {
    const blob = content(big, `by curl#${round}`)
    const act = pushFile(blob)
    return sampled(site, [blob], () => act(site.server.url))
  }

  async function byLoad(site: Site, size: number, ids: string[], chunkSize?: number): Promise<Sample> {
    const jobs = shared(ids).map(
      (ids): Job => ({
        ...{ job: 'pushes', url: site.server.url, repository: REPOSITORY, ids, size },
        ...(chunkSize !== undefined && { chunkSize })
      })
    )
    const blobs = ids.map((id) => content(size, id))
    return sampled(site, blobs, () => load(...jobs))
  }

  const bigTitle = `push of a blob of ${big / MIB} MiB, one client`
  return {
    space: () => big + Math.max(big, AT_ONCE * medium), // the file to push from, and what one contender has
    prepare: async () => {},
    measures: [
      {
        ...measure('push-1', `${bigTitle}: POST, PATCH, PUT`, ['curl'], [PLAIN, TLS], byCurl),
        quick: true
      },
      measure('push-chunked', `${bigTitle}: PATCH of ${CHUNK / MIB} MiB each`, [], [PLAIN], (site, round) =>
        byLoad(site, big, [`chunked#${round}`], CHUNK)
      ),
      measure(
        'push-16',
        `push of ${AT_ONCE} blobs of ${medium / MIB} MiB at once`,
        [],
        [PLAIN, TLS],
        (site, round) =>
          byLoad(
            site,
            medium,
            Array.from({ length: AT_ONCE }, (_, number) => `at once#${round}.${number}`)
          )
      )
    ]
  }
}

/** Pushes, then pulls and hashes everything, then removes it. */
async function sampled(
  site: Site,
  blobs: Content[],
  act: () => Promise<{ seconds: number; cpu?: number }>
): Promise<Sample> {
  const { usage, result } = await metered(site.server.pid, act)
  for (const blob of blobs) await verifyBlob(site.server.url, REPOSITORY, blob)
  const bytes = blobs.reduce((sum, { size }) => sum + size, 0)
  removeBlobs(site, blobs[0]?.size ?? 0)
  const { seconds, cpu } = result
  const loadCpus = cpu === undefined ? {} : { loadCpus: cpu / seconds }
  return { ...usage, value: bytes / MIB / seconds, bytes, ...loadCpus }
}

/** Contents of one size share a file, of which only the end is written anew. */
function filePusher(): (blob: Content) => (url: string) => Promise<{ seconds: number }> {
  const file = join(scratch(), 'blob')
  let written: Content | undefined
  return (blob) => {
    writeContent(file, blob, written)
    written = blob
    return async (url) => {
      const since = performance.now()
      await withConnection(url, async (connection) => {
        const opened = await openUpload(connection, REPOSITORY)
        const { pathname, search } = new URL(await curlPatch(url + opened, file), url)
        await closeUpload(connection, pathname + search, blob)
      })
      return { seconds: (performance.now() - since) / 1000 }
    }
  }
}

function measure(
  name: string,
  title: string,
  tools: string[],
  setups: Setup[],
  sample: (site: Site, round: number) => Promise<Sample>
): Measure {
  return { name, title, unit: 'MiB/s', better: 'higher', tools, setups, sample }
}
