import type { StorageDriver } from '../../storage/driver.ts'

/** A call that reached the storage, such as `write docker/registry/v2/...`. */
export type Call = string

/** What happens when a call reaches the storage, before it is carried out. What it throws, the call throws. */
export type Interpose = (call: Call) => void | Promise<void>

/** The same store, with something done before each call: noting it down, failing it, or letting a rival go first. */
export function interposed(storage: StorageDriver, before: Interpose): StorageDriver {
  return {
    size: async (key) => {
      await before(`size ${key}`)
      return storage.size(key)
    },
    read: async function* (key, range) {
      await before(`read ${key}`)
      yield* storage.read(key, range)
    },
    ...(storage.redirect && {
      redirect: async (...args) => {
        await before(`redirect ${args[0]}`)
        return storage.redirect?.(...args)
      }
    }),
    write: async (key, body, options) => {
      await before(`write ${key}`)
      return storage.write(key, body, options)
    },
    begin: async (key, mark) => {
      await before(`begin ${key}`)
      return storage.begin(key, mark)
    },
    append: async (key, offset, body, mark) => {
      await before(`append ${key}`)
      return storage.append(key, offset, body, mark)
    },
    appended: async (key) => {
      await before(`appended ${key}`)
      return storage.appended(key)
    },
    readAppended: async function* (key, range) {
      await before(`readAppended ${key}${range === undefined ? '' : ` ${range.start}-${range.end}`}`)
      yield* storage.readAppended(key, range)
    },
    commit: async (key, size, to) => {
      await before(`commit ${to}`)
      return storage.commit(key, size, to)
    },
    abandon: async (key, later) => {
      await before(`abandon ${key}`)
      return storage.abandon(key, later)
    },
    delete: async (key, options) => {
      await before(`delete ${key}`)
      return storage.delete(key, options)
    },
    deleteFolder: async (key) => {
      await before(`deleteFolder ${key}`)
      return storage.deleteFolder(key)
    },
    list: async (key, page) => {
      await before(`list ${key}`)
      return storage.list(key, page)
    },
    countMaking: () => storage.countMaking(),
    tidy: (...args) => storage.tidy(...args),
    probe: () => storage.probe(),
    probeWrite: () => storage.probeWrite(),
    space: () => storage.space()
  }
}
