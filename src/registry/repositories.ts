import type { StorageDriver } from '../../storage/driver.ts'
import { RegistryError } from '../oci/error.ts'
import { isName, type RepositoryName } from '../oci/name.ts'
import { mapParallel } from './bytes.ts'
import { repositoriesKey, repositoryKey, revisionsKey } from './layout.ts'
import type { Listing, ListingPage } from './listing.ts'

/** A repository is there from its first blob, and listed while it holds a manifest. */
export interface Repositories {
  exists(name: RepositoryName): Promise<boolean>
  /** @throws RegistryError NAME_UNKNOWN */
  require(name: RepositoryName): Promise<void>
  /** Every name that storage has a folder for, whether it is a repository's or on the way to one. */
  folders(): AsyncIterable<RepositoryName>
  /** In byte order of the full name; what is not on the page is not looked at. */
  list(page: ListingPage): Promise<Listing<RepositoryName>>
}

/** So many folders are looked into side by side, and so many of their children asked for at first. */
const WIDTH = 32
const FIRST = 100

/** What is directly below a folder: the first names, and whether these are all. */
interface Look {
  names: string[]
  isWhole: boolean
}

export function createRepositories(storage: StorageDriver): Repositories {
  const keyOf = (prefix: string): string =>
    prefix === '' ? repositoriesKey : `${repositoriesKey}/${prefix.slice(0, -1)}`

  async function look(key: string): Promise<Look> {
    const names = await storage.list(key, { limit: FIRST })
    return { names, isWhole: names.length < FIRST }
  }

  /** Tells a repository from a folder on the way to one, and from one whose manifests were all deleted. */
  async function holdsManifests(name: RepositoryName, { names, isWhole }: Look): Promise<boolean> {
    if (isWhole && !names.includes('_manifests')) return false
    if (await holdsLink(`${revisionsKey(name)}/sha256`)) return true
    for (const algorithm of await storage.list(revisionsKey(name))) {
      if (algorithm !== 'sha256' && (await holdsLink(`${revisionsKey(name)}/${algorithm}`))) return true
    }
    return false
  }

  /** The folder of a deleted manifest may still be there: only its link counts. */
  async function holdsLink(folder: string): Promise<boolean> {
    let after = ''
    for (let limit = 1; ; limit = Math.min(2 * limit, WIDTH)) {
      const names = await storage.list(folder, { after, limit })
      const sizes = await mapParallel(names, (encoded) => storage.size(`${folder}/${encoded}/link`))
      if (sizes.some((size) => size !== undefined && size > 0)) return true
      if (names.length < limit) return false
      after = names.at(-1) ?? ''
    }
  }

  async function pageAfter(prefix: string, after: string, limit: number): Promise<Look> {
    const names = await storage.list(keyOf(prefix), { after, limit })
    return { names, isWhole: names.length < limit }
  }

  /** The names below a folder that come after `after`, with a look into each. @param first a look into the folder itself */
  async function* children(
    prefix: string,
    after: string,
    width: number,
    first?: Look
  ): AsyncGenerator<[string, Look]> {
    let page = first ?? (await pageAfter(prefix, after, width))
    for (;;) {
      for (let at = 0; at < page.names.length; at += width) {
        const names = page.names.slice(at, at + width).filter((name) => isName(name))
        const looks = await mapParallel(names, (name) => look(`${keyOf(prefix)}/${name}`))
        for (const [index, name] of names.entries()) yield [name, looks[index] as Look]
      }
      if (page.isWhole) return
      page = await pageAfter(prefix, page.names.at(-1) ?? '', width)
    }
  }

  /**
   * The names below a folder that come after `last`; of repositories, or of folders on the way to one. The names below `a` all
   * begin with `a/`, and `/` comes after `-` and `.` but before letters: `a-b` comes between `a` and `a/b`. So what is below
   * a folder waits until no child comes before it.
   * @param width how many folders are looked into at once
   * @param first a look into this one
   */
  async function* walk(
    prefix: string,
    last: string,
    width: number,
    first?: Look
  ): AsyncGenerator<[RepositoryName, Look]> {
    const [start = ''] = last.startsWith(prefix) ? last.slice(prefix.length).split('/') : []
    const waiting = foldersBehind(start).map((name): [string, Look?] => [`${prefix}${name}/`])
    async function* below(next?: string): AsyncGenerator<[RepositoryName, Look]> {
      while (waiting[0] !== undefined && (next === undefined || waiting[0][0] < next)) {
        const [folder, look] = waiting.shift() as [string, Look?]
        yield* walk(folder, last, width, look)
      }
    }
    for await (const [child, look] of children(prefix, start, width, start === '' ? first : undefined)) {
      const name = `${prefix}${child}`
      yield* below(name)
      // After `a/b` there is more below `a`, but not below `a-b`, nor that itself.
      if (name < last && last.startsWith(`${prefix}${start}/`)) continue
      if (isName(name)) yield [name, look]
      // What waits already begins with this name's own beginning, so that it comes after it.
      if (look.names.some(isName) || !look.isWhole) waiting.unshift([`${name}/`, look])
    }
    yield* below()
  }

  async function exists(name: RepositoryName): Promise<boolean> {
    const children = await storage.list(repositoryKey(name))
    // `_ext` may be alone where a push was allowed and nothing has come of it yet.
    return children.some((child) => child.startsWith('_') && child !== '_ext')
  }

  return {
    exists,

    async *folders() {
      for await (const [name] of walk('', '', WIDTH)) yield name
    },

    async require(name) {
      if (!(await exists(name))) throw new RegistryError('NAME_UNKNOWN', name)
    },

    async list({ n, last }) {
      const items: RepositoryName[] = []
      if (n === 0) return { items, next: undefined }
      const width = Math.min(WIDTH, n + 1)
      const names = walk('', last ?? '', width)
      for (;;) {
        const some = await take(names, Math.min(width, n - items.length + 1))
        const held = await mapParallel(some, ([name, look]) => holdsManifests(name, look))
        for (const [name] of some.filter((_, index) => held[index])) {
          if (items.length === n) return { items, next: items.at(-1) }
          items.push(name)
        }
        if (some.length === 0) return { items, next: undefined }
      }
    }
  }
}

async function take<T>(source: AsyncGenerator<T>, most: number): Promise<T[]> {
  const taken: T[] = []
  while (taken.length < most) {
    const { done, value } = await source.next()
    if (done) break
    taken.push(value)
  }
  return taken
}

/** The folders whose names come no later than this one, in what is below which there may be names that do: itself, and where it goes
 *  on with `-` or `.`, what is before that. In the order of what is below them. */
function foldersBehind(name: string): string[] {
  if (name === '') return []
  const beginnings = [...name.matchAll(/[-.]/g)].map(({ index }) => name.slice(0, index))
  return [name, ...beginnings.reverse()].filter((beginning) => isName(beginning))
}
