import type { FastifyReply, FastifyRequest } from 'fastify'
import type { UserInfo } from '../kubernetes/user-info.ts'
import { RegistryError } from '../oci/error.ts'
import { isName, type RepositoryName } from '../oci/name.ts'
import { type Action, repositoryOf } from './access.ts'
import { type Authority, isAnonymous, placeOrNot } from './authority.ts'
import type { Caller, Callers } from './callers.ts'
import type { Ownership, Standing } from './ownership.ts'
import type { PermissionName, Place } from './permissions.ts'
import { grants } from './scope.ts'

/** Who may do what, once a request's route is known. */
export interface Gate {
  /** Undefined at once where nothing need be asked, which is how most pulls go. @throws RegistryError, also later */
  admit(request: FastifyRequest, reply: FastifyReply): Promise<void> | undefined
  /** Who sends it, once it was asked or has shown a token; undefined where that is not known. */
  userOf(request: FastifyRequest): UserInfo | undefined
  /** Whether the same caller may pull from another repository as well: what a mount takes, and the catalog. */
  mayPull(request: FastifyRequest, repository: RepositoryName): Promise<boolean>
  /** For a push whose body came slowly: whether what let it in still holds. @throws RegistryError DENIED, UNAUTHORIZED */
  pushAgain(request: FastifyRequest, reply: FastifyReply): Promise<void>
}

export interface GateOptions {
  authority: Authority
  callers: Callers
  /** Without it a repository belongs to whoever has a namespace of its name. */
  ownership?: Ownership | undefined
  exists(repository: RepositoryName): Promise<boolean>
  anonymousCatalog: boolean
  /** Whether nothing may be written now, not even whose a repository is. */
  isReadOnly(): boolean
}

/** What a token must allow, and what the challenge says that a better one should. oci.md A-03 */
const SCOPES = {
  pull: { needs: 'pull', asks: 'pull' },
  push: { needs: 'push', asks: 'pull,push' },
  delete: { needs: 'delete', asks: 'delete' }
} as const

