import { randomUUID } from 'node:crypto'
import { StorageUnavailable } from '../driver.ts'
import type { ObjectStore } from '../objects/store.ts'

/**
 * Tries out once what berth will do, so that a bucket or a permission that is missing is told before the first push.
 * @throws StorageUnavailable
 */
export async function checkBucket(store: ObjectStore, isReadOnly: boolean): Promise<void> {
  await store.list('', { byFolder: true, limit: 1 })
  if (isReadOnly) return
  const key = `@drafts/${randomUUID()}`
  const size = 5
  await store.put(`${key}/1`, [Buffer.from('berth')], { isNew: true })
  await store.assemble(`${key}/2`, [{ key: `${key}/1`, size }])
  const opened = await store.get(`${key}/2`)
  let length = 0
  for await (const chunk of opened?.chunks ?? []) length += chunk.length
  await store.deleteAll([`${key}/1`, `${key}/2`])
  if (length !== size) {
    throw new StorageUnavailable('what was put into the bucket a moment ago does not come back')
  }
}
