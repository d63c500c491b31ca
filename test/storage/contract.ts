import type { Test } from 'tap'
import type { StorageDriver } from '../../storage/driver.ts'
import { appendsContract } from './contract/appends.ts'
import { deletionContract } from './contract/deletion.ts'
import { objectsContract } from './contract/objects.ts'
import { readsContract } from './contract/reads.ts'
import { removalContract } from './contract/removal.ts'
import { rivalsContract } from './contract/rivals.ts'

/**
 * Makes an empty store for one test. Each call of the result gives one more driver on it, as another process
 * that shares the store would have.
 */
export type Fresh = (t: Test) => () => StorageDriver

export interface ContractOptions {
  /** Whether of several that delete an object at once just one is told that it was there, and who replaces it wins
   *  over all of them. Some stores cannot delete on a condition. */
  hasConditionalDelete?: boolean
}

/** What every driver promises. A number in a title is that of the case in the list of storage contract cases. */
export async function storageContract(
  t: Test,
  fresh: Fresh,
  { hasConditionalDelete = true }: ContractOptions = {}
): Promise<void> {
  t.test('objects', async (t) => objectsContract(t, fresh))
  t.test('reads', async (t) => readsContract(t, fresh))
  t.test('appends', async (t) => appendsContract(t, fresh))
  t.test('rivals', async (t) => rivalsContract(t, fresh))
  t.test('removal', async (t) => removalContract(t, fresh, hasConditionalDelete))
  t.test('deletion and lists', async (t) => deletionContract(t, fresh))
}
