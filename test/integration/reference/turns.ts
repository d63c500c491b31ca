// One folder, two registries in turn: CNCF distribution serves what berth stored, and berth what distribution did.
import { deepEqual } from 'node:assert/strict'
import { createKinds } from '../support/kinds.ts'
import { type RunningServer, scratch, startBerth, startDockerRegistry } from '../support/processes.ts'
import { seeded } from '../support/random.ts'
import { step } from '../support/steps.ts'
import { createStock, MEDIA_TYPES } from '../support/stock.ts'
import { claimEverything } from './owned.ts'

type Start = (root: string) => Promise<RunningServer>
const startOurs: Start = (root) => startBerth({ root })

/** @param command the program of CNCF distribution to take turns with
 *  @param emptyLayer whether it can store an empty one */
export async function checkTurns(command: string, { emptyLayer = true } = {}): Promise<void> {
  const startTheirs: Start = (root) => startDockerRegistry(root, command)
  const [ours, theirs] = [
    { name: 'berth', start: startOurs },
    { name: 'distribution', start: startTheirs }
  ]
  for (const [first, second] of [
    [ours, theirs],
    [theirs, ours]
  ] as const) {
    await takeTurns(first, second, { place: scratch(), emptyLayer, claim: claimEverything })
  }
  await sha512(startTheirs)
  await referrers(startTheirs)
}

/** Distribution keeps a sha512 blob under its sha256 digest with two links, and knows sha512 manifests as files only. */
async function sha512(startTheirs: Start): Promise<void> {
  const root = scratch()
  const stock = createStock()
  const random = seeded('sha512')
  const kinds = createKinds(stock, random)
  let registry = await startOurs(root)
  stock.moveTo(registry.url)
  await kinds.image('sha512/image', { tags: ['v1', 'v2'], algorithm: 'sha512' })
  await registry.stop()

  registry = await startTheirs(root)
  stock.moveTo(registry.url)
  await step('distribution serves the sha512 content that berth stored, byte for byte', stock.verify)
  await stock.blob('sha512/image', random.bytes(5000), 'sha512')
  await registry.stop()

  registry = await startOurs(root)
  stock.moveTo(registry.url)
  await step('berth serves the sha512 content that both stored, byte for byte', stock.verify)
  stock.close()
  await registry.stop()
}

/** Distribution has no list of referrers: a client keeps one itself, in an index under a tag made of the digest. */
async function referrers(startTheirs: Start): Promise<void> {
  const root = scratch()
  const stock = createStock()
  const kinds = createKinds(stock, seeded('referrers'))
  let registry = await startTheirs(root)
  stock.moveTo(registry.url)
  const subject = await kinds.image('referrers/image', { tags: ['v1'] })
  const tag = subject.digest.replace(':', '-')
  const noted = [await kinds.referrer('referrers/image', subject)]
  await stock.manifest('referrers/image', { manifests: noted }, { mediaType: MEDIA_TYPES.index, tags: [tag] })
  await registry.stop()

  registry = await startOurs(root)
  stock.moveTo(registry.url)
  await step('berth lists the referrers that a client noted in distribution, and its own', async () => {
    const pushed = [...noted, await kinds.referrer('referrers/image', subject)]
    const answer = await fetch(`${registry.url}/v2/referrers/image/referrers/${subject.digest}`)
    const { manifests } = Object(await answer.json())
    deepEqual(digestsOf(manifests), digestsOf(pushed))
  })
  stock.close()
  await registry.stop()
}

function digestsOf(descriptors: readonly { digest: string }[]): string[] {
  return descriptors.map(({ digest }) => digest).sort()
}

/** A registry, and how it is started over a folder or whatever stands for one. */
export interface Taking {
  name: string
  start: Start
}

/**
 * The first fills a folder, the second serves it and adds to it, and then the first serves what both stored.
 * @param claim lets repositories belong to namespaces, and gives a check that they still do
 */
export async function takeTurns(
  { name: first, start: startFirst }: Taking,
  { name: second, start: startSecond }: Taking,
  { place, emptyLayer = true, claim }: { place: string; emptyLayer?: boolean; claim?: typeof claimEverything }
): Promise<void> {
  const stock = createStock()
  const kinds = createKinds(stock, seeded(`${first}, then ${second}`))
  async function turn(start: Start, part: () => Promise<void>): Promise<void> {
    const registry = await start(place)
    stock.moveTo(registry.url)
    await part()
    await registry.stop()
  }

  let deletable = { name: '', digest: '' }
  await turn(startFirst, () =>
    step(`${first} stores images of every kind`, async () => {
      deletable = await kinds.common('first', { emptyLayer })
      await stock.verify()
    })
  )
  const checkOwners = await claim?.(place, 'first')
  await turn(startSecond, async () => {
    await step(`${second} serves what ${first} stored, byte for byte`, stock.verify)
    await step(`${second} adds to it, and deletes from it`, async () => {
      await stock.deleteManifest(deletable.name, deletable.digest)
      await kinds.image('first/image', { tags: ['latest', 'by-the-other'] })
      deletable = await kinds.common('second', { emptyLayer })
      await stock.verify()
    })
  })
  await turn(startFirst, async () => {
    await step(`${first} serves what both stored, and nothing that ${second} deleted`, stock.verify)
    await step(`${first} deletes what ${second} stored`, () =>
      stock.deleteManifest(deletable.name, deletable.digest)
    )
  })
  await turn(startSecond, () => step(`${second} serves what is left of both`, stock.verify))
  if (checkOwners !== undefined) {
    await step('each repository belongs to the namespace that it belonged to', checkOwners)
  }
  stock.close()
}
