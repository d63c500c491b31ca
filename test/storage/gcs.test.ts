import t from 'tap'
import { openGcsStore } from '../../storage/gcs.ts'
import { startFakeGcs } from './gcs/fake-gcs.ts'
import { gcsOptions, serviceAccount, surroundings } from './gcs/support.ts'
import { storeContract } from './objects/store-contract.ts'

const { document, publicKey } = serviceAccount()

t.test('what every store promises', async (t) => {
  await storeContract(t, async (t) => {
    const fake = await startFakeGcs()
    t.teardown(async () => fake.close())
    fake.publicKey = publicKey
    const env = { STORAGE_EMULATOR_HOST: fake.url }
    return openGcsStore(gcsOptions({ credentials: document }), surroundings(env))
  })
})
