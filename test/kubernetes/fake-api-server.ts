import { randomUUID } from 'node:crypto'
import type { Test } from 'tap'
import type { ResourceAttributes } from '../../src/kubernetes/api-server.ts'
import { type Connection, connectionTo } from '../../src/kubernetes/connection.ts'
import type { UserInfo } from '../../src/kubernetes/user-info.ts'
import { type FaultyServer, failure, faultyServer, pem, pemPath, type Seen } from './faulty-server.ts'
import { type Binding, isAllowed, ROLES, type Rule } from './rbac.ts'

export type Kind = 'tokenreviews' | 'selfsubjectreviews' | 'subjectaccessreviews' | 'namespaces'

const API_AUDIENCE = 'https://kubernetes.default.svc'

interface Token {
  user: UserInfo
  audiences: readonly string[]
  isExpired: boolean
}

export interface NewUser {
  groups?: readonly string[]
  uid?: string
  extra?: Record<string, readonly string[]>
  /** Whom the token is meant for: the API server unless said. */
  audiences?: readonly string[]
  /** A random one unless said. */
  token?: string
}

export interface FakeCluster extends FaultyServer<Kind> {
  /** The token of the registry's own account, which may do what its calls need. */
  ownToken(): string
  /** How many calls of each kind came since the start or the last `reset`; none of the others. */
  calls(): Partial<Record<Kind, number>>
  /** Forgets the requests that came. */
  reset(): void

  /** In `system:authenticated` as well as in the groups given. @returns a token; another call gives another */
  addUser(name: string, options?: NewUser): string
  /** `system:serviceaccount:<namespace>:<name>` with its groups. */
  addServiceAccount(namespace: string, name: string, options?: NewUser): string
  expire(token: string): void
  /** Makes it unknown. */
  revokeToken(token: string): void
  /** Makes a token the registry's own in place of the former, as a rotation does. */
  renewOwnToken(): string

  /** @returns its UID, another each time it is made */
  createNamespace(name: string): string
  deleteNamespace(name: string): void
  /** It is being deleted, and not gone yet. */
  terminateNamespace(name: string): void

  /**
   * Gives a user or group a role or rules, in a namespace or everywhere.
   * @returns takes it back
   */
  grant(
    who: string | { group: string },
    what: keyof typeof ROLES | Rule | readonly Rule[],
    namespace?: string
  ): () => void
  /** The registry's own account may no more make such calls: 403. */
  forbid(kind: Kind): void
  permit(kind: Kind): void

  /** As the registry's own account. */
  connection(): Promise<Connection>
  /** Text of a kubeconfig of it. */
  kubeconfig(): string
}

function kindOf(path: string): Kind | undefined {
  return path.match(
    /^\/(?:apis\/(?:authentication|authorization)\.k8s\.io\/v1|api\/v1)\/(tokenreviews|selfsubjectreviews|subjectaccessreviews|namespaces)(?:\/|$)/
  )?.[1] as Kind | undefined
}

/** Of OpenShift: a token narrowed by scopes may do no more than they say, which for images is nothing. */
function isNarrowed(extra: Record<string, readonly string[]>): boolean {
  const scopes = extra['scopes.authorization.openshift.io']
  return scopes !== undefined && !scopes.includes('user:full')
}

/**
 * A small Kubernetes API server on loopback, over TLS, with RBAC and in memory: the four calls that the registry makes.
 * It ends with the test.
 * @param host 127.0.0.1 unless said
 */
