import type { Page } from '../driver.ts'
import type { Listed, ObjectStore } from './store.ts'

/** Most that a store gives at a time. */
const MOST = 1000

/** What others have put there under another name cannot be asked for. */
const NAME = /^(?!\.{1,2}$)[A-Za-z0-9._-]+$/

/**
 * The names of the direct children of a folder, in byte order. Stores sort by key, and a folder's key ends in a slash:
 * `a-b/` comes before `a/`. So what may still come when a page is full are folders whose names begin that of its last
 * entry. They are asked for one by one, instead of reading on to where they lie.
 */
export async function listNames(
  store: Pick<ObjectStore, 'list'>,
  folder: string,
  { after = '', limit = Number.POSITIVE_INFINITY }: Page
): Promise<string[]> {
  if (limit <= 0) return []
  const prefix = `${folder}/`
  const names = new Set<string>()
  let from: string | undefined
  let last = ''
  do {
    // One more, since the folder that the page begins after may be among them. A store that cannot begin there is read
    // through quickly.
    const isBefore = from !== undefined && names.size === 0
    const most = isBefore ? MOST : Math.min(MOST, limit - names.size + 1)
    const page: Listed = await store.list(prefix, {
      byFolder: true,
      after: after === '' ? undefined : `${prefix}${after}`,
      limit: most,
      from
    })
    for (const key of [...page.objects.map(({ key }) => key), ...page.folders]) {
      const name = key.slice(prefix.length)
      if (NAME.test(name) && name > after) names.add(name)
    }
    last = lastOf(page)
    from = page.next
  } while (from !== undefined && names.size < limit)
  const sorted = [...names].sort()
  if (from === undefined) return sorted.slice(0, limit)
  return complete(store, prefix, sorted, { after, limit, last })
}

/** The key that sorts last: a folder counts with its slash. */
function lastOf({ objects, folders }: Listed): string {
  const object = objects.at(-1)?.key ?? ''
  const folder = folders.length === 0 ? '' : `${folders.at(-1)}/`
  return [object, folder].sort().at(-1) ?? ''
}

/** @param last what was read up to */
async function complete(
  store: Pick<ObjectStore, 'list'>,
  prefix: string,
  names: string[],
  { after, limit, last }: { after: string; limit: number; last: string }
): Promise<string[]> {
  const asked = new Set<string>()
  let page = names.slice(0, limit)
  for (;;) {
    const doubtful = beginningsOf(page.at(-1) ?? '').filter(
      (name) => name > after && !asked.has(name) && !page.includes(name) && `${prefix}${name}/` > last
    )
    if (doubtful.length === 0) return page
    const found = await Promise.all(
      doubtful.map(async (name) => {
        asked.add(name)
        const { objects } = await store.list(`${prefix}${name}/`, { byFolder: false, limit: 1 })
        return objects.length > 0 ? [name] : []
      })
    )
    page = [...page, ...found.flat()].sort().slice(0, limit)
  }
}

/** The names that come before this one, but whose folders' keys come after it. */
function beginningsOf(name: string): string[] {
  return [...name.matchAll(/[-.]/g)]
    .map(({ index }) => name.slice(0, index))
    .filter((each) => NAME.test(each))
}
