import type { StorageDriver } from '../driver.ts'
import type { Removals } from './removals.ts'
import { DRAFTS, firstStateOf, UPLOADS } from './states.ts'
import type { Found, ObjectStore } from './store.ts'

/** All objects in one folder below `@uploads` or `@drafts`. */
interface Group {
  folder: string
  newest: Date
  /** Whether it is in the making still: not what has been ended, and was left behind. */
  isMaking: boolean
}

/** Removes what was abandoned, and what crashes have left, by the age of the newest object of each group. */
export function createTidying(store: ObjectStore, removals: Removals): StorageDriver['tidy'] {
  async function* groups(prefix: string): AsyncGenerator<Group> {
    let group: Group | undefined
    for await (const { key, modified } of objectsBelow(store, prefix)) {
      const folder = key.slice(0, key.indexOf('/', prefix.length))
      if (group?.folder !== folder) {
        if (group !== undefined) yield group
        group = { folder, newest: modified, isMaking: false }
      }
      if (modified > group.newest) group.newest = modified
      if (key === firstStateOf(folder)) group.isMaking = true
    }
    if (group !== undefined) yield group
  }

  return async (before, mayRemove = () => true) => {
    let count = 0
    for (const prefix of [UPLOADS, DRAFTS]) {
      for await (const { folder, newest, isMaking } of groups(prefix)) {
        if (newest >= before || !mayRemove(folder)) continue
        await removals.remove(folder, isMaking ? firstStateOf(folder) : undefined)
        if (isMaking) count++
      }
    }
    await store.abortParts?.(before)
    return count
  }
}

async function* objectsBelow(store: ObjectStore, prefix: string): AsyncGenerator<Found> {
  let from: string | undefined
  do {
    const page = await store.list(prefix, { byFolder: false, from })
    yield* page.objects
    from = page.next
  } while (from !== undefined)
}
