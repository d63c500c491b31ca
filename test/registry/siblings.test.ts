import t from 'tap'
import { RegistryError } from '../../src/oci/error.ts'
import type { Registry } from '../../src/registry/registry.ts'
import { stalled } from '../storage/bodies.ts'
import { family } from './family.ts'
import { A, B, bytesOf, digestOf, from, imageOf, push, pushBlob, V1 } from './support.ts'

t.test('what one process deletes, none of them remembers when it is answered', async (t) => {
  const { registries } = family(3)
  const [first] = registries as [Registry]
  const layer = await pushBlob(first, A, 'layer')
  const image = await push(first, A, await imageOf(first, A), V1)
  for (const { blobs, manifests } of registries) {
    await blobs.get(A, layer)
    await manifests.get(A, image)
  }
  await first.blobs.delete(A, layer)
  await first.manifests.delete(A, image)
  for (const { blobs, manifests } of registries) {
    await t.rejects(blobs.get(A, layer), { name: 'BLOB_UNKNOWN' })
    await t.rejects(manifests.get(A, image), { name: 'MANIFEST_UNKNOWN' })
  }
})

t.test(
  'an upload whose chunks arrive in any process is read as far as its hasher missed it, once',
  async (t) => {
    const chunks = ['one', 'two', 'three', 'four', 'five', 'six']
    const digest = digestOf(chunks.join(''))
    const orders = [
      { order: [0, 1, 0, 1, 0, 1], closer: 2, read: ['3-5', '11-14', '19-21'] },
      { order: [0, 0, 0, 0, 0, 0], closer: 1, read: [] },
      { order: [0, 1, 2, 1, 2, 1], closer: 2, read: ['3-21'] },
      { order: [0, 1, 2, 1, 2, 0], closer: 1, read: ['3-18'] }
    ]
    for (const { order, closer, read } of orders) {
      const { registries, calls } = family(3)
      const of = (index: number): Registry => registries[index] as Registry
      const id = await of(2).uploads.start(A, 'sha256')
      for (const [index, chunk] of chunks.entries()) {
        await of(order[index] ?? 0).uploads.append(A, id, bytesOf(chunk))
      }
      await of(closer).uploads.finish(A, id, digest)
      t.equal((await of(1).blobs.get(A, digest)).size, 22)
      const reads = calls.filter((call) => call.startsWith('readAppended'))
      t.strictSame(
        reads.map((call) => call.split(' ')[2]),
        read,
        order.join()
      )
    }
  }
)

t.test('an upload whose hasher is gone is read once, by who closes it', async (t) => {
  const { registries, calls } = family(2)
  const [first, second] = registries as [Registry, Registry]
  const id = await first.uploads.start(A, 'sha256')
  await first.uploads.append(A, id, bytesOf('one'))
  await second.uploads.append(A, id, bytesOf('two'))
  await t.rejects(
    second.uploads.finish(A, id, digestOf('else')),
    new RegistryError('DIGEST_INVALID'),
    'what a sibling says is compared as well'
  )
  const next = await first.uploads.start(A, 'sha512')
  await first.uploads.append(A, next, bytesOf('one'))
  await second.uploads.append(A, next, bytesOf('two'))
  calls.length = 0
  await second.uploads.finish(A, next, digestOf('onetwo', 'sha256'))
  t.strictSame(
    calls.filter((call) => call.startsWith('readAppended')).map((call) => call.split(' ')[2]),
    ['0-5'],
    'nobody has a sha256 of it'
  )
})

t.test('a chunk that broke off is not hashed again when the upload goes on', async (t) => {
  const { registries, calls } = family(1)
  const [{ uploads, blobs }] = registries as [Registry]
  const id = await uploads.start(A, 'sha256')
  async function* broken() {
    yield Buffer.from('one')
    throw new Error('line cut')
  }
  await t.rejects(uploads.append(A, id, broken()), { message: 'line cut' })
  await uploads.append(A, id, bytesOf('two'))
  await uploads.finish(A, id, digestOf('onetwo'))
  t.equal((await blobs.get(A, digestOf('onetwo'))).size, 6)
  t.notOk(calls.some((call) => call.startsWith('readAppended')))
})

t.test('what a chunk had that lost its place to another is not taken for what is stored', async (t) => {
  const { registries } = family(2)
  const [first, second] = registries as [Registry, Registry]
  const id = await first.uploads.start(A, 'sha256')
  await first.uploads.append(A, id, bytesOf('one'))
  const { body, waits, goOn } = stalled(bytesOf('t'), bytesOf('wo'))
  const slow = t.rejects(first.uploads.append(A, id, body), { name: 'RANGE_INVALID' })
  await waits
  await second.uploads.append(A, id, bytesOf('TWO'))
  goOn()
  await slow
  await t.rejects(first.uploads.finish(A, id, digestOf('onetwo')), { name: 'DIGEST_INVALID' })
})

t.test('an upload that another process has gone on with is known to have', async (t) => {
  const { registries } = family(2)
  const [first, second] = registries as [Registry, Registry]
  const id = await first.uploads.start(A, 'sha256')
  await first.uploads.append(A, id, bytesOf('one'))
  await second.uploads.append(A, id, bytesOf('two'))
  await t.rejects(
    first.uploads.append(A, id, bytesOf('2'), { start: 3, end: 3 }),
    new RegistryError('RANGE_INVALID'),
    'though it was there when this process last saw it'
  )
  t.equal(await first.uploads.append(A, id, bytesOf('three'), { start: 6, end: 10 }), 11)
  await t.rejects(first.uploads.append(B, id, bytesOf('x')), { name: 'BLOB_UPLOAD_UNKNOWN' })
  await first.uploads.finish(A, id, digestOf('onetwothree'))
  const next = await first.uploads.start(A, 'sha256')
  await first.uploads.append(A, next, bytesOf('one'))
  await second.uploads.cancel(A, next)
  await t.rejects(first.uploads.finish(A, next, digestOf('one')), { name: 'BLOB_UPLOAD_UNKNOWN' })
})

t.test('a blob is mounted from where any of the processes has seen it', async (t) => {
  const { registries } = family(3)
  const [first, second] = registries as [Registry, Registry]
  const layer = await pushBlob(first, A, 'layer')
  t.equal(await second.blobs.mount(B, layer, from(undefined)), true)
  t.equal((await second.blobs.get(B, layer)).size, 5)
  t.equal(await second.blobs.mount(B, digestOf('never seen'), from(undefined)), false)
})