export function createGate({
  authority,
  callers,
  ownership,
  exists,
  anonymousCatalog,
  isReadOnly
}: GateOptions): Gate {
  const { challenge } = callers
  const callerOf = new WeakMap<FastifyRequest, Caller>()

  function admit(request: FastifyRequest, reply: FastifyReply): Promise<void> | undefined {
    const action = request.routeOptions.config.action as Action
    if (action === 'none' || action === 'token') return undefined
    const known = callers.known(request)
    if (known !== undefined && action === 'pull') {
      const repository = repositoryOf(request)
      const isGranted = grants(known.token.access, 'repository', repository, 'pull')
      if (isGranted && (ownership === undefined || ownership.isSettled(repository))) return undefined
    }
    return decide(action, request, reply)
  }

  async function decide(action: Action, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    if (action === 'none' || action === 'token') return
    if (action === 'ping') return ping(request, reply)
    if (action === 'catalog') return catalog(request, reply)
    if (action === 'metrics') return metrics(request, reply)
    const repository = repositoryOf(request)
    // What can be no repository here is told to anybody: the name alone says so.
    const place = authority.place(repository)
    const { needs } = SCOPES[action]
    const scope = scopeOf(action, repository, request)
    const caller = await callers.identify(request, reply, scope)
    callerOf.set(request, caller)
    const permission = permissionOf(action, request)

    if (caller.token !== undefined && !grants(caller.token.access, 'repository', repository, needs)) {
      challenge(request, reply, { scope, error: 'insufficient_scope' })
      const since = performance.now()
      const why = await whyNotGranted(caller.user, permission, place, scope)
      const ms = performance.now() - since
      callers.log(request, caller, {
        isAllowed: false,
        text: `refused ${permission} for ${scope}`,
        reason: '',
        ms
      })
      throw new RegistryError('UNAUTHORIZED', why)
    }
    // A pull is let in for the life of its token, whatever has changed since.
    if (caller.token === undefined || action !== 'pull') {
      await demand(request, reply, { caller, permission, place, scope })
    }
    await settle({ action, request, reply, repository, place, caller, scope })
  }

  async function ping(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const caller = await callers.identify(request, reply)
    callerOf.set(request, caller)
    if (caller.credential !== 'none') return
    challenge(request, reply, {})
    throw new RegistryError('UNAUTHORIZED', 'authentication is required: log in')
  }

  async function catalog(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const scope = 'registry:catalog:*'
    const caller = await callers.identify(request, reply, scope)
    callerOf.set(request, caller)
    if (caller.token !== undefined && !grants(caller.token.access, 'registry', 'catalog', '*')) {
      challenge(request, reply, { scope, error: 'insufficient_scope' })
      throw new RegistryError('UNAUTHORIZED', `this token does not allow ${scope}`)
    }
    if (!isAnonymous(caller.user) || anonymousCatalog) return
    challenge(request, reply, { scope })
    throw new RegistryError('UNAUTHORIZED', 'only who has logged in may list repositories')
  }

  /** Reviewed each time, as what a token of the registry allows is about repositories. */
  async function metrics(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const caller = await callers.identify(request, reply)
    callerOf.set(request, caller)
    if (caller.token !== undefined) {
      challenge(request, reply, { error: 'insufficient_scope' })
      throw new RegistryError('UNAUTHORIZED', "a token of the registry reads no metrics: show the cluster's")
    }
    await demand(request, reply, { caller, permission: 'metrics', place: {} })
  }

  interface Demand {
    caller: Caller
    permission: PermissionName
    place: Place
    scope?: string
  }

  /** @throws RegistryError UNAUTHORIZED where logging in may help, DENIED where it does not */
  async function demand(
    request: FastifyRequest,
    reply: FastifyReply,
    { caller, permission, place, scope }: Demand
  ): Promise<void> {
    if (caller.credential === 'none' && !authority.isLocal) {
      // Without asking: whoever shows no token must not cost the API server anything.
      challenge(request, reply, { scope })
      throw new RegistryError('UNAUTHORIZED', 'authentication is required: log in')
    }
    const since = performance.now()
    const { allowed, reason } = await authority.decide(caller.user, permission, place)
    const isAllowed = allowed || (permission.startsWith('delete') && (await mayPrune(caller.user)))
    const why = isAllowed ? '' : authority.explain(caller.user, permission, place)
    const what = scope ?? permission
    const text = isAllowed ? `allowed: ${what}` : `refused ${permission} for ${what}`
    callers.log(request, caller, { isAllowed, text, reason, ms: performance.now() - since })
    if (isAllowed) return
    if (caller.credential !== 'none') throw new RegistryError('DENIED', why)
    challenge(request, reply, { scope })
    throw new RegistryError('UNAUTHORIZED', why)
  }

  async function mayPrune(user: UserInfo): Promise<boolean> {
    return (await authority.decide(user, 'prune', {})).allowed
  }

  /** A token may be narrow because its bearer asked for no more, or because there was no more to have. */
  async function whyNotGranted(
    user: UserInfo,
    permission: PermissionName,
    place: Place,
    scope: string
  ): Promise<string> {
    const narrow = `this token does not allow ${scope}`
    try {
      const { allowed } = await authority.decide(user, permission, place)
      return allowed ? narrow : authority.explain(user, permission, place)
    } catch (error) {
      if (error instanceof RegistryError) return narrow
      throw error
    }
  }

  interface Settling {
    action: 'pull' | 'push' | 'delete'
    request: FastifyRequest
    reply: FastifyReply
    repository: RepositoryName
    place: Place
    caller: Caller
    scope: string
  }

  /** Sees to it that the repository is its namespace's own. */
  async function settle(settling: Settling): Promise<void> {
    const { action, request, repository, place, caller } = settling
    if (action === 'push' && isBeginning(request)) return begin(settling)
    if (ownership === undefined) return
    const namespace = place.namespace as string
    const standing = await ownership.standing(repository, namespace)
    if (standing === 'ours' || standing === 'unchecked') return
    if (standing !== 'unclaimed') {
      if (await mayPrune(caller.user)) return
      throw new RegistryError('NAME_UNKNOWN', repository)
    }
    // One that was there before berth is adopted by the first who may push there.
    if (isReadOnly()) return
    if (action === 'pull') return adopt(settling).catch(unlessUnavailable)
    await adopt(settling)
  }

  async function adopt({ action, repository, place, caller }: Settling): Promise<void> {
    const mayPush = action === 'push' || (await authority.decide(caller.user, 'push', place)).allowed
    if (mayPush && (await exists(repository))) await ownership?.claim(repository, place.namespace as string)
  }

  async function begin({ request, reply, repository, place, caller, scope }: Settling): Promise<void> {
    // Blobs that went to a former namespace's repository are missed by the manifest that comes last.
    const isFinal = request.method === 'PUT'
    const standing: Standing =
      (await ownership?.standing(repository, place.namespace as string, isFinal)) ?? 'unchecked'
    if (standing === 'no namespace') {
      throw new RegistryError('NAMESPACE_UNKNOWN', `there is no namespace "${place.namespace}"`)
    }
    if (standing === 'foreign' || !(await exists(repository))) {
      await demand(request, reply, { caller, permission: 'create', place, scope })
    }
    if (standing === 'unchecked') await ownership?.release(repository)
    else if (standing !== 'ours') await ownership?.claim(repository, place.namespace as string)
  }

  return {
    admit,
    userOf: (request) => callerOf.get(request)?.user ?? callers.known(request)?.token.user,

    async mayPull(request, repository) {
      const caller = callerOf.get(request)
      if (caller === undefined) return false
      const { user, token } = caller
      if (token !== undefined && !grants(token.access, 'repository', repository, 'pull')) return false
      const place = placeOrNot(authority, repository)
      if (place === undefined) return false
      if (!(await authority.decide(user, 'pull', place)).allowed) return false
      const standing = await ownership?.standing(repository, place.namespace as string)
      return standing !== 'foreign' && standing !== 'no namespace'
    },

    async pushAgain(request, reply) {
      const caller = callerOf.get(request)
      if (caller === undefined) return
      const repository = repositoryOf(request)
      const scope = scopeOf('push', repository, request)
      await demand(request, reply, { caller, permission: 'push', place: authority.place(repository), scope })
    }
  }
}

