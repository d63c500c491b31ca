import t from 'tap'
import { objectDriverContract } from '../objects/driver-contract.ts'
import { startFakeS3 } from './fake/server.ts'
import { openClients } from './support.ts'

// 2 GiB and some 15,000 calls go through it: half a minute of CPU, much longer where others want it as well.
t.setTimeout(900_000)
t.test('a driver over a fake', { timeout: 900_000 }, async (t) => {
  const fake = await startFakeS3(t)
  const fresh = await openClients(t, { regionendpoint: fake.url })
  await objectDriverContract(t, fresh)
})
