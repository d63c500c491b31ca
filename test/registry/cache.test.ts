import t from 'tap'
import { A, bytesOf, digestOf, OCI_INDEX, world } from './support.ts'

t.test('a manifest that is kept in memory keeps no more than its own bytes', async (t) => {
  const { registry } = world()
  const [bytes] = bytesOf(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] }))
  const digest = digestOf(bytes)
  await registry.manifests.put(A, { bytes, contentType: OCI_INDEX, digest, tags: [] })
  const kept = await registry.manifests.get(A, digest)
  t.same(kept.bytes, bytes)
  t.equal(kept.bytes.buffer.byteLength, bytes.length)
  t.equal((await registry.manifests.get(A, digest)).bytes, kept.bytes)
})
