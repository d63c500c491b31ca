import t from 'tap'
import { type Digest, parseDigest } from '../../src/oci/digest.ts'
import { parseName, parseTag, type RepositoryName } from '../../src/oci/name.ts'
import { createRegistry, type Registry } from '../../src/registry/registry.ts'
import { type ObjectStorage, objectStorage } from '../../storage/objects/object-storage.ts'
import { memoryStore } from '../storage/objects/memory-store.ts'
import { A, B, digestOf, from, OCI_IMAGE, OCI_INDEX, V1 } from './support.ts'

// What docs/storage.md says of how many calls to an object store each operation takes. "Warm" is within 5 s of when
// this process has seen it, which is as long as existence may be remembered.

interface Counted {
  registry: Registry
  /** Another process, which remembers nothing. */
  cold(): Registry
  /** The calls that an operation waits for, and those for which nobody does. */
  calls(work: () => Promise<unknown>): Promise<{ before: string[]; after: string[] }>
}

function counted(): Counted {
  const store = memoryStore({ hasParts: true })
  const drivers: ObjectStorage[] = []

  function cold(): Registry {
    const driver = objectStorage(
      { ...store, sign: async (key) => `https://store/${key}` },
      { chunkSize: 5 << 20, memory: 64 << 20, redirectSeconds: 600, log: { warn() {} } }
    )
    drivers.push(driver)
    return createRegistry(driver, { pause: async () => {} })
  }

  const idle = (): Promise<unknown> => Promise.all(drivers.map((driver) => driver.idle()))
  return {
    registry: cold(),
    cold,
    async calls(work) {
      await idle()
      const first = store.calls.length
      await work()
      const answered = store.calls.length
      await idle()
      const named = store.calls.map(({ operation, key }) => `${operation} ${shown(key)}`)
      return { before: named.slice(first, answered), after: named.slice(answered) }
    }
  }
}

const shown = (key: string): string =>
  key
    .replace('docker/registry/v2/', '')
    .replace(/(sha256\/)(..\/)?[0-9a-f]{64}/, '$1…')
    .replace(/@uploads\/[0-9a-f]+/, '@uploads/…')
    .replace(/[0-9a-f]{16}-/, '')

async function* body(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text)
}

async function pushLayers({ uploads }: Registry, name: RepositoryName, count: number): Promise<Digest[]> {
  const texts = Array.from({ length: count }, (_, index) => `layer ${index}`)
  for (const text of texts) await uploads.pushWhole(name, digestOf(text), body(text))
  return texts.map((text) => digestOf(text))
}

function manifestOf([config, ...layers]: Digest[]): Buffer {
  const describe = (digest?: Digest) => ({ mediaType: 'a/b', digest, size: 7 })
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_IMAGE,
      config: describe(config),
      layers: layers.map(describe)
    })
  )
}

const put = ({ manifests }: Registry, bytes: Buffer, ...tags: ReturnType<typeof parseTag>[]) =>
  manifests.put(A, { bytes, contentType: undefined, digest: undefined, tags })

t.test('a small blob by POST, PATCH and PUT takes 5 calls', async (t) => {
  const { registry, calls } = counted()
  const { uploads } = registry
  const push = await calls(async () => {
    const id = await uploads.start(A, 'sha256')
    await uploads.append(A, id, body('layer'))
    await uploads.finish(A, id, digestOf('layer'))
  })
  t.strictSame(push.before.slice(0, 5), [
    'put @uploads/…/s/00000000',
    'put @uploads/…/d/0',
    'put @uploads/…/s/00000001',
    'assemble blobs/sha256/…/data',
    'put repositories/a/_layers/sha256/…/link'
  ])
  // What is left of the upload is removed beside the last of them.
  const cleanup = [...push.before.slice(5), ...push.after]
  t.match(cleanup, [/^delete @uploads/, /^list @uploads/, /^deleteAll @uploads/])
})

