// What every object store and every driver promises, asked of the server at BERTH_GCS_URL: run by the check beside this file.
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { gcsStore } from '../../storage/gcs/support.ts'
import { objectDriverContract } from '../../storage/objects/driver-contract.ts'
import { storeContract } from '../../storage/objects/store-contract.ts'

const url = process.env.BERTH_GCS_URL ?? ''

t.setTimeout(900_000)
t.test('object store', { timeout: 900_000 }, async (t) => {
  await storeContract(t, (t) => {
    const store = gcsStore(url, `${randomUUID()}/`)
    t.teardown(store.close)
    return store
  })
})

t.test('driver', { timeout: 900_000 }, async (t) => {
  await objectDriverContract(t, (t) => {
    const root = `${randomUUID()}/`
    return () => {
      const store = gcsStore(url, root)
      t.teardown(store.close)
      return store
    }
  })
})
