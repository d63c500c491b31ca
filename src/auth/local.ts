import type { UserInfo } from '../kubernetes/user-info.ts'
import { RegistryError } from '../oci/error.ts'
import { ANONYMOUS, type Authority, isAnonymous } from './authority.ts'
import { PERMISSIONS, shown } from './permissions.ts'

export interface LocalOptions {
  /** Whether the password is the user's; `busy` when too many wait to be told. */
  check(user: string, password: string): Promise<boolean | 'busy'>
  /** Whether there is still such a user. */
  knows(user: string): Promise<boolean>
  /** What a browser or a client shows when it asks for the password. */
  realm: string
  /** Whether whoever has not logged in may pull. */
  anonymousPull: boolean
}

/** For those without a cluster: who is in the htpasswd file may do everything, as with CNCF distribution. */
export function createLocalAuthority({ check, knows, realm, anonymousPull }: LocalOptions): Authority {
  return {
    name: 'htpasswd',
    isLocal: true,
    splitsAt: 'first colon',
    basicRealm: realm,

    async authenticate(password, name): Promise<UserInfo | undefined> {
      // A user of the file must not pass for nobody.
      if (name === undefined || name === ANONYMOUS.username) return undefined
      const isRight = await check(name, password)
      if (isRight === 'busy') throw new RegistryError('TOOMANYREQUESTS', 'too many log in at once; try again')
      if (!isRight) return undefined
      return { username: name, uid: '', groups: [], extra: {} }
    },

    async decide(user, permission) {
      if (permission === 'metrics') return { allowed: false, reason: 'only the metrics secret reads metrics' }
      if (isAnonymous(user)) return { allowed: permission === 'pull' && anonymousPull, reason: '' }
      // A token outlives its user's line in the file.
      return { allowed: await knows(user.username), reason: '' }
    },

    explain: (user, permission) =>
      `${shown(user.username)} may not ${PERMISSIONS[permission].words} this registry: log in as a user of its htpasswd file`,

    place(repository) {
      const slash = repository.indexOf('/')
      if (slash === -1) return { name: repository }
      return { namespace: repository.slice(0, slash), name: repository.slice(slash + 1) }
    }
  }
}
