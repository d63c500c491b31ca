import t from 'tap'
import { objectDriverContract } from '../objects/driver-contract.ts'
import { startFakeS3 } from './fake/server.ts'
import { openClients } from './support.ts'

// 2 GiB go through it.
t.setTimeout(300_000)
t.test('a driver over a fake', { timeout: 300_000 }, async (t) => {
  const fake = await startFakeS3(t)
  const fresh = await openClients(t, { regionendpoint: fake.url })
  await objectDriverContract(t, fresh)
})
