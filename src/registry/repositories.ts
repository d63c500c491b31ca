import type { StorageDriver } from '../../storage/driver.ts'
import { RegistryError } from '../oci/error.ts'
import { isName, type RepositoryName } from '../oci/name.ts'
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

export function createRepositories(storage: StorageDriver): Repositories {
  /** Tells a repository from a folder on the way to one, and from one whose manifests were all deleted. */
  async function holdsManifests(name: RepositoryName): Promise<boolean> {
    for (const algorithm of await storage.list(revisionsKey(name))) {
      const folder = `${revisionsKey(name)}/${algorithm}`
      // The folder of a deleted manifest may still be there: only its link counts.
      for (const encoded of await storage.list(folder)) {
        if (((await storage.size(`${folder}/${encoded}/link`)) ?? 0) > 0) return true
      }
    }
    return false
  }

  /**
   * The names below a folder that come after `last`; of repositories, or of folders on the way to one. The names below `a` all begin with `a/`, and
   * `/` comes after `-` and `.` but before letters: sorting `a` and `a/` as two entries gives the order of full names.
   */
  async function* walk(prefix: string, last: string): AsyncGenerator<RepositoryName> {
    const key = prefix === '' ? repositoriesKey : `${repositoriesKey}/${prefix.slice(0, -1)}`
    const entries = (await storage.list(key))
      .filter((child) => isName(child))
      .flatMap((child) => [`${prefix}${child}`, `${prefix}${child}/`])
      .sort()
    for (const entry of entries) {
      if (entry.endsWith('/')) {
        if (entry > last || last.startsWith(entry)) yield* walk(entry, last)
      } else if (entry > last && isName(entry)) {
        yield entry
      }
    }
  }

  async function exists(name: RepositoryName): Promise<boolean> {
    const children = await storage.list(repositoryKey(name))
    // `_ext` may be alone where a push was allowed and nothing has come of it yet.
    return children.some((child) => child.startsWith('_') && child !== '_ext')
  }

  return {
    exists,
    folders: () => walk('', ''),

    async require(name) {
      if (!(await exists(name))) throw new RegistryError('NAME_UNKNOWN', name)
    },

    async list({ n, last }) {
      const items: RepositoryName[] = []
      if (n === 0) return { items, next: undefined }
      for await (const name of walk('', last ?? '')) {
        if (!(await holdsManifests(name))) continue
        if (items.length === n) return { items, next: items.at(-1) }
        items.push(name)
      }
      return { items, next: undefined }
    }
  }
}