/** An API server that is silent, or a storage that takes nothing. */
const PASSING = new Set(['API_UNAVAILABLE', 'StorageUnavailable', 'StorageFull'])

/** A pull can go on without: the next one tries again. */
function unlessUnavailable(error: unknown): void {
  if (!(error instanceof Error && PASSING.has(error.name))) throw error
}

/** What a better token should allow. For a mount that is pulling from its source too: many clients ask for what the
 *  challenge says and no more, and with less they would get an upload. */
function scopeOf(
  action: keyof typeof SCOPES,
  repository: RepositoryName,
  { method, query }: FastifyRequest
): string {
  const own = `repository:${repository}:${SCOPES[action].asks}`
  const { mount, from } = query as Record<string, unknown>
  const isMount = method === 'POST' && mount !== undefined && typeof from === 'string' && from !== repository
  return isMount && isName(from) ? `${own} repository:${from}:pull` : own
}

/** Who cancels an upload may push; what is deleted otherwise is a tag, or content by its digest. */
function permissionOf(action: 'pull' | 'push' | 'delete', { params }: FastifyRequest): PermissionName {
  if (action !== 'delete') return action
  const { reference } = params as { reference?: string }
  return reference === undefined || reference.includes(':') ? 'deleteContent' : 'deleteTag'
}

/** Whether it is a push that can stand at a repository's beginning, rather than the next step of one. */
function isBeginning({ method, params }: FastifyRequest): boolean {
  const { id, reference } = params as { id?: string; reference?: string }
  return id === undefined && (method === 'POST' || reference !== undefined)
}
