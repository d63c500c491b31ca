import { type StorageDriver, StorageUnavailable } from '../../storage/driver.ts'

export interface WatchedWrites {
  /** The same storage. */
  storage: StorageDriver
  /** Resolves when every write that is under way now has ended, one way or the other, and what it left behind is
   *  cleaned up. */
  settled(): Promise<void>
}

export interface WatchOptions {
  /** Told of each write that the storage could not do, but for the probe's. */
  onFault?(error: Error): void
  /** Whether nothing may be written now. What a client began that has left, or a job, gets StorageUnavailable then. */
  isClosed?(): boolean
}

/** What a driver throws when it cannot write; anything else is its caller's matter. */
const FAULTS = new Set(['StorageFull', 'StorageUnavailable'])

export function watchWrites(
  storage: StorageDriver,
  { onFault = () => {}, isClosed = () => false }: WatchOptions = {}
): WatchedWrites {
  const open = new Set<Promise<unknown>>()

  function watched<A extends unknown[], R>(
    write: (...args: A) => Promise<R>,
    tell = onFault
  ): (...args: A) => Promise<R> {
    return (...args) => {
      if (isClosed()) return Promise.reject(new StorageUnavailable('the registry is read-only by now'))
      const writing = write(...args)
      open.add(writing)
      writing.then(
        () => open.delete(writing),
        (error: Error) => {
          open.delete(writing)
          if (FAULTS.has(error.name)) tell(error)
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
      deleteFolder: watched(storage.deleteFolder),
      probeWrite: watched(storage.probeWrite, () => {})
    },
    async settled() {
      await Promise.allSettled(open)
      await storage.idle?.()
    }
  }
}
