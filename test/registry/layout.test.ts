import t from 'tap'
import {
  A,
  BLOBS,
  bytesOf,
  digestOf,
  everything,
  hexOf,
  imageOf,
  OCI_INDEX,
  push,
  REPOSITORIES,
  V1,
  world
} from './support.ts'

t.test('an image lies under the keys of CNCF distribution, link by link, byte for byte (1.3)', async (t) => {
  const { registry, storage } = world()
  const bytes = await imageOf(registry, A, 'layer')
  const [config, layer, manifest] = [digestOf('{}'), digestOf('layer'), digestOf(bytes)]
  await push(registry, A, bytes, V1)
  const data = (hex: string): string => `${BLOBS}/sha256/${hex.slice(0, 2)}/${hex}/data`
  t.strictSame(
    Object.fromEntries(await everything(storage)),
    Object.fromEntries([
      [data(hexOf(config)), '{}'],
      [data(hexOf(layer)), 'layer'],
      [data(hexOf(manifest)), bytes.toString()],
      [`${REPOSITORIES}/a/_layers/sha256/${hexOf(config)}/link`, config],
      [`${REPOSITORIES}/a/_layers/sha256/${hexOf(layer)}/link`, layer],
      [`${REPOSITORIES}/a/_manifests/revisions/sha256/${hexOf(manifest)}/link`, manifest],
      [`${REPOSITORIES}/a/_manifests/tags/v1/current/link`, manifest],
      [`${REPOSITORIES}/a/_manifests/tags/v1/index/sha256/${hexOf(manifest)}/link`, manifest]
    ])
  )
})

t.test('a moved tag keeps the history of what it pointed at (1.3)', async (t) => {
  const { registry, storage } = world()
  const former = await push(registry, A, await imageOf(registry, A, 'former'), V1)
  const latter = await push(registry, A, await imageOf(registry, A, 'latter'), V1)
  const tag = `${REPOSITORIES}/a/_manifests/tags/v1`
  const links = [...(await everything(storage, tag))]
  t.strictSame(
    Object.fromEntries(links),
    Object.fromEntries([
      [`${tag}/current/link`, latter],
      [`${tag}/index/sha256/${hexOf(former)}/link`, former],
      [`${tag}/index/sha256/${hexOf(latter)}/link`, latter]
    ])
  )
})

t.test('sha512 content lies under its own name, with links that say so (1.7)', async (t) => {
  const { registry, storage } = world()
  const digest = digestOf('layer', 'sha512')
  await registry.blobs.write(A, digest, bytesOf('layer'))
  const hex = hexOf(digest)
  t.strictSame(
    Object.fromEntries(await everything(storage)),
    Object.fromEntries([
      [`${BLOBS}/sha512/${hex.slice(0, 2)}/${hex}/data`, 'layer'],
      [`${REPOSITORIES}/a/_layers/sha512/${hex}/link`, digest]
    ])
  )
})

t.test(
  'an upload lies outside of the tree, and leaves nothing there but what it becomes (1.3)',
  async (t) => {
    const { registry, storage } = world()
    const id = await registry.uploads.start(A, 'sha256')
    t.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-[47][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    await registry.uploads.append(A, id, bytesOf('layer'))
    const cancelled = await registry.uploads.start(A, 'sha256')
    await registry.uploads.append(A, cancelled, bytesOf('layer'))
    await registry.uploads.cancel(A, cancelled)
    t.strictSame([...(await everything(storage))], [])
    await registry.uploads.finish(A, id, digestOf('layer'))
    const hex = hexOf(digestOf('layer'))
    const keys = [
      `${BLOBS}/sha256/${hex.slice(0, 2)}/${hex}/data`,
      `${REPOSITORIES}/a/_layers/sha256/${hex}/link`
    ]
    t.strictSame([...(await everything(storage)).keys()], keys)
  }
)

t.test('a repository with a manifest has a layer link, if only to the manifest itself (1.6)', async (t) => {
  const { registry, storage } = world()
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] }))
  const digest = await push(registry, A, bytes, V1)
  const layers = `${REPOSITORIES}/a/_layers`
  t.strictSame([...(await everything(storage, layers))], [[`${layers}/sha256/${hexOf(digest)}/link`, digest]])
})

t.test('a repository that has a layer link gets no other one (1.6)', async (t) => {
  const { registry, storage } = world()
  await imageOf(registry, A)
  const before = await everything(storage, `${REPOSITORIES}/a/_layers`)
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] }))
  await push(registry, A, bytes, V1)
  t.strictSame([...(await everything(storage, `${REPOSITORIES}/a/_layers`))], [...before])
})

t.test('what is private lies under _ext, where CNCF distribution never looks (1.8)', async (t) => {
  const { registry, storage } = world()
  const subject = await push(registry, A, await imageOf(registry, A), V1)
  const descriptor = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: subject, size: 1 }
  const before = new Set((await everything(storage)).keys())
  await push(registry, A, await imageOf(registry, A, 'signature', { subject: descriptor }))
  const ours = [...(await everything(storage)).keys()]
    .filter((key) => !before.has(key))
    .filter((key) => !/\/blobs\/|\/_layers\/|\/_manifests\//.test(key))
  t.ok(ours.length > 0)
  for (const key of ours) t.match(key, new RegExp(`^${REPOSITORIES}/a/_ext/v1/`))
})
