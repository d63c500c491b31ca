import type { Manifest, Subject } from '../support/kube-objects.ts'
import { roleOf } from '../support/kube-objects.ts'
import type { Random } from '../support/random.ts'

const RBAC = 'rbac.authorization.k8s.io'

/** What berth asks for, so that about half of what is tried is allowed. */
const ASKED_FOR = [
  ['get', 'imagestreams/layers'],
  ['update', 'imagestreams/layers'],
  ['create', 'imagestreams'],
  ['delete', 'imagestreamtags'],
  ['delete', 'imagestreamimages'],
  ['delete', 'images']
] as const
const VERBS = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection', '*', 'push']
const RESOURCES = [
  ...['imagestreams', 'imagestreams/layers', 'imagestreams/*', '*/layers', 'imagestreams/status', 'layers'],
  ...[
    'imagestreamtags',
    'imagestreamtags/layers',
    'imagetags',
    'imagestreamimages',
    'images',
    'images/layers'
  ],
  ...['registry', 'registry/metrics', 'pods', '*']
]
const GROUP = 'image.openshift.io'
const GROUPS = [['*'], [''], ['apps', GROUP], ['apps'], ['image.openshift.io/v1']]
/** Names of repositories without their namespace, and what might be taken for one. */
const NAMES = ['app', 'web', 'new', 'tool', 'team/app', 'team', 'v1', 'app:v1', '*']

/** Who may be meant, from two service accounts in two namespaces to everybody. */
function randomSubject(random: Random, namespaces: readonly string[]): Subject {
  const namespace = random.pick(namespaces)
  const name = 'builder'
  if (random.chance(0.6)) return { kind: 'ServiceAccount', namespace, name }
  return random.pick<Subject>([
    { kind: 'User', name: `system:serviceaccount:${namespace}:${name}` },
    { kind: 'User', name: `${namespace}:${name}` },
    { kind: 'ServiceAccount', namespace, name: 'default' },
    { kind: 'Group', name: `system:serviceaccounts:${namespace}` },
    { kind: 'Group', name: 'system:serviceaccounts' },
    { kind: 'Group', name: 'system:authenticated' },
    { kind: 'Group', name: 'system:unauthenticated' },
    { kind: 'Group', name: 'system:anonymous' },
    { kind: 'User', name: 'system:anonymous' }
  ])
}

function randomRule(random: Random): object {
  const pairs = Array.from({ length: random.between(1, 5) }, () => random.pick(ASKED_FOR))
  const verbs = new Set<string>(pairs.map(([verb]) => verb))
  const resources = new Set<string>(pairs.map(([, resource]) => resource))
  if (random.chance(0.25)) verbs.add(random.pick(VERBS))
  if (random.chance(0.25)) resources.add(random.pick(RESOURCES))
  return {
    apiGroups: random.chance(0.75) ? [GROUP] : random.pick(GROUPS),
    verbs: random.chance(0.8) ? [...verbs] : [random.pick(VERBS)],
    resources: random.chance(0.8) ? [...resources] : [random.pick(RESOURCES)],
    ...(random.chance(0.2) && { resourceNames: [random.pick(NAMES), random.pick(NAMES)] })
  }
}

/** Some roles, and bindings of them in two namespaces and everywhere. @param id a part of the names of what is made */
export function randomPolicy(random: Random, id: string, namespaces: readonly string[]): Manifest[] {
  const roles = Array.from({ length: random.between(2, 5) }, (_, index) => {
    const rules = Array.from({ length: random.between(1, 3) }, () => randomRule(random))
    return roleOf(`${id}-${index}`, rules, random.chance(0.5) ? random.pick(namespaces) : undefined)
  })
  const bindings = Array.from({ length: random.between(3, 8) }, (_, index): Manifest => {
    const { kind, metadata } = random.pick(roles)
    const isWide = kind === 'ClusterRole' && random.chance(0.35)
    const namespace = isWide ? undefined : (metadata.namespace ?? random.pick(namespaces))
    const subjects = Array.from({ length: random.between(1, 3) }, () => {
      const subject = randomSubject(random, namespaces)
      return { ...subject, apiGroup: subject.kind === 'ServiceAccount' ? '' : RBAC }
    })
    return {
      apiVersion: `${RBAC}/v1`,
      kind: isWide ? 'ClusterRoleBinding' : 'RoleBinding',
      metadata: { name: `${id}-${index}`, ...(namespace !== undefined && { namespace }) },
      subjects,
      roleRef: { kind, name: metadata.name, apiGroup: RBAC }
    }
  })
  return [...roles, ...bindings]
}
