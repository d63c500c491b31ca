import t from 'tap'
import type { Tag } from '../../src/oci/name.ts'
import { createRandom } from '../oci/random.ts'
import { everyOrder } from './orders.ts'
import { A, digestOf, hexOf, imageOf, OCI_IMAGE, push, pushBlob, V1, type World, world } from './support.ts'

const FORMER = await imageOf(world().registry, A, 'former')
const LATTER = await imageOf(world().registry, A, 'latter')

/** What FORMER and LATTER need is there, and FORMER itself under these tags. */
async function prepared(...tags: Tag[]): Promise<World> {
  const it = world()
  await imageOf(it.registry, A, 'latter')
  await imageOf(it.registry, A, 'former')
  await push(it.registry, A, FORMER, ...tags)
  return it
}

/** Whether the tag of a store is absent, or points at a manifest that is there. */
async function isSound(it: World): Promise<boolean> {
  const digest = await it.another().tags.get(A, V1)
  return digest === undefined || (await it.another().manifests.find(A, digest)) !== undefined
}

for (const who of ['the same process', 'another process']) {
  const rival = (it: World) => (who === 'the same process' ? it.registry : it.another())

  t.test(`a tag that ${who} pushes at any moment of a deletion never dangles (R-121)`, async (t) => {
    const runs = await everyOrder(
      prepared,
      (it) => it.registry.manifests.delete(A, digestOf(FORMER)),
      (it) => push(rival(it), A, FORMER, V1),
      async (it, at) => t.ok(await isSound(it), `push at call ${at}`)
    )
    t.ok(runs > 3)
  })

  t.test(`a deletion by ${who} at any moment of a tag push leaves no dangling tag (R-121)`, async (t) => {
    const runs = await everyOrder(
      prepared,
      (it) => push(it.registry, A, FORMER, V1),
      (it) => rival(it).manifests.delete(A, digestOf(FORMER)),
      async (it, at) => t.ok(await isSound(it), `deletion at call ${at}`)
    )
    t.ok(runs > 3)
  })
}

t.test(
  'a manifest that two delete and one pushes is gone once the last deletion has answered (R-121)',
  async (t) => {
    const runs = await everyOrder(
      prepared,
      (it) => it.registry.manifests.delete(A, digestOf(FORMER)).catch(() => 'the other was faster'),
      async (it) => {
        await push(it.another(), A, FORMER)
        await it
          .another()
          .manifests.delete(A, digestOf(FORMER))
          .catch(() => 'the other was faster')
      },
      async (it, at) =>
        t.equal(await it.another().manifests.find(A, digestOf(FORMER)), undefined, `call ${at}`)
    )
    t.ok(runs > 3)
  }
)

t.test('a deletion and tag pushes whose calls mix at random leave no dangling tag (R-121)', async (t) => {
  const random = createRandom(11)
  let dangling = 0
  for (let run = 0; run < 40; run++) {
    const it = await prepared()
    it.before(async () => {
      for (let turns = random.integer(8); turns > 0; turns--) await null
    })
    await Promise.all([
      it.registry.manifests.delete(A, digestOf(FORMER)),
      push(it.registry, A, FORMER, V1),
      push(it.another(), A, FORMER, V1)
    ])
    it.before(() => {})
    if (!(await isSound(it))) dangling++
  }
  t.equal(dangling, 0)
})

t.test(
  'a tag that another process moves while its former manifest is deleted stays where it went (R-089, R-121)',
  async (t) => {
    const runs = await everyOrder(
      () => prepared(V1),
      (it) => it.registry.manifests.delete(A, digestOf(FORMER)),
      (it) => push(it.another(), A, LATTER, V1),
      async (it, at) => t.equal(await it.another().tags.get(A, V1), digestOf(LATTER), `moved at call ${at}`)
    )
    t.ok(runs > 3)
  }
)

t.test('a tag that is deleted while it moves is either moved or gone (R-120)', async (t) => {
  const runs = await everyOrder(
    () => prepared(V1),
    (it) => it.registry.tags.delete(A, V1),
    (it) => push(it.registry, A, LATTER, V1),
    async (it, at) => t.ok(await isSound(it), `moved at call ${at}`)
  )
  t.ok(runs > 2)
})

