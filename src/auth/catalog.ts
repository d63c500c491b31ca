import type { UserInfo } from '../kubernetes/user-info.ts'
import { RegistryError } from '../oci/error.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Listing, ListingPage } from '../registry/listing.ts'
import { type Authority, type Decision, placeOrNot } from './authority.ts'
import type { Ownership } from './ownership.ts'
import type { Place } from './permissions.ts'

/** The API server is asked at most so often for one page; then the page is short, and a link leads on. */
const MOST_REVIEWS = 200

/** Who may not see everything may see little: so many repositories are looked at together. */
const BATCH = 16

/** Comes before what a cursor holds: no repository's name begins so. */
const CURSOR = '~'

/** In byte order after all the names that begin with a namespace and a slash. */
const AFTER_ALL = '~'

export interface VisibleOptions {
  authority: Authority
  ownership?: Ownership | undefined
  list(page: ListingPage): Promise<Listing<RepositoryName>>
  /** For a cursor: it would tell of a repository that the caller may not see. */
  seal(text: string): string
  unseal(text: string): string | undefined
}

/** A page of the repositories that this user may pull from, and where the next page begins. */
export type ListVisible = (user: UserInfo, page: ListingPage) => Promise<Listing<string>>

export function createListVisible({ authority, ownership, list, seal, unseal }: VisibleOptions): ListVisible {
  function opened(cursor: string): string {
    const after = unseal(cursor)
    if (after === undefined)
      throw new RegistryError('REQUEST_INVALID', 'last: begin the list anew, without it')
    return after
  }

  return async (user, { n, last }) => {
    let after = last?.startsWith(CURSOR) ? opened(last.slice(CURSOR.length)) : last
    const items: RepositoryName[] = []
    const decided = new Map<string, boolean>()
    const lookedUp = new Set<string>()
    let reviews = 0
    const mayPull = async (place: Place): Promise<boolean> => {
      reviews++
      return (await authority.decide(user, 'pull', place)).allowed
    }
    const mayPullAll = await mayPull({})
    // Who may prune must find what is left of namespaces that are gone.
    let pruner: Promise<Decision> | undefined
    const mayPrune = async (): Promise<boolean> => {
      pruner ??= authority.decide(user, 'prune', {})
      return (await pruner).allowed
    }

    async function isVisible(repository: RepositoryName, place: Place): Promise<boolean> {
      const namespace = place.namespace ?? ''
      let isAllowed: boolean | undefined = mayPullAll || decided.get(namespace)
      if (isAllowed === undefined) {
        isAllowed = await mayPull({ namespace })
        decided.set(namespace, isAllowed)
      }
      if (!isAllowed || ownership === undefined) return isAllowed
      if (!lookedUp.has(namespace)) reviews++
      lookedUp.add(namespace)
      const standing = await ownership.standing(repository, namespace)
      return (standing !== 'foreign' && standing !== 'no namespace') || mayPrune()
    }

    while (n > 0) {
      const page = await list({ n: mayPullAll ? n + 1 : Math.min(n + 1, BATCH), last: after })
      for (const repository of page.items) {
        if (items.length === n) return { items, next: items.at(-1) }
        if (reviews >= MOST_REVIEWS) return { items, next: CURSOR + seal(after ?? '') }
        after = repository
        const place = placeOrNot(authority, repository)
        if (place === undefined) continue
        if (await isVisible(repository, place)) {
          items.push(repository)
        } else if (place.namespace !== undefined && decided.get(place.namespace) === false) {
          // None of that namespace: the next is looked for after it.
          after = `${place.namespace}/${AFTER_ALL}`
          break
        }
      }
      const isSkipping = after?.endsWith(AFTER_ALL) && page.items.length > 0
      if (page.next === undefined && !isSkipping) break
    }
    return { items, next: undefined }
  }
}
