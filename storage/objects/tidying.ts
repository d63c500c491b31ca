import type { StorageDriver } from '../driver.ts'
import type { Removals } from './removals.ts'
import { DRAFTS, firstStateOf, partsOf, readState, UPLOADS } from './states.ts'
import type { Found, ObjectStore } from './store.ts'

/** So many old objects of what is in the making still are left alone. */
const FEW = 100

/** All objects in one folder below `@uploads` or `@drafts`. */
interface Group {
  folder: string
  newest: Date
  /** The last key, and those of objects that are old. */
  last: string
  old: string[]
  /** Who has put some of the others. */
  writing: Set<string>
  /** Whether it is in the making still: not what has been ended, and was left behind. */
  isMaking: boolean
}

/** Removes what was abandoned, and what crashes have left, by the age of the newest object of each group. */
export function createTidying(store: ObjectStore, removals: Removals): StorageDriver['tidy'] {
  async function* groups(prefix: string, before: Date): AsyncGenerator<Group> {
    let group: Group | undefined
    for await (const { key, modified } of objectsBelow(store, prefix)) {
      const folder = key.slice(0, key.indexOf('/', prefix.length))
      if (group?.folder !== folder) {
        if (group !== undefined) yield group
        group = { folder, newest: modified, last: key, old: [], writing: new Set(), isMaking: false }
      }
      group.last = key
      if (modified < before) group.old.push(key)
      else group.writing.add(writerOf(key))
      if (modified > group.newest) group.newest = modified
      if (key === firstStateOf(folder)) group.isMaking = true
    }
    if (group !== undefined) yield group
  }

  /** What nobody needs any more of an object in the making that has been for long: former states, and their pieces. No
   *  state has the pieces of a body that is still coming: they stay. */
  async function trim({ folder, last, old, writing }: Group): Promise<void> {
    const state = await readState(store, last)
    if (state === undefined) return
    const needed = new Set([firstStateOf(folder), last])
    for (const { name } of partsOf(state)) needed.add(`${folder}/d/${name}`)
    await store.deleteAll(old.filter((key) => !needed.has(key) && !writing.has(writerOf(key))))
  }

  return async (before, mayRemove = () => true) => {
    let count = 0
    for (const prefix of [UPLOADS, DRAFTS]) {
      for await (const group of groups(prefix, before)) {
        const { folder, newest, old, isMaking } = group
        if (newest >= before) {
          if (isMaking && old.length > FEW && mayRemove(`${folder}/ (what is out of date)`)) await trim(group)
          continue
        }
        if (!mayRemove(folder)) continue
        await removals.remove(folder, isMaking ? firstStateOf(folder) : undefined)
        if (isMaking) count++
      }
    }
    await store.abortParts?.(before)
    return count
  }
}

/** Of a piece; what states give is nobody's. */
const writerOf = (key: string): string => key.slice(key.lastIndexOf('/') + 1).split('-', 1)[0] as string

async function* objectsBelow(store: ObjectStore, prefix: string): AsyncGenerator<Found> {
  let from: string | undefined
  do {
    const page = await store.list(prefix, { byFolder: false, from })
    yield* page.objects
    from = page.next
  } while (from !== undefined)
}
