// What every object store and every driver promises, asked of the server at BERTH_S3_URL: run by the checks beside this file.
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { objectDriverContract } from '../../storage/objects/driver-contract.ts'
import { storeContract } from '../../storage/objects/store-contract.ts'
import { openClients, openStore } from '../../storage/s3/support.ts'

const { BERTH_S3_URL: regionendpoint, BERTH_S3_CONDITIONAL_DELETE } = process.env

t.setTimeout(900_000)
t.test('object store', { timeout: 900_000 }, async (t) => {
  await storeContract(t, async (t) => openStore(t, { regionendpoint, rootdirectory: `/${randomUUID()}/` }))
})

t.test('driver', { timeout: 900_000 }, async (t) => {
  const fresh = await openClients(t, { regionendpoint })
  const hasConditionalDelete = BERTH_S3_CONDITIONAL_DELETE === 'true'
  await objectDriverContract(t, fresh, {}, { hasConditionalDelete })
})
