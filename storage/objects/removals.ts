import { setImmediate as afterAnswer } from 'node:timers/promises'
import { createLimit } from '../parallel.ts'
import type { ObjectStore } from './store.ts'

/** Folders that are removed in the background at a time: the calls that somebody waits for come between them. */
const AT_ONCE = 8

/** What objects in the making and drafts leave behind is removed after the answer: nobody waits for it. */
export interface Removals {
  /** Removes all objects below this folder, `first` before the others. */
  remove(folder: string, first?: string): Promise<void>
  /** The same in the background. What fails is logged, and left to `tidy`. */
  removeLater(folder: string, first?: string): void
  /** Whether this is being done just now. */
  isEnding(folder: string): boolean
  /** Once nothing is being removed here any more; of one folder, or of all. */
  ended(folder?: string): Promise<void>
}

export function createRemovals(store: ObjectStore, warn: (text: string) => void): Removals {
  const ending = new Map<string, Promise<void>>()
  const inTurn = createLimit(AT_ONCE)

  async function remove(folder: string, first?: string): Promise<void> {
    if (first !== undefined) await store.delete(first)
    let from: string | undefined
    do {
      const page = await store.list(`${folder}/`, { byFolder: false, from })
      if (page.objects.length > 0) await store.deleteAll(page.objects.map(({ key }) => key))
      from = page.next
    } while (from !== undefined)
  }

  return {
    remove,

    removeLater(folder, first) {
      if (ending.has(folder)) return
      const end = afterAnswer()
        .then(async () => inTurn(async () => remove(folder, first)))
        .catch((error) =>
          warn(`${folder} could not be removed, and is left for the next purge: ${error.message}`)
        )
        .finally(() => ending.delete(folder))
      ending.set(folder, end)
    },

    isEnding: (folder) => ending.has(folder),

    async ended(folder) {
      if (folder !== undefined) await ending.get(folder)
      else while (ending.size > 0) await Promise.all(ending.values())
    }
  }
}
