import { join } from 'node:path'
import { scratch } from '../../test/integration/support/processes.ts'
import { curlPatch } from '../commands.ts'
import { type Content, content, writeContent } from '../content.ts'
import { type Group, PLAIN, type Sample, TLS } from '../measure.ts'
import { closeUpload, openUpload, removeLargeFiles, verifyBlob, withConnection } from '../registry.ts'
import { metered } from '../usage.ts'

const REPOSITORY = 'bench/pushes'
const MIB = 2 ** 20

/** Blobs on their way in. Every push brings bytes that its registry does not have. */
export function pushMeasures({ bigSize }: { bigSize: number }): Group {
  const file = join(scratch(), 'blob')
  let written: Content | undefined
  return {
    tools: ['curl'],
    files: false,
    prepare: async () => {},
    measures: [
      {
        name: 'push-1',
        title: `push of a blob of ${bigSize / MIB} MiB, one client: POST, PATCH, PUT`,
        ...{ unit: 'MiB/s', better: 'higher', setups: [PLAIN, TLS] },
        async sample(site, round): Promise<Sample> {
          const { server } = site
          const blob = content(bigSize, `${REPOSITORY}#${round}`)
          writeContent(file, blob, written)
          written = blob
          const { usage } = await metered(server.pid, () => push(server.url, blob, file))
          await verifyBlob(server.url, REPOSITORY, blob)
          removeLargeFiles(site)
          return { ...usage, value: bigSize / MIB / usage.seconds, bytes: bigSize }
        }
      }
    ]
  }
}

async function push(url: string, blob: Content, file: string): Promise<void> {
  await withConnection(url, async (connection) => {
    const opened = await openUpload(connection, REPOSITORY)
    const { pathname, search } = new URL(await curlPatch(url + opened, file), url)
    await closeUpload(connection, pathname + search, blob)
  })
}
