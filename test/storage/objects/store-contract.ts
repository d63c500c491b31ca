import type { Test } from 'tap'
import type { ObjectStore } from '../../../storage/objects/store.ts'
import { listsContract } from './contract/lists.ts'
import { partsContract } from './contract/parts.ts'
import { wholeObjectsContract } from './contract/whole-objects.ts'

/** Makes a store for one test: empty, or with an empty root directory of its own. */
export type FreshStore = (t: Test) => ObjectStore | Promise<ObjectStore>

/** What every ObjectStore promises to `objectStorage`. */
export async function storeContract(t: Test, fresh: FreshStore): Promise<void> {
  t.test('whole objects', async (t) => wholeObjectsContract(t, fresh))
  t.test('parts and pieces', async (t) => partsContract(t, fresh))
  t.test('lists', async (t) => listsContract(t, fresh))
}
