// deploy/rbac on a real API server: each role allows exactly what this page says, and nothing else that was tried.
import { deepEqual, ok, rejects } from 'node:assert/strict'
import { join } from 'node:path'
import { type KubeUser, startKube } from '../support/kube.ts'
import { CHECKOUT } from '../support/processes.ts'
import { step } from '../support/steps.ts'

const VERBS = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection'] as const
const READ = ['get', 'list', 'watch']

/** What is tried, beside each verb: resources of image.openshift.io, and those that no role may touch. */
const IMAGES = [
  ...['imagestreams', 'imagestreamtags', 'imagetags', 'imagestreamimages', 'imagestreammappings'],
  ...['imagestreams/layers', 'imagestreams/secrets', 'imagestreams/status', 'imagestreamimports'],
  ...['images', 'images/layers', 'imagesignatures', 'registry', 'registry/metrics']
].map((resource) => ({ group: 'image.openshift.io', resource }))
const OTHERS = [
  ...[
    'secrets',
    'serviceaccounts',
    'serviceaccounts/token',
    'configmaps',
    'pods',
    'pods/exec',
    'namespaces'
  ].map((resource) => ({ group: '', resource })),
  { group: '', resource: 'imagestreams/layers' },
  ...['roles', 'rolebindings', 'clusterroles', 'clusterrolebindings'].map((resource) => ({
    group: 'rbac.authorization.k8s.io',
    resource
  })),
  ...['localsubjectaccessreviews', 'subjectaccessreviews'].map((resource) => ({
    group: 'authorization.k8s.io',
    resource
  })),
  { group: 'authentication.k8s.io', resource: 'tokenreviews' }
]

/** Resource → verbs, in the order above. */
type Allowed = Record<string, readonly string[]>

const VIEWER: Allowed = {
  imagestreams: READ,
  imagestreamtags: READ,
  imagetags: READ,
  imagestreamimages: READ,
  imagestreammappings: READ,
  'imagestreams/layers': ['get']
}
const EDITOR: Allowed = {
  imagestreams: VERBS,
  imagestreamtags: VERBS,
  imagetags: VERBS,
  imagestreamimages: VERBS,
  imagestreammappings: VERBS,
  'imagestreams/layers': ['get', 'update'],
  imagestreamimports: ['create']
}
const ROLES: Record<string, Allowed> = {
  'registry-viewer': VIEWER,
  'registry-editor': EDITOR,
  'registry-admin': { ...EDITOR, localsubjectaccessreviews: ['create'] },
  'system:image-puller': { 'imagestreams/layers': ['get'] },
  'system:image-pusher': { 'imagestreams/layers': ['get', 'update'] },
  'system:image-builder': { 'imagestreams/layers': ['get', 'update'], imagestreams: ['create'] }
}
const CLUSTER_ROLES: Record<string, Allowed> = {
  'system:image-pruner': { images: [...READ, 'delete'], imagestreams: READ },
  'prometheus-scraper': { 'registry/metrics': ['get'] },
  'berth-registry': { tokenreviews: ['create'], subjectaccessreviews: ['create'], namespaces: ['get'] }
}

const kube = await startKube()
for (const name of ['berth', 'team', 'other']) await kube.createNamespace(name)
await kube.apply(join(CHECKOUT, 'deploy/rbac/registry.yaml'), join(CHECKOUT, 'deploy/rbac/roles.yaml'))

for (const [role, allowed] of Object.entries(ROLES)) {
  await step(`${role} allows what it says in its namespace, and nothing in another`, async () => {
    const name = `has-${role}`
    await kube.bind({ clusterRole: role, namespace: 'team', subject: { kind: 'User', name } })
    deepEqual(await allowedTo({ username: name }, 'team'), allowed)
    deepEqual(await allowedTo({ username: name }, 'other'), {})
    deepEqual(await allowedTo({ username: name }), {})
  })
}

for (const [role, allowed] of Object.entries(CLUSTER_ROLES)) {
  await step(`${role} allows what it says in the whole cluster`, async () => {
    const name = `has-${role}`
    await kube.bind({ clusterRole: role, subject: { kind: 'User', name } })
    deepEqual(await allowedTo({ username: name }), allowed)
  })
}

await step("the registry's account can do its work, and nothing else", async () => {
  const account = await kube.createServiceAccount('berth', 'registry')
  deepEqual(await allowedTo({ username: account.username }), CLUSTER_ROLES['berth-registry'])

  const call = kube.as(await kube.token('berth', 'registry'))
  const review = { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview' }
  const attributes = { namespace: 'team', verb: 'get', resource: 'pods' }
  const spec = { user: 'somebody', resourceAttributes: attributes }
  await call('POST', '/apis/authorization.k8s.io/v1/subjectaccessreviews', { ...review, spec })
  await call('POST', '/apis/authentication.k8s.io/v1/tokenreviews', {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenReview',
    spec: { token: 'nonsense' }
  })
  await call('GET', '/api/v1/namespaces/team')
  for (const path of ['/api/v1/namespaces', '/api/v1/secrets', '/api/v1/namespaces/berth/secrets']) {
    await rejects(call('GET', path), { status: 403 })
  }
})

await step('who has a role of Kubernetes in a namespace has that of the registry with it', async () => {
  const { items } = await kube.admin<{ items: ClusterRole[] }>(
    'GET',
    '/apis/rbac.authorization.k8s.io/v1/clusterroles'
  )
  const aggregated = ['view', 'edit', 'admin'].map((name) => {
    const selectors = items.find(({ metadata }) => metadata.name === name)?.aggregationRule
      ?.clusterRoleSelectors
    ok(selectors, `${name} gathers other roles`)
    const labels = selectors.map(({ matchLabels }) => Object.entries(matchLabels))
    const isChosen = ({ metadata }: ClusterRole): boolean =>
      labels.some((wanted) => wanted.every(([label, value]) => metadata.labels?.[label] === value))
    return items
      .filter((role) => isChosen(role) && role.metadata.name in ROLES)
      .map(({ metadata }) => metadata.name)
  })
  deepEqual(aggregated, [
    ['registry-viewer'],
    ['registry-editor', 'system:image-builder'],
    ['registry-admin', 'system:image-builder']
  ])
})

await kube.end()

interface ClusterRole {
  metadata: { name: string; labels?: Record<string, string> }
  aggregationRule?: { clusterRoleSelectors: { matchLabels: Record<string, string> }[] }
}

/** All that somebody may do of what is tried. */
async function allowedTo(user: KubeUser, namespace?: string): Promise<Allowed> {
  const tried = [...IMAGES, ...OTHERS].map(async ({ group, resource: path }) => {
    const [resource = '', subresource] = path.split('/')
    const attributes = {
      group,
      resource,
      ...(subresource && { subresource }),
      ...(namespace && { namespace })
    }
    const verbs = await Promise.all(VERBS.map((verb) => kube.accessReview(user, { ...attributes, verb })))
    const key = group === '' && path.startsWith('imagestreams') ? `legacy ${path}` : path
    return [key, VERBS.filter((_, index) => verbs[index])] as const
  })
  return Object.fromEntries((await Promise.all(tried)).filter(([, verbs]) => verbs.length > 0))
}
