import { setImmediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { parseTag } from '../../src/oci/name.ts'
import { createRegistry, type Registry } from '../../src/registry/registry.ts'
import type { StorageDriver } from '../../storage/driver.ts'
import { filesystemStorage } from '../../storage/filesystem.ts'
import { memoryStorage } from '../../storage/memory.ts'
import { family } from './family.ts'
import { interposed } from './interposed.ts'
import { everyOrder } from './orders.ts'
import {
  A,
  B,
  bytesOf,
  digestOf,
  everything,
  from,
  hexOf,
  imageOf,
  OCI_IMAGE,
  push,
  pushBlob,
  REPOSITORIES,
  V1,
  world
} from './support.ts'

const OWNER = `${REPOSITORIES}/a/_ext/v1/owner`
const OLD = '5f7d9c3e-0000-4000-8000-000000000001'
const NEW = '5f7d9c3e-0000-4000-8000-000000000002'
const THIRD = '5f7d9c3e-0000-4000-8000-000000000003'
const V2 = parseTag('v2')

const instantly = { pause: async () => {} }

const IMAGE = await imageOf(world().registry, A, 'layer')
const SIGNATURE = await imageOf(world().registry, A, 'signature', {
  subject: { mediaType: OCI_IMAGE, digest: digestOf(IMAGE), size: IMAGE.length }
})
const ALL_REFERRERS = { artifactTypes: [], n: 10 }

/** A repository of OLD with two tags, an image, its signature, and what deletions that broke off have left. */
async function fill(registry: Registry, storage: StorageDriver): Promise<void> {
  await registry.owners.claim(A, OLD, undefined)
  for (const layer of ['layer', 'signature']) await imageOf(registry, A, layer)
  await push(registry, A, IMAGE, V1, V2)
  await push(registry, A, SIGNATURE)
  const at = `${REPOSITORIES}/a`
  const digest = digestOf('gone')
  await storage.write(`${at}/_manifests/tags/half/index/sha256/${hexOf(digest)}/link`, bytesOf(digest))
  const [subject, referrer] = [hexOf(digestOf('subject')), hexOf(digest)]
  await storage.write(`${at}/_ext/v1/referrers/sha256/${subject}/sha256/${referrer}`, bytesOf('{}'))
}

/** What a registry still shows of the repository that `fill` made. */
async function shown({ blobs, manifests, tags, referrers }: Registry): Promise<string[]> {
  const attempts = {
    'the list of tags': async () => (await tags.list(A, { n: 10 })).items.length > 0,
    'the tag': async () => (await manifests.get(A, V1)) !== undefined,
    'the image': async () => (await manifests.get(A, digestOf(IMAGE))) !== undefined,
    'the signature': async () => manifests.has(A, digestOf(SIGNATURE)),
    'the layer': async () => (await blobs.get(A, digestOf('layer'))).size > 0,
    'the layer, mounted': () => blobs.mount(B, digestOf('layer'), from(A)),
    'the layer, mounted from wherever it is': () => blobs.mount(B, digestOf('layer'), from(undefined)),
    'the referrers': async () => (await referrers.list(A, digestOf(IMAGE), ALL_REFERRERS)).items.length > 0
  }
  const found: string[] = []
  for (const [what, attempt] of Object.entries(attempts)) {
    if (await attempt().catch(() => false)) found.push(what)
  }
  return found
}

/** The objects of the repository, beside the note of its owner. */
async function left(storage: StorageDriver): Promise<string[]> {
  const keys = [...(await everything(storage, `${REPOSITORIES}/a`)).keys()]
  return keys.filter((key) => key !== OWNER)
}

t.test('a repository without an owner is adopted with all that it holds', async (t) => {
  const { registry, storage, another, fresh } = world()
  const digest = await push(registry, A, await imageOf(registry, A), V1)
  t.equal(await registry.owners.get(A), undefined)
  await registry.owners.claim(A, NEW, undefined)
  t.strictSame(JSON.parse((await everything(storage)).get(OWNER) ?? ''), { uid: NEW })
  for (const one of [registry, another(), fresh()]) {
    t.equal(await one.owners.get(A), NEW)
    t.equal((await one.manifests.get(A, V1)).digest, digest)
  }
  await registry.owners.claim(A, NEW, undefined)
  t.equal((await registry.manifests.get(A, V1)).digest, digest, 'who claims it again keeps it')
  t.equal(await registry.owners.get(B), undefined, 'another repository is not concerned')
})

t.test('a claim alone makes no repository', async (t) => {
  const { registry } = world()
  await registry.owners.claim(A, NEW, undefined)
  await t.rejects(registry.repositories.require(A), { name: 'NAME_UNKNOWN' })
  t.strictSame((await registry.repositories.list({ n: 10 })).items, [])
  await pushBlob(registry, A, 'layer')
  await registry.repositories.require(A)
})

t.test('a note that is damaged belongs to nobody: nobody adopts, and nothing is removed', async (t) => {
  for (const text of ['', '{', '[]', 'null', '"x"', '{"uid":7}', `{"uid":"${'x'.repeat(2000)}"}`]) {
    const { registry, storage, fresh } = world()
    await fill(registry, storage)
    await storage.write(OWNER, bytesOf(text))
    const { owners } = fresh()
    t.equal(await owners.get(A), '', text.slice(0, 20))
    const before = await left(storage)
    for (const former of [undefined, '']) {
      await t.rejects(owners.claim(A, NEW, former), {
        name: 'StorageUnavailable',
        message: /_ext\/v1\/owner is damaged/
      })
    }
    t.strictSame(await left(storage), before)
    t.ok(before.length > 0)
    await owners.release(A)
    await owners.claim(A, NEW, undefined)
    t.equal(await owners.get(A), NEW)
  }
})

for (const [kind, open] of [
  ['memory', () => memoryStorage()],
  ['filesystem', (t) => filesystemStorage({ root: t.testdir() })]
] as [string, (t: Test) => StorageDriver][]) {
  t.test(`what another namespace has left is gone for every process (${kind})`, async (t) => {
    for (const claimant of [0, 1]) {
      const storage = open(t)
      const { registries } = family(3, { storage })
      await fill(registries[0]!, storage)
      const other = await pushBlob(registries[0]!, B, 'of another repository')
      for (const registry of registries) {
        t.equal((await shown(registry)).length, 8, 'is remembered')
        t.equal(await registry.owners.get(A), OLD)
      }
      await registries[0]!.blobs.delete(B, digestOf('layer'))
      await registries[claimant]!.owners.claim(A, NEW, OLD)
      t.strictSame(await left(storage), [])
      for (const registry of [...registries, createRegistry(storage)]) {
        t.strictSame(await shown(registry), [])
        t.equal(await registry.owners.get(A), NEW)
        t.strictSame((await registry.repositories.list({ n: 10 })).items, [])
        t.equal((await registry.blobs.get(B, other)).size, 21)
      }
      await imageOf(registries[2]!, A, 'layer')
      await push(registries[2]!, A, IMAGE, V1)
      t.strictSame((await registries[1]!.tags.list(A, { n: 10 })).items, [V1])
      t.strictSame((await registries[1]!.referrers.list(A, digestOf(IMAGE), ALL_REFERRERS)).items, [])
    }
  })
}

t.test('other replicas have time to forget before the new owner sees anything', async (t) => {
  const storage = memoryStorage()
  const seen: unknown[] = []
  const pause = async (ms: number) => {
    seen.push(ms, await left(storage), await createRegistry(storage).owners.get(A))
  }
  const registry = createRegistry(storage, { pause })
  await fill(registry, storage)
  t.strictSame(seen, [], 'an adoption takes nothing away')
  await registry.owners.claim(A, NEW, OLD)
  t.strictSame(seen, [5000, [], OLD])
})

t.test('a claim that breaks off at any call stays hidden, and the next one ends it', async (t) => {
  let total = 0
  for (let failAt = 0; ; failAt++) {
    const it = world()
    await fill(it.registry, it.storage)
    let calls = 0
    // Dead from then on: not even what runs beside it gets through.
    it.before(() => {
      if (calls++ >= failAt) throw new Error('cut')
    })
    const isDone = await it
      .fresh()
      .owners.claim(A, NEW, OLD)
      .then(
        () => true,
        () => false
      )
    it.before(() => {})
    const isClaimed = (await it.another().owners.get(A)) === NEW
    if (isDone || isClaimed) t.strictSame(await left(it.storage), [], `cut at call ${failAt}`)
    else t.equal(await it.another().owners.get(A), OLD, `cut at call ${failAt}`)
    if (isDone) {
      total = failAt
      break
    }
    const next = it.fresh()
    await next.owners.claim(A, NEW, await next.owners.get(A))
    t.strictSame(await left(it.storage), [], `cut at call ${failAt}, and claimed again`)
    t.equal(await next.owners.get(A), NEW)
  }
  t.ok(total > 40, `${total} calls`)
})

t.test('nothing of a claim goes on once it has failed', async (t) => {
  const it = world()
  await fill(it.registry, it.storage)
  for (let count = 0; count < 20; count++) await pushBlob(it.registry, A, `layer ${count}`)
  let [calls, open] = [0, 0]
  const slow = interposed(it.storage, async (call) => {
    if (!call.startsWith('delete') || !call.includes('/_layers/')) return
    if (calls++ === 0) throw new Error('cut')
    open++
    await setImmediate()
    open--
  })
  await t.rejects(createRegistry(slow, instantly).owners.claim(A, NEW, OLD), { message: 'cut' })
  t.equal(open, 0)
  t.ok(calls < 10, `${calls} were begun before`)
  const before = await left(it.storage)
  await setImmediate()
  t.strictSame(await left(it.storage), before)
})

/** Claims the repository and pushes what OLD had there, too. */
async function claimAndPush(registry: Registry): Promise<void> {
  await registry.owners.claim(A, NEW, OLD)
  await imageOf(registry, A, 'layer')
  await push(registry, A, IMAGE, V1)
}

async function isPulled(registry: Registry): Promise<boolean> {
  const { digest } = await registry.manifests.get(A, V1)
  return digest === digestOf(IMAGE) && (await registry.blobs.get(A, digestOf('layer'))).size === 5
}

t.test('of two claims at once in a process, none removes what was pushed after the other', async (t) => {
  const runs = await everyOrder(
    async () => {
      const it = world()
      await fill(it.registry, it.storage)
      return it
    },
    ({ registry }) => registry.owners.claim(A, NEW, OLD),
    ({ registry }) => claimAndPush(registry),
    async ({ another }, at) => t.ok(await isPulled(another()), `second claim at call ${at}`)
  )
  t.ok(runs > 40, `${runs} runs`)
})

t.test('of claims in all processes at once, none removes what was pushed after another', async (t) => {
  let turns = 0
  const storage = memoryStorage()
  const { registries } = family(3, {
    storage,
    before: async () => {
      if (turns++ % 3 === 0) await setImmediate()
    }
  })
  await fill(registries[0]!, storage)
  const others = registries.map((registry) => registry.owners.claim(A, NEW, OLD))
  await Promise.all([...registries.map(claimAndPush), ...others])
  for (const registry of registries) t.ok(await isPulled(registry))
})

t.test('a claim that another replica has ended meanwhile removes nothing more', async (t) => {
  for (let at = 0; ; at++) {
    const it = world()
    await it.registry.owners.claim(A, OLD, undefined)
    await pushBlob(it.registry, A, 'layer')
    let reads = 0
    it.before(async (call) => {
      if (call !== `read ${OWNER}` || reads++ !== at) return
      await it.another().owners.claim(A, NEW, OLD)
      await pushBlob(it.another(), A, 'layer')
    })
    await it.registry.owners.claim(A, NEW, OLD)
    if (reads <= at) {
      t.ok(at > 2, `${at} readings`)
      break
    }
    t.ok(await it.another().blobs.has(A, digestOf('layer')), `reading ${at}`)
  }
})

t.test('who looked the namespace up too long ago claims nothing', async (t) => {
  const { registry, storage } = world()
  await fill(registry, storage)
  await claimAndPush(registry)
  // A process that remembers the former namespace sees the new owner's repository as another's.
  for (const former of [OLD, undefined, '']) {
    await t.rejects(registry.owners.claim(A, THIRD, former), { name: 'StorageUnavailable' })
    await t.rejects(registry.owners.claim(A, OLD, former), { name: 'StorageUnavailable' })
  }
  t.equal(await registry.owners.get(A), NEW)
  t.ok(await isPulled(registry))
})

t.test('a claim whose leader does not answer, or fails, is to be tried again', async (t) => {
  const storage = memoryStorage()
  const silent = { ask: async () => [], onQuestion: () => {} }
  const follower = createRegistry(storage, { siblings: silent, leads: false })
  await t.rejects(follower.owners.claim(A, NEW, undefined), {
    name: 'StorageUnavailable',
    message:
      'a cannot be claimed for its namespace yet: the leading process did not answer; it may be starting, or still be at it'
  })
  t.equal(await follower.owners.get(A), undefined)

  let isBroken = true
  const { registries } = family(3, {
    before: (call) => {
      if (isBroken && call === `write ${OWNER}`) throw new Error('the disk is full')
    }
  })
  await t.rejects(registries[1]!.owners.claim(A, NEW, undefined), {
    name: 'StorageUnavailable',
    message: /the disk is full/
  })
  isBroken = false
  await registries[1]!.owners.claim(A, NEW, undefined)
  t.equal(await registries[2]!.owners.get(A), NEW)
})

t.test('the owner is remembered, also that there is none', async (t) => {
  const { registries, calls } = family(2)
  const [first, second] = registries as [Registry, Registry]
  for (let time = 0; time < 3; time++) t.equal(await second.owners.get(A), undefined)
  t.equal(calls.length, 1)
  await first.owners.claim(A, NEW, undefined)
  calls.length = 0
  for (let time = 0; time < 3; time++) t.equal(await second.owners.get(A), NEW)
  t.equal(calls.length, 1)
})
