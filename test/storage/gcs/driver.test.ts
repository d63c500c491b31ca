import t from 'tap'
import { objectDriverContract } from '../objects/driver-contract.ts'
import { forkFakeGcs } from './fake-process.ts'
import { gcsStore } from './support.ts'

// Two gigabytes are read, by way of a socket.
t.setTimeout(300_000)
const url = await forkFakeGcs(t)
let tests = 0

t.test('what every driver promises', async (t) => {
  await objectDriverContract(t, (t) => {
    const root = `${++tests}/`
    return () => {
      const store = gcsStore(url, root)
      t.teardown(store.close)
      return store
    }
  })
})
