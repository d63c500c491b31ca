import type { ResourceAttributes } from '../../src/kubernetes/api-server.ts'
import type { UserInfo } from '../../src/kubernetes/user-info.ts'

/** What may be done to what. Kubernetes API: rbac.authorization.k8s.io/v1 "PolicyRule"; `*` is any. */
export interface Rule {
  verbs: readonly string[]
  /** `image.openshift.io` unless said. */
  group?: string
  /** `imagestreams`, `imagestreams/layers`, `*`, or the subresource of any resource: `*` + `/layers`. */
  resources: readonly string[]
  /** Any, unless said. */
  names?: readonly string[]
}

const IMAGE_RESOURCES = [
  'imagestreams',
  'imagestreamtags',
  'imagetags',
  'imagestreamimages',
  'imagestreammappings'
]
const PULL: Rule = { verbs: ['get'], resources: ['imagestreams/layers'] }
const PUSH: Rule = { verbs: ['get', 'update'], resources: ['imagestreams/layers'] }
const EDIT: Rule[] = [{ verbs: ['*'], resources: IMAGE_RESOURCES }, PUSH]

/** OpenShift's roles, as far as a registry asks about them. */
export const ROLES = {
  'registry-viewer': [{ verbs: ['get', 'list', 'watch'], resources: IMAGE_RESOURCES }, PULL],
  'registry-editor': EDIT,
  'registry-admin': EDIT,
  'system:image-puller': [PULL],
  'system:image-pusher': [PUSH],
  'system:image-builder': [PUSH, { verbs: ['create'], resources: ['imagestreams'] }],
  'system:image-pruner': [
    { verbs: ['delete', 'get', 'list', 'watch'], resources: ['images'] },
    { verbs: ['get', 'list', 'watch'], resources: ['imagestreams'] }
  ],
  'prometheus-scraper': [{ verbs: ['get'], resources: ['registry/metrics'] }]
} as const satisfies Record<string, readonly Rule[]>

/** Rules given to a user or a group, in one namespace or everywhere. */
export interface Binding {
  subject: { user: string } | { group: string }
  rules: readonly Rule[]
  namespace: string | undefined
}

/** As the real one does it: a resource and its subresource are one text, and a rule without names means any. */
function allows(rule: Rule, { verb, group = '', resource, subresource, name }: ResourceAttributes): boolean {
  const whole = subresource ? `${resource}/${subresource}` : resource
  return (
    rule.verbs.some((v) => v === '*' || v === verb) &&
    (rule.group === '*' || (rule.group ?? 'image.openshift.io') === group) &&
    rule.resources.some((r) => r === '*' || r === whole || (subresource && r === `*/${subresource}`)) &&
    (rule.names === undefined || (name !== undefined && rule.names.includes(name)))
  )
}

/** Whether one of the bindings lets the user do that: a binding in a namespace says nothing about other ones. */
export function isAllowed(
  bindings: Iterable<Binding>,
  user: Pick<UserInfo, 'username' | 'groups'>,
  wanted: ResourceAttributes
): boolean {
  return [...bindings].some(
    ({ subject, rules, namespace }) =>
      ('user' in subject ? subject.user === user.username : user.groups.includes(subject.group)) &&
      (namespace === undefined || namespace === wanted.namespace) &&
      rules.some((rule) => allows(rule, wanted))
  )
}
