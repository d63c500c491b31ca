import t from 'tap'
import { storeContract } from '../objects/store-contract.ts'
import { startFakeS3 } from './fake/server.ts'
import { openStore } from './support.ts'

t.test('a fake', async (t) => {
  await storeContract(t, async (t) => {
    const fake = await startFakeS3(t)
    return openStore(t, { regionendpoint: fake.url })
  })
})