t.test(
  '… and 9 where each request comes to another replica, which looks where the upload ends',
  async (t) => {
    const { cold, calls } = counted()
    const push = await calls(async () => {
      const id = await cold().uploads.start(A, 'sha256')
      await cold().uploads.append(A, id, body('layer'))
      await cold().uploads.finish(A, id, digestOf('layer'))
    })
    const own = push.before.filter((call) => !/^(delete|deleteAll) |^list @uploads\/…\/$/.test(call))
    t.equal(own.length, 9)
  }
)

t.test('a blob with a known digest takes 2 calls in one POST', async (t) => {
  const { registry, calls } = counted()
  const push = await calls(() => registry.uploads.pushWhole(A, digestOf('layer'), body('layer')))
  t.strictSame(push, {
    before: ['put blobs/sha256/…/data', 'put repositories/a/_layers/sha256/…/link'],
    after: []
  })
})

t.test(
  '… and 3 in one PUT: whether another replica has gone on with the upload only the store can tell',
  async (t) => {
    const { registry, calls } = counted()
    const id = await registry.uploads.start(A, 'sha256')
    const last = { body: body('layer') }
    const { before } = await calls(() => registry.uploads.finish(A, id, digestOf('layer'), last))
    t.strictSame(before.slice(0, 3), [
      'list @uploads/…/s/',
      'put blobs/sha256/…/data',
      'put repositories/a/_layers/sha256/…/link'
    ])
    t.notOk(
      before.slice(3).some((call) => !call.includes('@uploads')),
      'all else is clean-up'
    )
    await t.rejects(registry.uploads.size(A, id), { name: 'BLOB_UPLOAD_UNKNOWN' })
  }
)

t.test('a pull by tag takes 1 call, and by digest none, while the manifest is in memory', async (t) => {
  const { registry, cold, calls } = counted()
  const bytes = manifestOf(await pushLayers(registry, A, 2))
  const { digest } = await put(registry, bytes, V1)
  const another = cold()
  t.strictSame((await calls(() => another.manifests.get(A, V1))).before, [
    'get repositories/a/_manifests/tags/v1/current/link',
    'get repositories/a/_manifests/revisions/sha256/…/link',
    'get blobs/sha256/…/data'
  ])
  for (const process of [registry, another]) {
    t.strictSame((await calls(() => process.manifests.get(A, V1))).before, [
      'get repositories/a/_manifests/tags/v1/current/link'
    ])
    t.strictSame((await calls(() => process.manifests.get(A, digest))).before, [])
  }
})

t.test(
  'HEAD and GET of a blob take no call warm, 1 where its bytes were seen elsewhere, and 2 cold: its link and its size are two objects',
  async (t) => {
    const { registry, cold, calls } = counted()
    const [digest = parseDigest('')] = await pushLayers(registry, A, 1)
    await pushLayers(registry, B, 1)
    const another = cold()
    t.strictSame((await calls(() => another.blobs.get(A, digest))).before, [
      'get repositories/a/_layers/sha256/…/link',
      'head blobs/sha256/…/data'
    ])
    t.strictSame((await calls(() => another.blobs.get(A, digest))).before, [])
    t.strictSame((await calls(() => another.blobs.get(B, digest))).before, [
      'get repositories/b/_layers/sha256/…/link'
    ])
    t.strictSame(
      (await calls(() => registry.blobs.get(A, digest))).before,
      [],
      'who has stored it has seen it'
    )
    const pull = await calls(async () => {
      const { redirect } = await another.blobs.get(A, digest)
      t.match(await redirect?.(), /^https:\/\/store\/docker/)
    })
    t.strictSame(pull.before, [], 'an address is signed here')
  }
)

t.test('HEAD of a blob that is not there takes 1 call', async (t) => {
  const { registry, calls } = counted()
  const { before } = await calls(() => t.rejects(registry.blobs.get(A, digestOf('nothing'))))
  t.strictSame(before, ['get repositories/a/_layers/sha256/…/link'])
})

