import { testStorage } from '../../test/integration/support/storage.ts'
import { bytesOf, type Content, content } from '../content.ts'
import { describe, type Forwarder, startForwarder } from '../forwarder.ts'
import { type Image, imageOf, MANIFEST_TYPE } from '../image.ts'
import type { Connection } from '../load/connection.ts'
import { closingOf, locationOf, pushBlob, uploadsOf } from '../load/pushes.ts'
import { createTally } from '../load/tally.ts'
import { type Group, restart, type Sample, type Site } from '../measure.ts'
import { expect, pushImage, putAll, putBlob, putManifest, withConnection } from '../registry.ts'
import { PLAIN } from '../setup.ts'
import { metered } from '../usage.ts'

const KIB = 1024
const LAYERS = Array<number>(3).fill(64 * KIB)
const PUSH = 'push of an image, each blob by HEAD, POST, PATCH, PUT'
const PULL = 'pull of it by tag, as the first thing of a process'
/** After so long without a call, what an answer leaves to be done counts as done. Short enough for the whole push to
 *  stay within the seconds for which registries remember what is there. */
const QUIET_MS = 150

/** What is done with an image, in calls to the store. */
export function callMeasures(): Group {
  return {
    space: () => 0,
    prepare: async () => {},
    measures: [
      {
        name: 'calls',
        title: 'calls to the store until the answers to a push and a pull of an image with 3 layers',
        ...{ unit: 'calls', better: 'lower', tools: [], setups: [PLAIN], fresh: true, storage: 's3' },
        async sample(site, round): Promise<Sample> {
          const target = testStorage()?.settings.REGISTRY_STORAGE_S3_REGIONENDPOINT
          if (target === undefined) throw new Error('there is no S3')
          const direct = site.setup
          const forwarder = await startForwarder(target)
          site.setup = { ...direct, endpoint: forwarder.url }
          try {
            const counter = createCounter(site, forwarder)
            const { usage } = await metered(site.server.pid, () => countAll(counter, round))
            return { ...usage, value: counter.costOf(PUSH) + counter.costOf(PULL), more: counter.found() }
          } finally {
            site.setup = direct
            await site.server.stop()
            forwarder.close()
          }
        }
      }
    ]
  }
}

async function countAll({ inNewProcess, count }: Counter, round: number): Promise<void> {
  const repository = `bench/calls-${round}`
  const imageNamed = (id: string): Image => imageOf(`${id}#${round}`, LAYERS)
  const blobNamed = (id: string): Content => content(KIB, `${id}#${round}`)
  const blobPath = ({ digest }: Content): string => `/v2/${repository}/blobs/${digest}`
  const [image, apart] = [imageNamed('image'), imageNamed('apart')]
  const tally = createTally()

  await inNewProcess(async (connection, url) => {
    await pushImage(url, repository, imageNamed('first'), 'first') // it may cost more, with a new repository
    await count('blob of 1 KiB by POST, PATCH, PUT', connection, (counted) =>
      pushBlob(counted, repository, blobNamed('patch'), tally)
    )
    await count('… by POST, PUT', connection, (counted) => putBlob(counted, repository, blobNamed('put')))
    await count('… by one POST; with PUT where that is not known', connection, (counted) =>
      postBlob(counted, repository, blobNamed('post'))
    )
    for (const blob of [...apart.layers, apart.config]) await putBlob(connection, repository, blob)
    await count('manifest PUT by tag: a config and 3 layers', connection, (counted) =>
      putManifest(counted, repository, apart, 'apart')
    )
    await count(PUSH, connection, async (counted) => {
      for (const blob of [...image.layers, image.config]) {
        await expect(counted, 404, { method: 'HEAD', path: blobPath(blob) })
        await pushBlob(counted, repository, blob, tally)
      }
      await putManifest(counted, repository, image, 'image')
    })
    const { wrong } = tally.result()
    if (wrong.length > 0) throw new Error(wrong.join('; '))
  })

  const headers = { Accept: MANIFEST_TYPE }
  const manifest = { method: 'GET', path: `/v2/${repository}/manifests/image`, headers }
  await inNewProcess(async (connection) => {
    for (const [what, exchange] of [
      ['manifest GET by tag', manifest],
      ['blob HEAD', { method: 'HEAD', path: blobPath(blobNamed('patch')) }],
      ['blob GET', { method: 'GET', path: blobPath(blobNamed('put')) }]
    ] as const) {
      for (const when of ['for the first time in a process', 'again']) {
        await count(`${what}, ${when}`, connection, (counted) => expect(counted, 200, exchange))
      }
    }
  })
  await inNewProcess(async (connection) => {
    await count(PULL, connection, async (counted) => {
      for (const path of [manifest.path, ...[image.config, ...image.layers].map(blobPath)]) {
        await expect(counted, 200, { method: 'GET', path, headers })
      }
    })
  })
}

async function postBlob(connection: Connection, repository: string, blob: Content): Promise<void> {
  const answer = await connection.exchange({
    method: 'POST',
    path: closingOf(uploadsOf(repository), blob),
    headers: { 'Content-Type': 'application/octet-stream', 'Content-Length': blob.size },
    body: bytesOf(blob)
  })
  if (answer.status === 202) await putAll(connection, locationOf(answer), blob)
  else if (answer.status !== 201) throw new Error(`POST with a digest: ${answer.head}`)
}

type Counter = ReturnType<typeof createCounter>

function createCounter(site: Site, forwarder: Forwarder) {
  const costs = new Map<string, { before: string[]; after: string[] }>()
  return {
    /** Starts the contender anew, in front of the forwarder. */
    async inNewProcess(use: (connection: Connection, url: string) => Promise<void>): Promise<void> {
      await restart(site)
      const { url } = site.server
      await withConnection(url, (connection) => use(connection, url))
    },
    /** Waits after each answer, so that what is done then is not taken for a part of the next one. */
    async count(
      what: string,
      connection: Connection,
      act: (connection: Connection) => Promise<unknown>
    ): Promise<void> {
      const before: string[] = []
      const after: string[] = []
      await forwarder.quiet(QUIET_MS)
      forwarder.take()
      await act({
        ...connection,
        async exchange(each) {
          const answer = await connection.exchange(each)
          before.push(...forwarder.take())
          await forwarder.quiet(QUIET_MS)
          after.push(...forwarder.take())
          return answer
        }
      })
      costs.set(what, { before, after })
    },
    costOf: (what: string): number => costs.get(what)?.before.length ?? Number.NaN,
    /** In words, by what was done. */
    found(): Record<string, string> {
      const entries = [...costs].map(([what, { before, after }]) => {
        return [what, after.length === 0 ? describe(before) : `${describe(before)}; then ${describe(after)}`]
      })
      return Object.fromEntries(entries)
    }
  }
}
