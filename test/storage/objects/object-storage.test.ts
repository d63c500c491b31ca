import t from 'tap'
import { objectDriverContract } from './driver-contract.ts'
import { memoryStore } from './memory-store.ts'

t.test('a store with parts', async (t) => {
  await objectDriverContract(t, () => {
    const store = memoryStore()
    return () => store.sharing()
  })
})