t.test('a mount takes 2 calls, and 3 cold', async (t) => {
  const { registry, cold, calls } = counted()
  const [digest = parseDigest('')] = await pushLayers(registry, A, 1)
  t.equal((await calls(() => cold().blobs.mount(B, digest, from(A)))).before.length, 3)
  t.strictSame((await calls(() => registry.blobs.mount(B, digest, from(A)))).before, [
    'get repositories/a/_layers/sha256/…/link',
    'put repositories/b/_layers/sha256/…/link'
  ])
})

const PUT = [
  'put blobs/sha256/…/data',
  'put repositories/a/_manifests/revisions/sha256/…/link',
  'put repositories/a/_manifests/tags/v1/index/sha256/…/link',
  'put repositories/a/_manifests/tags/v1/current/link'
]

t.test(
  'a manifest with N references takes N + 4 calls, and one more: a deletion may have run beside it',
  async (t) => {
    const { registry, cold, calls } = counted()
    for (const count of [2, 20]) {
      const bytes = manifestOf(await pushLayers(registry, A, count))
      const { before } = await calls(() => put(registry, bytes, V1))
      t.strictSame(before.slice(0, count), Array(count).fill('get repositories/a/_layers/sha256/…/link'))
      t.strictSame(before.slice(count), [...PUT, 'get repositories/a/_manifests/revisions/sha256/…/link'])
      t.equal((await calls(() => put(registry, bytes))).before.length, count + 2, 'by digest alone')
      const others = (await calls(() => put(cold(), bytes, V1))).before
      t.equal(others.length, 2 * count + 5, 'who has not seen the bytes looks for them as well')
    }
  }
)

t.test('an index takes as many', async (t) => {
  const { registry, calls } = counted()
  const bytes = manifestOf(await pushLayers(registry, A, 2))
  const { digest } = await put(registry, bytes)
  const manifests = [{ mediaType: OCI_IMAGE, digest, size: bytes.length }]
  const index = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests }))
  const { before } = await calls(() => put(registry, index, V1))
  // It has no layers of its own: distribution's garbage collector wants to see some in its repository.
  t.strictSame(before, [
    'get repositories/a/_manifests/revisions/sha256/…/link',
    PUT[0],
    'list repositories/a/_layers/',
    ...PUT.slice(1),
    'get repositories/a/_manifests/revisions/sha256/…/link'
  ])
})

t.test('a page of tags takes a list, and a look at each tag, however many there are', async (t) => {
  const { registry, calls } = counted()
  const bytes = manifestOf(await pushLayers(registry, A, 1))
  await put(registry, bytes, ...Array.from({ length: 300 }, (_, index) => parseTag(`v${1000 + index}`)))
  for (const last of ['', 'v1150']) {
    const { before } = await calls(() => registry.tags.list(A, { n: 10, last }))
    t.equal(
      before.filter((call) => call.startsWith('head ')).length,
      11,
      'one more tells whether there is a next page'
    )
    t.equal(before.length, 12)
  }
})

t.test('a page of the catalog takes 3 calls for each repository, however many there are', async (t) => {
  const { registry, calls } = counted()
  const names = Array.from({ length: 300 }, (_, index) => parseName(`team/app-${1000 + index}`))
  for (const name of names) {
    const { digest } = await put(registry, manifestOf(await pushLayers(registry, A, 1)))
    const bytes = manifestOf(await pushLayers(registry, name, 1))
    await registry.manifests.put(name, { bytes, contentType: undefined, digest, tags: [] })
  }
  for (const last of [names[0], names[200]]) {
    const page = await calls(() => registry.repositories.list({ n: 20, ...(last && { last }) }))
    const looked = page.before.filter((call) => !/^list repositories\/(team\/)?$/.test(call))
    t.ok(looked.length <= 3 * 22, `${looked.length} calls for 20 repositories`)
    t.ok(page.before.length - looked.length <= 3)
  }
})
