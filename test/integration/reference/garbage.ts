// CNCF distribution's garbage collector over a folder that berth filled: it removes what nothing refers to, and
// nothing else. It runs while no registry does, as it must.
import { deepEqual, equal, ok } from 'node:assert/strict'
import { createKinds } from '../support/kinds.ts'
import {
  dockerRegistryConfig,
  dockerRegistryEnvironment,
  run,
  scratch,
  startBerth
} from '../support/processes.ts'
import { seeded } from '../support/random.ts'
import { step } from '../support/steps.ts'
import { createStock, type Described, digestOf, MEDIA_TYPES } from '../support/stock.ts'
import { claimEverything, openOurs } from './owned.ts'

/** @param command the program of CNCF distribution that collects */
export async function checkGarbageCollection(command: string): Promise<void> {
  const random = seeded('garbage')
  const root = scratch()
  const stock = createStock()
  const kinds = createKinds(stock, random)
  const half = random.bytes(100_000)

  let berth = await startBerth({ root })
  stock.moveTo(berth.url)
  const subject = await fill()
  const uploads = {
    'gc/image': await startUpload('gc/image', half),
    'gc/never-pushed': await startUpload('gc/never-pushed', half)
  }
  await stock.verify()
  const before = await referrers()
  equal(before.length, 3)
  await berth.stop()
  const checkOwners = await claimEverything(root, 'gc')

  const live = stock.live()
  const garbage = stock.forgetUnreferencedBlobs().filter(({ digest }) => !live.has(digest))

  await step('a dry run names only what nothing refers to', async () => {
    const { stdout } = await collect('--dry-run')
    const named = new Set(stdout.match(/(?<=eligible for deletion: )sha\w+:[0-9a-f]+/g))
    for (const digest of live) ok(!named.has(digest), `${digest} is not named`)
    for (const { digest } of garbage) ok(named.has(digest), `${digest} is named`)
  })

  await step('a real run comes to its end and removes the garbage', async () => {
    await collect()
    for (const digest of live) ok(await isThere(digest), `${digest} is there`)
    for (const { digest } of garbage) ok(!(await isThere(digest)), `${digest} is gone`)
  })

  await step('repositories belong to the namespaces that they belonged to', checkOwners)

  berth = await startBerth({ root })
  stock.moveTo(berth.url)

  await step('berth serves all that is live, byte for byte', stock.verify)

  await step('berth lists the same referrers', async () => deepEqual(await referrers(), before))

  await step('what was removed is unknown to berth, and can be pushed again', async () => {
    for (const { name, digest, bytes } of garbage) {
      const url = `${berth.url}/v2/${name}/blobs/${digest}`
      equal((await fetch(url, { method: 'HEAD' })).status, 404, url)
      equal((await fetch(url)).status, 404, url)
      await stock.blob(name, bytes, digest.startsWith('sha512:') ? 'sha512' : 'sha256')
    }
    await stock.verify()
    stock.forgetUnreferencedBlobs()
  })

  await step('uploads that were open go on to their end', async () => {
    const rest = random.bytes(1000)
    for (const [name, location] of Object.entries(uploads)) {
      const digest = digestOf(Buffer.concat([half, rest]), 'sha256')
      const url = new URL(location, berth.url)
      url.searchParams.set('digest', digest)
      const answer = await fetch(url, { method: 'PUT', body: rest })
      equal(answer.status, 201, await answer.text())
      const pulled = await fetch(`${berth.url}/v2/${name}/blobs/${digest}`)
      equal(digestOf(Buffer.from(await pulled.arrayBuffer()), 'sha256'), digest)
    }
  })

  await step('a second run leaves all that is live as well', async () => {
    await berth.stop()
    await collect()
    berth = await startBerth({ root })
    stock.moveTo(berth.url)
    await stock.verify()
  })

  stock.close()
  await berth.stop()

  async function referrers(): Promise<object[]> {
    const answer = await fetch(`${berth.url}/v2/gc/referred/referrers/${subject.digest}`)
    return Object(await answer.json()).manifests
  }

  async function fill(): Promise<Described> {
    const deletable = await kinds.common('gc')
    await stock.deleteManifest(deletable.name, deletable.digest)
    await stock.deleteTag('gc/a/b__c/d--e.f', 'v2')
    await kinds.image('gc/sha512', { tags: ['v1', 'v2'], algorithm: 'sha512' })
    await stock.blob('gc/loose', random.bytes(4000))
    await stock.blob('gc/loose', random.bytes(4000), 'sha512')
    await kinds.image('gc/loose', { tags: ['v1'] })

    // Repositories without layers: the collector overlooks one that has no folder for them, and removes its blobs.
    const index = { mediaType: MEDIA_TYPES.index }
    const inner = await stock.manifest('gc/only-index', { manifests: [] }, index)
    await stock.manifest('gc/only-index', { manifests: [inner] }, { ...index, tags: ['v1'] })
    await stock.manifest(
      'gc/only-index-512',
      { manifests: [] },
      { ...index, tags: ['v1'], algorithm: 'sha512' }
    )

    // An index that has outlived its images, and with them every layer of its repository.
    const image = await kinds.image('gc/outlived')
    await stock.manifest('gc/outlived', { manifests: [image] }, { ...index, tags: ['v1'] })
    const { config, layers } = JSON.parse(stock.bytes('gc/outlived', image.digest).toString())
    await stock.deleteManifest('gc/outlived', image.digest)
    for (const { digest } of [config, ...layers]) await stock.deleteBlob('gc/outlived', digest)

    // A repository of which every manifest was deleted.
    const last = await kinds.image('gc/emptied', { tags: ['v1'] })
    await stock.deleteManifest('gc/emptied', last.digest)

    const subject = await kinds.image('gc/referred', { tags: ['v1'] })
    const referrer = await kinds.referrer('gc/referred', subject)
    await kinds.referrer('gc/referred', referrer)
    for (const tags of [[], ['signature']]) await kinds.referrer('gc/referred', subject, tags)
    return subject
  }

  async function startUpload(name: string, bytes: Buffer): Promise<string> {
    const opened = await fetch(`${berth.url}/v2/${name}/blobs/uploads/`, { method: 'POST' })
    const answer = await fetch(new URL(opened.headers.get('location') ?? '', berth.url), {
      method: 'PATCH',
      body: bytes
    })
    equal(answer.status, 202)
    return answer.headers.get('location') ?? ''
  }

  function collect(...options: string[]): ReturnType<typeof run> {
    const env = dockerRegistryEnvironment(root)
    return run(command, ['garbage-collect', ...options, dockerRegistryConfig(root, 0)], { env })
  }

  async function isThere(digest: string): Promise<boolean> {
    const [algorithm = '', hex = ''] = digest.split(':')
    const key = `docker/registry/v2/blobs/${algorithm}/${hex.slice(0, 2)}/${hex}/data`
    return (await (await openOurs(root)).size(key)) !== undefined
  }
}
