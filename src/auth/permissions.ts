import type { ResourceAttributes } from '../kubernetes/api-server.ts'
import { isNamespaceName } from '../kubernetes/names.ts'
import type { UserInfo } from '../kubernetes/user-info.ts'
import { RegistryError } from '../oci/error.ts'
import type { RepositoryName } from '../oci/name.ts'
import { isAnonymous } from './authority.ts'

/** What may be allowed or not, each with the access review that asks for it. */
export const PERMISSIONS = {
  pull: {
    verb: 'get',
    resource: 'imagestreams',
    subresource: 'layers',
    role: 'registry-viewer',
    words: 'pull from'
  },
  push: {
    verb: 'update',
    resource: 'imagestreams',
    subresource: 'layers',
    role: 'registry-editor',
    words: 'push to'
  },
  /** Beside `push`, for the first push into a repository. */
  create: { verb: 'create', resource: 'imagestreams', role: 'registry-editor', words: 'create' },
  deleteTag: {
    verb: 'delete',
    resource: 'imagestreamtags',
    role: 'registry-editor',
    words: 'delete tags of'
  },
  /** A manifest or a blob, by its digest. */
  deleteContent: {
    verb: 'delete',
    resource: 'imagestreamimages',
    role: 'registry-editor',
    words: 'delete manifests and blobs of'
  },
  /** Whoever may prune may delete anything. */
  prune: { verb: 'delete', resource: 'images', role: 'system:image-pruner', words: 'prune' },
  metrics: {
    verb: 'get',
    resource: 'registry',
    subresource: 'metrics',
    role: 'prometheus-scraper',
    words: 'read the metrics of'
  }
} as const satisfies Record<string, Permission>

interface Permission {
  verb: string
  resource: string
  subresource?: string
  /** One that grants it. */
  role: string
  /** What the caller may not do, for the refusal. */
  words: string
}

export type PermissionName = keyof typeof PERMISSIONS

/** Where it is to be allowed: a repository, all of a namespace or, where it names neither, the whole cluster. */
export interface Place {
  namespace?: string
  /** The repository's name without its namespace. */
  name?: string
}

const EVERYWHERE: Place = {}

/** The API group that all of them belong to. OpenShift's registry has the same. */
const GROUP = 'image.openshift.io'

export function attributesOf(permission: PermissionName, { namespace, name }: Place): ResourceAttributes {
  const { verb, resource, subresource } = PERMISSIONS[permission] as Permission
  return {
    verb,
    group: GROUP,
    resource,
    ...(subresource !== undefined && { subresource }),
    ...(namespace !== undefined && { namespace }),
    ...(name !== undefined && { name })
  }
}

/**
 * The namespace that a repository's name begins with, and the rest.
 * @param nested whether the rest may have several parts
 * @throws RegistryError NAMESPACE_UNKNOWN for a name of one part; NAMESPACE_INVALID for too many, and for a first part that can
 *   be no namespace's name (RFC 1123 label)
 */
export function placeOf(repository: RepositoryName, nested: boolean): Required<Place> {
  const slash = repository.indexOf('/')
  const namespace = repository.slice(0, slash)
  const name = repository.slice(slash + 1)
  if (slash === -1) {
    const hint = `"${repository}": a repository here is <namespace>/<name>, such as default/${repository}`
    throw new RegistryError('NAMESPACE_UNKNOWN', hint)
  }
  if (!isNamespaceName(namespace)) {
    const hint = `"${namespace}" can be no namespace: at most 63 lower-case letters, digits and dashes`
    throw new RegistryError('NAMESPACE_INVALID', hint)
  }
  if (!nested && name.includes('/')) {
    const hint = `"${repository}": a repository here is <namespace>/<name>, with one slash; more take REGISTRY_OPENSHIFT_AUTH_NESTEDREPOSITORIES=true`
    throw new RegistryError('NAMESPACE_INVALID', hint)
  }
  return { namespace, name }
}

/** For a refusal: who may not do what, which right is needed, and the command that would grant it. */
export function explainDenial(user: UserInfo, permission: PermissionName, place: Place = EVERYWHERE): string {
  const { verb, resource, subresource, role, words } = PERMISSIONS[permission] as Permission
  const { namespace, name } = place
  const what = subresource === undefined ? resource : `${resource}/${subresource}`
  const where =
    namespace === undefined ? 'this registry' : `${namespace}${name === undefined ? '' : `/${name}`}`
  const scope = namespace === undefined ? 'cluster-wide' : `in namespace "${namespace}"`
  const refusal = `${shown(user.username)} may not ${words} ${where}: needs "${verb}" on ${what} ${scope} (role ${role})`
  if (!isAnonymous(user)) {
    const command = grantCommand(user, role, namespace)
    return `${refusal}; an administrator grants it with: ${command}`
  }
  // Nobody is to let everybody push because somebody forgot to log in.
  if (permission !== 'pull') return `${refusal}; log in`
  const command = grantCommand(user, 'system:image-puller', namespace)
  return `${refusal}; log in, or an administrator opens it to everybody with: ${command}`
}

/** Others may be called so as well, by an identity provider that lets users choose: their names must not come near a shell. */
const SERVICE_ACCOUNT = /^system:serviceaccount:([a-z0-9-]{1,63}):([a-z0-9.-]{1,253})$/

/** Works in OpenShift as well, where `oc` may stand for `kubectl`. */
function grantCommand(user: UserInfo, role: string, namespace: string | undefined): string {
  const { username } = user
  const [, serviceAccountNamespace, serviceAccount] = SERVICE_ACCOUNT.exec(username) ?? []
  const subject = isAnonymous(user)
    ? '--group=system:unauthenticated --group=system:authenticated'
    : serviceAccount === undefined
      ? `--user=${shellQuoted(whole(username))}`
      : `--serviceaccount=${serviceAccountNamespace}:${serviceAccount}`
  const kind = namespace === undefined ? 'clusterrolebinding' : 'rolebinding'
  // Service accounts of several namespaces share a name, `default` above all.
  const account = serviceAccount && `${serviceAccountNamespace}-${serviceAccount}`
  const who = isAnonymous(user) ? 'everybody' : (account ?? username)
  const binding = `${role}-${who}`
    .toLowerCase()
    .replace(/[^a-z0-9.:-]+/g, '-')
    .slice(0, 100)
  const where = namespace === undefined ? '' : ` -n ${namespace}`
  return `kubectl create ${kind} ${binding} --clusterrole=${role} ${subject}${where}`
}

/** A user's name is whatever an identity provider says: printable ASCII of it, cut after 100 characters. */
export function shown(username: string): string {
  const text = username.replace(/[^ -~]/g, '?')
  return text.length > 100 ? `${text.slice(0, 100)}...` : text
}

/** A part of a name, or one like it, could be somebody else's. */
const whole = (username: string): string => (shown(username) === username ? username : '<the whole name>')

const shellQuoted = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
