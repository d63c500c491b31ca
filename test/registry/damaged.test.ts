import nodeFs from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parseTag } from '../../src/oci/name.ts'
import { createRegistry } from '../../src/registry/registry.ts'
import { filesystemStorage } from '../../storage/filesystem.ts'
import { watched } from '../storage/watched.ts'
import {
  A,
  B,
  BLOBS,
  bytesOf,
  digestOf,
  from,
  hexOf,
  imageOf,
  OCI_INDEX,
  push,
  REPOSITORIES,
  textOf,
  V1,
  type World,
  world
} from './support.ts'

const LAYER = digestOf('layer')
const BLOB = `${BLOBS}/sha256/${hexOf(LAYER).slice(0, 2)}/${hexOf(LAYER)}/data`
const LINK = `${REPOSITORIES}/a/_layers/sha256/${hexOf(LAYER)}/link`
const TAGS = `${REPOSITORIES}/a/_manifests/tags`

/** A store with an image under the tags v1 and v2, and the bytes of its manifest. */
async function filled(): Promise<World & { bytes: Buffer }> {
  const it = world()
  const bytes = await imageOf(it.registry, A, 'layer')
  await push(it.registry, A, bytes, V1, parseTag('v2'))
  return { ...it, bytes }
}

/** What a crash of other software, or a hand, does to a store; each on a fresh one. Case 62. */
const BLOB_DAMAGES: [string, (it: World) => Promise<unknown>][] = [
  ['an empty link', ({ storage }) => storage.write(LINK, bytesOf(''))],
  ['a garbled link', ({ storage }) => storage.write(LINK, bytesOf('sha256:abc'))],
  ['no link', ({ storage }) => storage.delete(LINK)],
  ['no layer links at all', ({ storage }) => storage.deleteFolder(`${REPOSITORIES}/a/_layers`)],
  ['no bytes', ({ storage }) => storage.delete(BLOB)],
  ['bytes that were emptied', ({ storage }) => storage.write(BLOB, bytesOf(''))]
]

for (const [title, damage] of BLOB_DAMAGES) {
  t.test(`a blob with ${title} is not there, and pushing it again heals it (case 62)`, async (t) => {
    const it = await filled()
    await damage(it)
    const registry = it.another()
    await t.rejects(registry.blobs.get(A, LAYER), { name: 'BLOB_UNKNOWN' })
    t.notOk(await registry.blobs.has(A, LAYER))
    t.notOk(await registry.blobs.mount(B, LAYER, from(A)), 'nor can it be mounted')
    await t.rejects(push(registry, A, it.bytes, V1), { name: 'MANIFEST_BLOB_UNKNOWN' })
    await imageOf(registry, A, 'layer')
    t.equal(await textOf((await registry.blobs.get(A, LAYER)).read()), 'layer')
    await push(registry, A, it.bytes, V1)
  })
}

t.test('a link with a newline is read as if it had none (case 62)', async (t) => {
  const it = await filled()
  await it.storage.write(LINK, bytesOf(`${LAYER}\n`))
  await it.storage.write(`${TAGS}/v1/current/link`, bytesOf(`${digestOf(it.bytes)}\n`))
  t.equal((await it.registry.blobs.get(A, LAYER)).size, 5)
  t.same((await it.registry.manifests.get(A, V1)).bytes, it.bytes)
})

const revision = (hex: string): string => `${REPOSITORIES}/a/_manifests/revisions/sha256/${hex}/link`
const data = (hex: string): string => `${BLOBS}/sha256/${hex.slice(0, 2)}/${hex}/data`

const MANIFEST_DAMAGES: [string, (it: World, hex: string) => Promise<unknown>][] = [
  ['an empty link', ({ storage }, hex) => storage.write(revision(hex), bytesOf(''))],
  ['no link', ({ storage }, hex) => storage.delete(revision(hex))],
  ['no bytes', ({ storage }, hex) => storage.delete(data(hex))],
  ['bytes that were emptied', ({ storage }, hex) => storage.write(data(hex), bytesOf(''))],
  ['bytes that were cut', ({ storage }, hex) => storage.write(data(hex), bytesOf('{"schemaVersion":2'))],
  ['bytes too many', ({ storage }, hex) => storage.write(data(hex), bytesOf('x'.repeat(5_000_000)))]
]

for (const [title, damage] of MANIFEST_DAMAGES) {
  t.test(`a manifest with ${title} is not there, lists go on, and pushing heals it (case 62)`, async (t) => {
    const it = await filled()
    const digest = digestOf(it.bytes)
    await damage(it, hexOf(digest))
    const registry = it.another()
    for (const reference of [digest, V1]) {
      await t.rejects(registry.manifests.get(A, reference), { name: 'MANIFEST_UNKNOWN' })
    }
    await registry.tags.list(A, { n: 9 })
    await registry.repositories.list({ n: 9 })
    await registry.referrers.list(A, digest, { artifactTypes: [], n: 9 })
    await push(registry, A, it.bytes, V1)
    t.same((await registry.manifests.get(A, V1)).bytes, it.bytes)
    await registry.manifests.delete(A, digest)
  })
}

