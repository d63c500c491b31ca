import type { StorageDriver } from '../../storage/driver.ts'

export interface WatchedWrites {
  /** The same storage. */
  storage: StorageDriver
  /** Resolves when every write that is under way now has ended, one way or the other. */
  settled(): Promise<unknown>
}

/** What a driver throws when it cannot write; anything else is its caller's matter. */
const FAULTS = new Set(['StorageFull', 'StorageUnavailable'])

/** @param onFault told of each write that the storage could not do */
export function watchWrites(
  storage: StorageDriver,
  onFault: (error: Error) => void = () => {}
): WatchedWrites {
  const open = new Set<Promise<unknown>>()

  function watched<A extends unknown[], R>(write: (...args: A) => Promise<R>): (...args: A) => Promise<R> {
    return (...args) => {
      const writing = write(...args)
      open.add(writing)
      writing.then(
        () => open.delete(writing),
        (error: Error) => {
          open.delete(writing)
          if (FAULTS.has(error.name)) onFault(error)
        }
      )
      return writing
    }
  }

  return {
    storage: {
      ...storage,
      write: watched(storage.write),
      begin: watched(storage.begin),
      append: watched(storage.append),
      commit: watched(storage.commit),
      abandon: watched(storage.abandon),
      delete: watched(storage.delete),
      deleteFolder: watched(storage.deleteFolder)
    },
    settled: () => Promise.allSettled(open)
  }
}
