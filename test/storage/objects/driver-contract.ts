import type { Test } from 'tap'
import type { StorageDriver } from '../../../storage/driver.ts'
import { type ObjectStorageOptions, objectStorage } from '../../../storage/objects/object-storage.ts'
import type { ObjectStore } from '../../../storage/objects/store.ts'
import { type ContractOptions, storageContract } from '../contract.ts'

export const MIB = 1 << 20

/** Each look finds it 10 s later than the one before, so that nobody relies on what it knew before. */
export function hurriedClock(): () => number {
  let time = 0
  return () => (time += 10_000)
}

/** A driver whose answers wait until all is cleaned up, so that who looks next finds nothing of it. */
export function tidyStorage(store: ObjectStore, options: Partial<ObjectStorageOptions> = {}): StorageDriver {
  const storage = objectStorage(store, {
    chunkSize: 5 * MIB,
    memory: 64 * MIB,
    log: { warn: () => {} },
    now: hurriedClock(),
    ...options
  })
  return {
    ...storage,
    async commit(...args) {
      await storage.commit(...args)
      await storage.idle()
    },
    async write(...args) {
      try {
        return await storage.write(...args)
      } finally {
        await storage.idle()
      }
    }
  }
}

/**
 * What every driver promises, of the one over an ObjectStore.
 * @param fresh an empty store for each test. Each call of its result is one more client of it, as another process has
 */
export async function objectDriverContract(
  t: Test,
  fresh: (t: Test) => () => ObjectStore,
  options: Partial<ObjectStorageOptions> = {},
  contract: ContractOptions = {}
): Promise<void> {
  await storageContract(
    t,
    (t) => {
      const open = fresh(t)
      return () => tidyStorage(open(), options)
    },
    contract
  )
}