t.test('a tag without its current link is not there, and not listed (case 62)', async (t) => {
  for (const damage of ['missing', 'empty']) {
    const it = await filled()
    if (damage === 'missing') await it.storage.deleteFolder(`${TAGS}/v1/current`)
    else await it.storage.write(`${TAGS}/v1/current/link`, bytesOf(''))
    t.ok((await it.storage.list(TAGS)).includes('v1'), 'its folder is there')
    await t.rejects(it.registry.manifests.get(A, V1), { name: 'MANIFEST_UNKNOWN' })
    if (damage === 'missing') await t.rejects(it.registry.tags.delete(A, V1), { name: 'MANIFEST_UNKNOWN' })
    else await t.resolves(it.registry.tags.delete(A, V1), 'so that an administrator can be rid of it')
    t.strictSame((await it.registry.tags.list(A, { n: 9 })).items, ['v2'])
    await push(it.registry, A, it.bytes, V1)
    t.strictSame((await it.registry.tags.list(A, { n: 9 })).items, ['v1', 'v2'])
  }
})

t.test('pages of tags are full although some folders hold no tag (case 62, R-102)', async (t) => {
  const it = await filled()
  for (const name of ['a', 'b', 'c', 'v11', 'v12', 'z']) {
    await it.storage.write(`${TAGS}/${name}/index/sha256/x/link`, bytesOf('x'))
  }
  await it.storage.write(`${TAGS}/.hidden/current/link`, bytesOf(LAYER))
  t.strictSame(await it.registry.tags.list(A, { n: 1 }), { items: ['v1'], next: 'v1' })
  t.strictSame(await it.registry.tags.list(A, { n: 1, last: 'v1' }), { items: ['v2'], next: undefined })
  t.strictSame(await it.registry.tags.list(A, { n: 2 }), { items: ['v1', 'v2'], next: undefined })
})

t.test('files and folders that are nobody’s do not disturb the catalog (case 62)', async (t) => {
  const it = await filled()
  const strange = [
    'file',
    'UPPER/_manifests/tags/v1/current/link',
    'a..b/_layers/x',
    'only-uploads/_uploads/x/y'
  ]
  for (const path of [...strange, '.tmp', 'a/.123.tmp', 'layers-only/_layers/sha256/x/link']) {
    await it.storage.write(`${REPOSITORIES}/${path}`, bytesOf(LAYER))
  }
  t.strictSame(await it.registry.repositories.list({ n: 9 }), { items: ['a'], next: undefined })
})

t.test('a repository without manifests or without layers is still a repository (case 62, 1.6)', async (t) => {
  const it = await filled()
  await it.storage.deleteFolder(`${REPOSITORIES}/a/_manifests`)
  t.equal((await it.registry.blobs.get(A, LAYER)).size, 5)
  await it.registry.repositories.require(A)
  const other = await filled()
  await other.storage.deleteFolder(`${REPOSITORIES}/a/_layers`)
  t.same((await other.registry.manifests.get(A, V1)).bytes, other.bytes)
  t.strictSame((await other.registry.repositories.list({ n: 9 })).items, ['a'])
})

t.test('a deletion clears away what is damaged too (case 62)', async (t) => {
  const it = await filled()
  await it.storage.delete(BLOB)
  await it.registry.blobs.delete(A, LAYER)
  t.equal(await it.storage.size(LINK), undefined)
  const hex = hexOf(digestOf(it.bytes))
  await it.storage.delete(data(hex))
  await it.another().manifests.delete(A, digestOf(it.bytes))
  t.strictSame((await it.registry.tags.list(A, { n: 9 })).items, [])
})

t.test('a sha512 blob that CNCF distribution stored under its sha256 name is found (1.4, 1.7)', async (t) => {
  const it = await filled()
  const alias = digestOf('layer', 'sha512')
  await it.storage.write(`${REPOSITORIES}/a/_layers/sha512/${hexOf(alias)}/link`, bytesOf(LAYER))
  const blob = await it.registry.blobs.get(A, alias)
  t.equal(blob.size, 5)
  t.equal(await textOf(blob.read()), 'layer')
  t.ok(await it.registry.blobs.mount(B, alias, from(A)))
  t.equal(await textOf((await it.registry.blobs.get(B, alias)).read()), 'layer')
})

t.test(
  'what only a layer link names is no manifest: a blob becomes none without a push (M-10)',
  async (t) => {
    const it = await filled()
    const digest = digestOf(it.bytes)
    await it.storage.deleteFolder(`${REPOSITORIES}/a/_manifests/revisions`)
    await it.storage.write(`${REPOSITORIES}/a/_layers/sha256/${hexOf(digest)}/link`, bytesOf(digest))
    await t.rejects(it.another().manifests.get(A, digest), { name: 'MANIFEST_UNKNOWN' })
  }
)

t.test(
  'a link to a manifest that only some other repository pushed is not followed by tag (M-10)',
  async (t) => {
    const it = await filled()
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] }))
    await push(it.registry, B, bytes)
    await it.storage.write(`${TAGS}/v1/current/link`, bytesOf(digestOf(bytes)))
    await t.rejects(it.registry.manifests.get(A, V1), { name: 'MANIFEST_UNKNOWN' })
  }
)

t.test('a deletion of a manifest that died halfway is ended by the next', async (t) => {
  const root = t.testdir()
  const died = Promise.withResolvers<void>()
  const dying = watched(nodeFs, ({ name, path }) => {
    if (name !== 'unlink' || !path.includes('@removed@')) return undefined
    died.resolve()
    return 'forget'
  })
  const first = createRegistry(filesystemStorage({ root, fs: dying }))
  const digest = await push(first, A, await imageOf(first, A), V1)
  first.manifests.delete(A, digest)
  await died.promise
  const filesOf = () => nodeFs.readdirSync(join(root, TAGS), { recursive: true }).map(String)
  t.match(filesOf().join(), 'link@removed@')

  const next = createRegistry(filesystemStorage({ root }))
  t.strictSame((await next.tags.list(A, { n: 9 })).items, [])
  await next.manifests.delete(A, digest)
  t.strictSame(filesOf(), [])
})
