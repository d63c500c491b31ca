import t from 'tap'
import { ownerKey, tagLinkKey } from '../../src/registry/layout.ts'
import { createRegistry } from '../../src/registry/registry.ts'
import { memoryStorage } from '../../storage/memory.ts'
import { A, V1 } from './support.ts'

t.test('what others write other bytes to is written so, and nothing else', async (t) => {
  const contested: string[] = []
  const storage = memoryStorage()
  const registry = createRegistry({
    ...storage,
    write: (key, body, options) => {
      if (options?.isContested) contested.push(key)
      return storage.write(key, body, options)
    }
  })
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [] }))
  const contentType = 'application/vnd.oci.image.index.v1+json'
  await registry.manifests.put(A, { bytes, contentType, digest: undefined, tags: [V1] })
  await registry.owners.claim(A, 'uid', undefined)
  t.strictSame(contested, [tagLinkKey(A, V1), ownerKey(A)])
})
