import { createHash } from 'node:crypto'
import { type KubeCall, KubeError } from './kube-client.ts'

/** An object of the API, with as much of it as is looked at here. */
export interface Manifest {
  apiVersion: string
  kind: string
  metadata: { name: string; namespace?: string; uid?: string }
  [field: string]: unknown
}

export type Subject =
  | { kind: 'ServiceAccount'; namespace: string; name: string }
  | { kind: 'User' | 'Group'; name: string }

/** A role for somebody, everywhere or in one namespace. */
export type Grant = { subject: Subject } & (
  | { clusterRole: string; namespace?: string }
  | { role: string; namespace: string }
)

const RBAC = 'rbac.authorization.k8s.io'

/** Where the kinds that the checks use are found. */
const PLURALS: Record<string, string> = {
  Namespace: 'namespaces',
  ServiceAccount: 'serviceaccounts',
  ClusterRole: 'clusterroles',
  ClusterRoleBinding: 'clusterrolebindings',
  Role: 'roles',
  RoleBinding: 'rolebindings'
}

/** The path of all objects of a kind: in one namespace, where that is given. */
export function collectionPath(apiVersion: string, kind: string, namespace?: string): string {
  const plural = PLURALS[kind]
  if (plural === undefined) throw new Error(`the checks do not know the kind ${kind}`)
  const group = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`
  return `${group}${namespace === undefined ? '' : `/namespaces/${namespace}`}/${plural}`
}

export function objectPath({ apiVersion, kind, metadata }: Manifest): string {
  return `${collectionPath(apiVersion, kind, metadata.namespace)}/${encodeURIComponent(metadata.name)}`
}

/** Makes the object, or puts it in the place of the one that is there. */
export async function put(call: KubeCall, manifest: Manifest): Promise<Manifest> {
  try {
    return await call<Manifest>('PUT', objectPath(manifest), manifest)
  } catch (error) {
    if (!isStatus(error, 404)) throw error
    const { apiVersion, kind, metadata } = manifest
    return call<Manifest>('POST', collectionPath(apiVersion, kind, metadata.namespace), manifest)
  }
}

export function isStatus(error: unknown, status: number): boolean {
  return error instanceof KubeError && error.status === status
}

export function namespace(name: string): Manifest {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name } }
}

export function serviceAccount(namespace: string, name: string): Manifest {
  return { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { namespace, name } }
}

/** The binding that a grant amounts to; equal grants have the same one. */
export function bindingOf(grant: Grant): Manifest {
  const [kind, role] =
    'role' in grant ? (['Role', grant.role] as const) : (['ClusterRole', grant.clusterRole] as const)
  const { subject, namespace } = grant
  const apiGroup = subject.kind === 'ServiceAccount' ? '' : RBAC
  const who = createHash('sha256')
    .update(JSON.stringify([kind, subject]))
    .digest('hex')
    .slice(0, 12)
  return {
    apiVersion: `${RBAC}/v1`,
    kind: namespace === undefined ? 'ClusterRoleBinding' : 'RoleBinding',
    metadata: { name: `${role}:${who}`, ...(namespace !== undefined && { namespace }) },
    subjects: [{ ...subject, apiGroup }],
    roleRef: { kind, name: role, apiGroup: RBAC }
  }
}

/** A role that grants exactly these rules: everywhere, or to be bound in one namespace. */
export function roleOf(name: string, rules: readonly object[], namespace?: string): Manifest {
  return {
    apiVersion: `${RBAC}/v1`,
    kind: namespace === undefined ? 'ClusterRole' : 'Role',
    metadata: { name, ...(namespace !== undefined && { namespace }) },
    rules
  }
}
