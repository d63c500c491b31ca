import t from 'tap'
import { memoryStore } from './memory-store.ts'
import { storeContract } from './store-contract.ts'

t.test('memory', async (t) => storeContract(t, () => memoryStore()))
