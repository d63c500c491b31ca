import t from 'tap'
import { MIB, objectDriverContract } from './driver-contract.ts'
import { memoryStore } from './memory-store.ts'

t.test('a store without parts, whose lists begin at their beginning, few names a page', async (t) => {
  await objectDriverContract(
    t,
    () => {
      const store = memoryStore({ hasParts: false, hasAfter: false, pageSize: 150 })
      return () => store.sharing()
    },
    { chunkSize: 300_000, memory: MIB }
  )
})
