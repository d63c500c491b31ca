import type { ObjectStore, Opened } from '../../../storage/objects/store.ts'

/** A store that is being opened: each call waits until it is. */
export function lateStore(opening: Promise<ObjectStore>): ObjectStore {
  opening.catch(() => {}) // each call tells
  return {
    head: async (...args) => (await opening).head(...args),
    get: async (...args): Promise<Opened | undefined> => (await opening).get(...args),
    put: async (...args) => (await opening).put(...args),
    assemble: async (...args) => (await opening).assemble(...args),
    delete: async (...args) => (await opening).delete(...args),
    deleteAll: async (...args) => (await opening).deleteAll(...args),
    list: async (...args) => (await opening).list(...args),
    sign: async (...args) => (await opening).sign?.(...args)
  }
}
