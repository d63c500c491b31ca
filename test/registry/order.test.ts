import t from 'tap'
import {
  A,
  digestOf,
  hexOf,
  imageOf,
  OCI_INDEX,
  push,
  REPOSITORIES,
  V1,
  type World,
  world
} from './support.ts'

/** The calls that change the storage, in their order, while `work` is done; blobs without their folders. */
async function changes({ before }: World, work: () => Promise<unknown>): Promise<string[]> {
  const seen: string[] = []
  before((call) => {
    if (/^(write|commit|abandon|delete|deleteFolder) /.test(call)) seen.push(call)
  })
  await work()
  before(() => {})
  return seen.map((call) => call.replace(`${REPOSITORIES}/a/`, '').replace('docker/registry/v2/', ''))
}

const data = (hex: string): string => `blobs/sha256/${hex.slice(0, 2)}/${hex}/data`

t.test('a blob is there before its link (1.5)', async (t) => {
  const it = world()
  const { uploads } = it.registry
  const hex = hexOf(digestOf('layer'))
  const id = await uploads.start(A, 'sha256')
  await uploads.append(A, id, [Buffer.from('layer')])
  t.strictSame(await changes(it, () => uploads.finish(A, id, digestOf('layer'))), [
    `commit ${data(hex)}`,
    `write _layers/sha256/${hex}/link`
  ])
})

t.test(
  'so it is when the whole comes with the closing request, and the upload goes last (1.5)',
  async (t) => {
    const it = world()
    const { uploads } = it.registry
    const hex = hexOf(digestOf('layer'))
    const id = await uploads.start(A, 'sha256')
    const last = { body: [Buffer.from('layer')] }
    t.strictSame(await changes(it, () => uploads.finish(A, id, digestOf('layer'), last)), [
      `write ${data(hex)}`,
      `write _layers/sha256/${hex}/link`,
      `abandon _uploads/${id}/data`
    ])
  }
)

t.test("a manifest's bytes come before its link, and the tag comes last (1.5)", async (t) => {
  const it = world()
  const bytes = await imageOf(it.registry, A)
  const hex = hexOf(digestOf(bytes))
  t.strictSame(await changes(it, () => push(it.registry, A, bytes, V1)), [
    `write ${data(hex)}`,
    `write _manifests/revisions/sha256/${hex}/link`,
    `write _manifests/tags/v1/index/sha256/${hex}/link`,
    'write _manifests/tags/v1/current/link'
  ])
})

t.test("a tag's link is deleted before its history (1.5)", async (t) => {
  const it = world()
  const digest = await push(it.registry, A, await imageOf(it.registry, A), V1)
  t.strictSame(await changes(it, () => it.registry.tags.delete(A, V1)), [
    'delete _manifests/tags/v1/current/link',
    `delete _manifests/tags/v1/index/sha256/${hexOf(digest)}/link`
  ])
})

t.test('a manifest loses its tags before its link (1.5)', async (t) => {
  const it = world()
  const digest = await push(it.registry, A, await imageOf(it.registry, A), V1)
  const seen = await changes(it, () => it.registry.manifests.delete(A, digest))
  const untagged = seen.indexOf('delete _manifests/tags/v1/current/link')
  const unlinked = seen.indexOf(`delete _manifests/revisions/sha256/${hexOf(digest)}/link`)
  t.ok(untagged >= 0 && unlinked > untagged)
  t.notOk(
    seen.some((call) => call.includes('blobs/')),
    'the bytes stay'
  )
})

t.test('deleting a blob removes its link and nothing else (1.5)', async (t) => {
  const it = world()
  await imageOf(it.registry, A, 'layer')
  t.strictSame(await changes(it, () => it.registry.blobs.delete(A, digestOf('layer'))), [
    `delete _layers/sha256/${hexOf(digestOf('layer'))}/link`
  ])
})

t.test(
  'a push that breaks off anywhere leaves no tag that points at nothing, and a second one heals it',
  async (t) => {
    const bytes = await imageOf(world().registry, A, 'layer')
    const total = 20
    let completed = false
    for (let failAt = 0; failAt < total; failAt++) {
      const it = world()
      await imageOf(it.registry, A, 'layer')
      let calls = 0
      it.before(() => {
        if (calls++ === failAt) throw new Error('cut')
      })
      completed = await push(it.registry, A, bytes, V1).then(
        () => true,
        () => false
      )
      it.before(() => {})
      const digest = await it.registry.tags.get(A, V1)
      if (digest !== undefined) t.ok(await it.another().manifests.find(A, digest), `cut at call ${failAt}`)
      await push(it.registry, A, bytes, V1)
      t.same((await it.another().manifests.get(A, V1)).bytes, bytes)
    }
    t.ok(completed, 'every call was cut at once')
  }
)

t.test(
  'a repository with manifests keeps a layer link, or distribution 2 would collect them (1.6)',
  async (t) => {
    const it = world()
    const { blobs, manifests } = it.registry
    const layer = digestOf('layer')
    await blobs.write(A, layer, [Buffer.from('layer')])
    const index = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] }))
    const { digest } = await manifests.put(A, {
      bytes: index,
      contentType: OCI_INDEX,
      digest: undefined,
      tags: [V1]
    })
    await blobs.delete(A, digest).catch(() => {})
    await blobs.delete(A, layer)
    t.strictSame(await it.storage.list(`${REPOSITORIES}/a/_layers/sha256`), [hexOf(digest)])
    await manifests.delete(A, digest)
    await blobs.delete(A, digest)
    t.strictSame(
      await it.storage.list(`${REPOSITORIES}/a/_layers`),
      [],
      'without manifests there is nothing to keep'
    )
  }
)