export async function fakeCluster(t: Test, { host = '127.0.0.1' } = {}): Promise<FakeCluster> {
  const tokens = new Map<string, Token>()
  const namespaces = new Map<string, { uid: string; isTerminating: boolean }>()
  const bindings = new Set<Binding>()
  const forbidden = new Set<Kind>()
  let ownToken = `own-${randomUUID()}`

  function callerOf({ headers, certificate }: Seen<Kind>): UserInfo | 'own' | 'unknown' | undefined {
    const bearer = headers.authorization?.match(/^Bearer (.+)$/)?.[1]
    if (bearer === undefined) return certificate === undefined ? undefined : 'own'
    if (bearer === ownToken) return 'own'
    const token = tokens.get(bearer)
    return token && !token.isExpired && token.audiences.includes(API_AUDIENCE) ? token.user : 'unknown'
  }

  function reviewToken(spec: { token: string; audiences?: string[] }): object {
    const token = tokens.get(spec.token)
    if (token === undefined) return { error: 'invalid bearer token' }
    if (token.isExpired) return { error: '[invalid bearer token, service account token has expired]' }
    const wanted = spec.audiences?.length ? spec.audiences : [API_AUDIENCE]
    const audiences = wanted.filter((audience) => token.audiences.includes(audience))
    if (audiences.length === 0) return { error: 'token audiences are invalid for the target audiences' }
    return { authenticated: true, user: token.user, audiences }
  }

  function reviewAccess(spec: {
    user: string
    groups?: string[]
    extra?: Record<string, string[]>
    resourceAttributes: ResourceAttributes
  }): object {
    if (isNarrowed(spec.extra ?? {})) return { allowed: false, reason: 'scopes prevent this action' }
    const user = { username: spec.user, groups: spec.groups ?? [] }
    const allowed = isAllowed(bindings, user, spec.resourceAttributes)
    return { allowed, ...(allowed && { reason: 'RBAC: allowed by a binding' }) }
  }

  function respond(seen: Seen<Kind>): [number, object] {
    const { kind, method, path, body } = seen
    const caller = callerOf(seen)
    if (caller === 'unknown') return failure(401, 'Unauthorized', 'Unauthorized')
    if (kind === undefined || (method === 'GET') !== (kind === 'namespaces')) {
      return failure(404, 'NotFound', 'the server could not find the requested resource')
    }
    const isFree = kind === 'selfsubjectreviews' && caller !== undefined
    if (!isFree && (caller !== 'own' || forbidden.has(kind))) {
      const name = typeof caller === 'object' ? caller.username : (caller ?? 'system:anonymous')
      return failure(403, 'Forbidden', `${kind} is forbidden: User "${name}" cannot use resource "${kind}"`)
    }
    if (kind === 'tokenreviews') return [201, { ...body, status: reviewToken(body.spec) }]
    if (kind === 'subjectaccessreviews') return [201, { ...body, status: reviewAccess(body.spec) }]
    if (kind === 'selfsubjectreviews') {
      const own = { username: 'system:serviceaccount:berth:registry', uid: 'own' }
      return [201, { ...body, status: { userInfo: caller === 'own' ? own : caller } }]
    }
    const name = decodeURIComponent(path.split('/').pop() ?? '')
    const namespace = namespaces.get(name)
    if (!namespace) {
      return failure(404, 'NotFound', `namespaces "${name}" not found`, { name, kind: 'namespaces' })
    }
    const metadata = {
      name,
      uid: namespace.uid,
      ...(namespace.isTerminating && { deletionTimestamp: new Date().toISOString() })
    }
    return [200, { kind: 'Namespace', apiVersion: 'v1', metadata }]
  }

  const server = await faultyServer(t, { host, kindOf, respond })
  const { url, requests } = server

  const addUser = (name: string, options: NewUser = {}): string => {
    const { groups = [], uid = `uid-of-${name}`, extra = {}, audiences = [API_AUDIENCE] } = options
    const { token = `token-${randomUUID()}` } = options
    const user = { username: name, uid, groups: [...groups, 'system:authenticated'], extra }
    tokens.set(token, { user, audiences, isExpired: false })
    return token
  }

  return {
    ...server,
    ownToken: () => ownToken,

    calls() {
      const calls: Partial<Record<Kind, number>> = {}
      for (const { kind } of requests) if (kind) calls[kind] = (calls[kind] ?? 0) + 1
      return calls
    },
    reset() {
      requests.length = 0
    },

    addUser,
    addServiceAccount(namespace, name, { groups = [], ...options } = {}) {
      return addUser(`system:serviceaccount:${namespace}:${name}`, {
        groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, ...groups],
        ...options
      })
    },
    expire(token) {
      const known = tokens.get(token)
      if (known) known.isExpired = true
    },
    revokeToken: (token) => void tokens.delete(token),
    renewOwnToken() {
      ownToken = `own-${randomUUID()}`
      return ownToken
    },

    createNamespace(name) {
      const uid = randomUUID()
      namespaces.set(name, { uid, isTerminating: false })
      return uid
    },
    deleteNamespace: (name) => void namespaces.delete(name),
    terminateNamespace(name) {
      const namespace = namespaces.get(name)
      if (namespace) namespace.isTerminating = true
    },

    grant(who, what, namespace) {
      const subject = typeof who === 'string' ? { user: who } : who
      const rules = typeof what === 'string' ? ROLES[what] : [what].flat()
      const binding: Binding = { subject, rules, namespace }
      bindings.add(binding)
      return () => void bindings.delete(binding)
    },
    forbid: (kind) => void forbidden.add(kind),
    permit: (kind) => void forbidden.delete(kind),

    connection: () =>
      connectionTo({
        url,
        origin: 'the test',
        ca: { text: pem('ca.crt'), field: 'ca' },
        token: { text: ownToken, field: 'token' }
      }),
    kubeconfig: () =>
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Config',
        'current-context': 'test',
        contexts: [{ name: 'test', context: { cluster: 'test', user: 'registry' } }],
        clusters: [{ name: 'test', cluster: { server: url, 'certificate-authority': pemPath('ca.crt') } }],
        users: [{ name: 'registry', user: { token: ownToken } }]
      })
  }
}
