import type { UserInfo } from '../kubernetes/user-info.ts'
import { RegistryError } from '../oci/error.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { PermissionName, Place } from './permissions.ts'

/** Whether something is allowed, and what whoever decided says about it, if anything. */
export interface Decision {
  allowed: boolean
  reason: string
}

/** Who callers are and what they may do: a cluster says so, or an htpasswd file. */
export interface Authority {
  /** Names it in the registry's own tokens, so that those of another are not taken for its own. */
  readonly name: string
  /** Whether it can answer without asking anybody else. */
  readonly isLocal: boolean
  /** What separates name and password of HTTP's Basic scheme: user names of a cluster hold colons, tokens never do. */
  readonly splitsAt: 'first colon' | 'last colon'
  /** The realm of a Basic challenge, where one is to be offered. */
  readonly basicRealm?: string
  /**
   * Whose credential it is; undefined when it is nobody's. The answer may be 10 s old, a refusal 2 s.
   * @param name as it came with Basic; undefined for a Bearer token
   * @throws RegistryError API_UNAVAILABLE when that cannot be found out
   */
  authenticate(secret: string, name: string | undefined): Promise<UserInfo | undefined>
  /** As `authenticate` in age and errors. */
  decide(user: UserInfo, permission: PermissionName, place: Place): Promise<Decision>
  /** For a refusal: what is missing, and what would grant it. */
  explain(user: UserInfo, permission: PermissionName, place: Place): string
  /** What reviews know the repository by. @throws RegistryError NAME_UNKNOWN, NAME_INVALID for one that cannot be here */
  place(repository: RepositoryName): Place
}

/** Where reviews look for it; undefined for a name that no repository here can have. */
export function placeOrNot({ place }: Authority, repository: RepositoryName): Place | undefined {
  try {
    return place(repository)
  } catch (error) {
    if (error instanceof RegistryError) return undefined
    throw error
  }
}

/** Who shows no credential. Kubernetes: "Anonymous requests". */
export const ANONYMOUS: UserInfo = {
  username: 'system:anonymous',
  uid: '',
  groups: ['system:unauthenticated'],
  extra: {}
}

export const isAnonymous = ({ username }: UserInfo): boolean => username === ANONYMOUS.username
