import type { UserInfo } from '../kubernetes/user-info.ts'
import { isName } from '../oci/name.ts'
import { ANONYMOUS, type Authority, isAnonymous, placeOrNot } from './authority.ts'
import type { PermissionName, Place } from './permissions.ts'
import type { Access, ScopeAction } from './scope.ts'

/** What each action of a scope takes: any one of these. */
const ACTIONS: Partial<Record<ScopeAction, readonly PermissionName[]>> = {
  pull: ['pull'],
  push: ['push'],
  delete: ['deleteTag', 'deleteContent', 'prune']
}

/** What `*` asks for. */
const EVERY_ACTION: readonly ScopeAction[] = ['pull', 'push', 'delete']

export interface GrantOptions {
  authority: Authority
  /** Whether whoever has not logged in may list repositories, too. */
  anonymousCatalog: boolean
}

/** Of what a token is to allow, what its bearer may do. It may be less, or nothing: that is no error (oci.md A-13). */
export type Grant = (user: UserInfo, requested: readonly Access[]) => Promise<Access[]>

export function createGrant({ authority, anonymousCatalog }: GrantOptions): Grant {
  async function isAllowed(user: UserInfo, action: ScopeAction, place: Place): Promise<boolean> {
    for (const permission of ACTIONS[action] ?? []) {
      const where = permission === 'prune' ? {} : place
      if ((await authority.decide(user, permission, where)).allowed) return true
    }
    return false
  }

  async function allowedActions(
    user: UserInfo,
    { type, name, actions }: Access
  ): Promise<readonly ScopeAction[]> {
    if (type === 'registry') {
      return name === 'catalog' && (!isAnonymous(user) || anonymousCatalog) ? ['*'] : []
    }
    const place = isName(name) ? placeOrNot(authority, name) : undefined
    if (place === undefined) return []
    const wanted = actions.includes('*') ? EVERY_ACTION : actions
    const allowed = await Promise.all(wanted.map((action) => isAllowed(user, action, place)))
    return wanted.filter((_, index) => allowed[index])
  }

  return async (user, requested) => {
    const granted = await Promise.all(
      requested.map(async (each) => ({ ...each, actions: await allowedActions(user, each) }))
    )
    return granted.filter(({ actions }) => actions.length > 0)
  }
}

/**
 * Whether everything that is asked for is a pull that anybody may do without logging in: then a credential that has
 * expired need not stand in its way.
 */
export async function isPublicPull(grant: Grant, requested: readonly Access[]): Promise<boolean> {
  const isPull = ({ type, actions }: Access): boolean =>
    type === 'repository' && actions.length === 1 && actions[0] === 'pull'
  if (requested.length === 0 || !requested.every(isPull)) return false
  return (await grant(ANONYMOUS, requested)).length === requested.length
}