t.test(
  'a referrer that is pushed again while it is deleted is listed while it is there (R-109)',
  async (t) => {
    const subject = digestOf('subject')
    const fields = { subject: { mediaType: OCI_IMAGE, digest: subject, size: 7 } }
    const bytes = await imageOf(world().registry, A, 'former', fields)
    const prepare = async (): Promise<World> => {
      const it = await prepared()
      await push(it.registry, A, bytes)
      return it
    }
    const runs = await everyOrder(
      prepare,
      (it) => it.registry.manifests.delete(A, digestOf(bytes)),
      (it) => push(it.registry, A, bytes, V1),
      async (it, at) => {
        const there = (await it.another().manifests.find(A, digestOf(bytes))) !== undefined
        const { items } = await it.another().referrers.list(A, subject, { artifactTypes: [], n: 9 })
        t.equal(items.length, there ? 1 : 0, `pushed at call ${at}`)
      }
    )
    t.ok(runs > 3)
  }
)

t.test('of two that close one upload both are right, and the blob is whole (R-072)', async (t) => {
  const it = world()
  const { uploads, blobs } = it.registry
  const id = await uploads.start(A, 'sha256')
  await uploads.append(A, id, [Buffer.from('layer')])
  const outcomes = await Promise.allSettled([
    uploads.finish(A, id, digestOf('layer')),
    uploads.finish(A, id, digestOf('layer'))
  ])
  t.ok(outcomes.some(({ status }) => status === 'fulfilled'))
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected') t.equal(outcome.reason.name, 'BLOB_UPLOAD_UNKNOWN')
  }
  t.equal((await blobs.get(A, digestOf('layer'))).size, 5)
})

t.test('of two chunks at one place one wins, and the other is refused (R-060)', async (t) => {
  const it = world()
  const { uploads } = it.registry
  const id = await uploads.start(A, 'sha256')
  const range = { start: 0, end: 2 }
  const outcomes = await Promise.allSettled([
    uploads.append(A, id, [Buffer.from('abc')], range),
    it.another().uploads.append(A, id, [Buffer.from('xyz')], range)
  ])
  const refused = outcomes.filter((outcome) => outcome.status === 'rejected')
  t.equal(refused.length, 1)
  t.match(refused[0]?.reason, { name: 'RANGE_INVALID' })
  const first = outcomes[0]?.status === 'fulfilled' ? 'abc' : 'xyz'
  await uploads.finish(A, id, digestOf(first))
  t.ok(await it.registry.blobs.has(A, digestOf(first)))
})

t.test('an upload goes on in any process, in any order, and its digest is right (R-063)', async (t) => {
  const random = createRandom(3)
  const text = 'abcdefghijklmnopqrstuvwxyz'
  for (let run = 0; run < 20; run++) {
    const it = world()
    const processes = [it.registry, it.another(), it.another()]
    const id = await it.registry.uploads.start(A, random.pick(['sha256', 'sha512']))
    for (let at = 0; at < text.length; ) {
      const length = 1 + random.integer(9)
      const chunk = text.slice(at, at + length)
      at = await random.pick(processes).uploads.append(A, id, [Buffer.from(chunk)])
    }
    const algorithm = random.pick(['sha256', 'sha512'])
    const digest = digestOf(text, algorithm)
    await random.pick(processes).uploads.finish(A, id, digest)
    t.ok(await it.another().blobs.has(A, digest), `${hexOf(digest).slice(0, 8)}`)
  }
})

t.test(
  'a blob that is deleted in one process shows as gone in another after its memory (R-123)',
  async (t) => {
    const it = world()
    const other = it.another()
    const digest = await pushBlob(it.registry, A, 'layer')
    await other.blobs.get(A, digest)
    await it.registry.blobs.delete(A, digest)
    t.notOk(await other.blobs.has(A, digest), 'a manifest push asks storage')
    await t.rejects(
      it.registry.blobs.get(A, digest),
      { name: 'BLOB_UNKNOWN' },
      'at once where it was deleted'
    )
  }
)
