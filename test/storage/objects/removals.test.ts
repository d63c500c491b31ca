import t from 'tap'
import { createRemovals } from '../../../storage/objects/removals.ts'
import { memoryStore } from './memory-store.ts'

t.test('however many uploads end at once, few are cleaned up at a time, and all in the end', async (t) => {
  const store = memoryStore()
  const keys = Array.from({ length: 50 }, (_, i) => `@uploads/${i}/s/00000000`)
  for (const key of keys) await store.put(key, [])
  let [running, most] = [0, 0]
  const list: typeof store.list = async (...args) => {
    most = Math.max(most, ++running)
    const page = await store.list(...args)
    running--
    return page
  }
  const removals = createRemovals({ ...store, list }, (text) => t.fail(text))
  for (const key of keys) removals.removeLater(key.slice(0, key.indexOf('/s/')), key)
  await removals.ended()
  t.equal(most, 8)
  t.strictSame(store.keys(), [])
})
