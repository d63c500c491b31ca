// What berth does where its own account may do less than deploy/rbac gives it, as on OpenShift; and tokens that are
// meant for somebody else than the API server.
import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { createClient } from '../support/client.ts'
import { type AuditedCall, startKube } from '../support/kube.ts'
import { prepareCluster, startClusterBerth } from '../support/kube-berth.ts'
import { type Grant, roleOf } from '../support/kube-objects.ts'
import { createPerson, type Person, pushImage, type Reply } from '../support/person.ts'
import type { RunningServer } from '../support/processes.ts'
import { step } from '../support/steps.ts'

const PROCESSES = 4

const kube = await startKube()
await prepareCluster(kube)

/** What each account may do of what berth asks for. */
const REVIEW_ACCESS = {
  apiGroups: ['authorization.k8s.io'],
  resources: ['subjectaccessreviews'],
  verbs: ['create']
}
const REVIEW_TOKENS = {
  apiGroups: ['authentication.k8s.io'],
  resources: ['tokenreviews'],
  verbs: ['create']
}
const GET_NAMESPACES = { apiGroups: [''], resources: ['namespaces'], verbs: ['get'] }
const ACCOUNTS = {
  'no-token-reviews': [REVIEW_ACCESS, GET_NAMESPACES],
  'no-namespaces': [REVIEW_ACCESS, REVIEW_TOKENS],
  'no-access-reviews': [REVIEW_TOKENS, GET_NAMESPACES],
  openshift: [REVIEW_ACCESS]
}
for (const [name, rules] of Object.entries(ACCOUNTS)) {
  await kube.createServiceAccount('berth', name)
  await kube.put(roleOf(name, rules))
  await kube.bind({ clusterRole: name, subject: { kind: 'ServiceAccount', namespace: 'berth', name } })
}

await kube.createNamespace('people')
const subject = (name: string) => ({ kind: 'ServiceAccount', namespace: 'people', name }) as const
for (const name of ['editor', 'viewer', 'leaver']) await kube.createServiceAccount('people', name)

/** A namespace in which they may do what their names say, and everybody may pull from one repository. */
async function createTeam(name: string): Promise<void> {
  await kube.createNamespace(name)
  const rule = {
    apiGroups: ['image.openshift.io'],
    resources: ['imagestreams/layers'],
    verbs: ['get'],
    resourceNames: ['public']
  }
  await kube.put(roleOf('pull-public', [rule], name))
  const grants: Grant[] = [
    { clusterRole: 'registry-editor', namespace: name, subject: subject('editor') },
    { clusterRole: 'registry-viewer', namespace: name, subject: subject('viewer') },
    { role: 'pull-public', namespace: name, subject: { kind: 'Group', name: 'system:unauthenticated' } }
  ]
  for (const grant of grants) await kube.bind(grant)
}

interface Scene {
  berth: RunningServer
  /** Whoever shows this, or nothing. */
  who(secret?: string): Person
  /** A new token each time, which berth has not seen. */
  editor: Person
  viewer: Person
  /** What berth's account asked so far. */
  asked(resource: string): AuditedCall[]
}

/** Does something with a berth that has this account. */
async function withBerth(
  account: keyof typeof ACCOUNTS | 'registry',
  env: Record<string, string>,
  part: (scene: Scene) => Promise<void>
): Promise<void> {
  const berth = await startClusterBerth(kube, {
    account,
    env: {
      ...env,
      REGISTRY_HTTP_PROCESSES: String(PROCESSES),
      REGISTRY_HTTP_SECRET: 'a secret for this check'
    }
  })
  const before = kube.calls().length
  const who = (secret?: string): Person => createPerson(berth.url, secret)
  try {
    await part({
      berth,
      who,
      editor: who(await kube.token('people', 'editor')),
      viewer: who(await kube.token('people', 'viewer')),
      asked: (resource) =>
        kube
          .calls()
          .slice(before)
          .filter(
            (call) => call.resource === resource && call.username === `system:serviceaccount:berth:${account}`
          )
    })
  } finally {
    await berth.stop()
  }
  deepEqual(berth.log().match(/.*level=(error|fatal) .*/g), null)
}

const warnings = ({ berth }: Scene, about: RegExp): number =>
  berth
    .log()
    .split('\n')
    .filter((line) => line.includes(' level=warn ') && about.test(line)).length

function isRefusal({ status, text }: Reply, expected: number, code: string): void {
  equal(`${status} ${JSON.parse(text).errors[0].code}`, `${expected} ${code}`, text)
}

/** All that roles allow and refuse, by the cluster's token and by the registry's. */
async function useRegistry({ editor, viewer, who }: Scene, namespace: string): Promise<void> {
  await createTeam(namespace)
  const name = `${namespace}/app`
  await pushImage(editor, { name, tag: 'v1', content: 'first' })
  await pushImage(editor, { name: `${namespace}/public`, tag: 'v1', content: 'for all' })
  const path = `/v2/${name}/manifests/v1`
  for (const scope of ['pull', 'pull,push']) {
    const authorization = `Bearer ${await viewer.token(`repository:${name}:${scope}`)}`
    equal((await viewer.ask('GET', path, { authorization })).status, 200)
    isRefusal(await viewer.ask('POST', `/v2/${name}/blobs/uploads/`, { authorization }), 401, 'UNAUTHORIZED')
  }
  equal((await viewer.ask('GET', path)).status, 200)
  isRefusal(await viewer.ask('POST', `/v2/${name}/blobs/uploads/`), 403, 'DENIED')

  isRefusal(await who().ask('GET', path), 401, 'UNAUTHORIZED')
  for (const repository of ['app', 'public']) {
    const authorization = `Bearer ${await who().token(`repository:${namespace}/${repository}:pull`)}`
    const { status } = await who().ask('GET', `/v2/${namespace}/${repository}/manifests/v1`, {
      authorization
    })
    equal(status, repository === 'public' ? 200 : 401)
  }
  for (const secret of ['garbage', `${await kube.token('people', 'viewer')}x`]) {
    isRefusal(await who(secret).ask('GET', path), 401, 'UNAUTHORIZED')
    isRefusal(await who(secret).exchange(`repository:${name}:pull`), 401, 'UNAUTHORIZED')
  }
}

await step('without TokenReviews everybody is who the API server tells them that they are', () =>
  withBerth('no-token-reviews', {}, async (scene) => {
    const leaver = [await kube.token('people', 'leaver'), await kube.token('people', 'leaver')]
    equal((await scene.who(leaver[0]).ask('GET', '/v2/')).status, 200)
    await kube.admin('DELETE', '/api/v1/namespaces/people/serviceaccounts/leaver')
    isRefusal(await scene.who(leaver[1]).ask('GET', '/v2/'), 401, 'UNAUTHORIZED')

    await useRegistry(scene, 'self')
    await fromAllProcesses(scene)
    equal(warnings(scene, /may not create tokenreviews/), 1)
    equal(warnings(scene, /./), 1)
    ok(scene.asked('tokenreviews').length <= PROCESSES, 'it asks once, and then not for a while')
    equal(scene.asked('selfsubjectreviews').length, 0, 'its own token is not shown in their place')
  })
)

await step('without namespaces it goes by their names', () =>
  withBerth('no-namespaces', {}, async (scene) => {
    await useRegistry(scene, 'named')
    await kube.deleteNamespace('named')
    await createTeam('named')
    equal((await scene.viewer.ask('GET', '/v2/named/app/manifests/v1')).status, 200, 'as was warned')
    await fromAllProcesses(scene)
    equal(warnings(scene, /may not get namespaces.*can read its old images/), 1)
    equal(warnings(scene, /./), 1)
    ok(scene.asked('namespaces').length <= PROCESSES, 'it asks once, and then not for a while')
  })
)

await step("the account of OpenShift's registry may do neither, and roles count all the same", () =>
  withBerth('openshift', {}, async (scene) => {
    await useRegistry(scene, 'shift')
    await fromAllProcesses(scene)
    equal(warnings(scene, /./), 2)
  })
)

await step('without access reviews nobody may do anything, and is told to try later', () =>
  withBerth('no-access-reviews', {}, async ({ viewer, who }) => {
    equal((await viewer.ask('GET', '/v2/')).status, 200)
    for (const [person, path] of [
      [viewer, '/v2/self/public/manifests/v1'],
      [viewer, '/openshift/token?scope=repository:self/public:pull'],
      [who(), '/openshift/token?scope=repository:self/public:pull'],
      [who('garbage'), '/openshift/token?scope=repository:self/public:pull']
    ] as const) {
      const reply = await person.ask('GET', path)
      isRefusal(reply, 503, 'UNAVAILABLE')
      match(reply.headers.get('retry-after') ?? '', /^\d+$/)
    }
  })
)

const AUDIENCES = { REGISTRY_OPENSHIFT_AUTH_AUDIENCES: 'https://registry.example.com, registry' }

/** Whom berth knows, of those whose token is meant for these. */
async function known({ who }: Scene): Promise<string[]> {
  const meant = { 'the API server': undefined, registry: ['registry'], other: ['other'] }
  const both = { 'registry and other': ['other', 'https://registry.example.com'] }
  const names: string[] = []
  for (const [name, audiences] of Object.entries({ ...meant, ...both })) {
    const token = await kube.token('people', 'viewer', audiences && { audiences })
    const { status } = await who(token).ask('GET', '/v2/')
    if (status === 200) names.push(name)
    else equal(status, 401)
    equal((await who(token).exchange()).status, status)
  }
  return names
}

await step('a token must be meant for the API server', async () => {
  await withBerth('registry', {}, async (scene) => deepEqual(await known(scene), ['the API server']))
  await withBerth('no-token-reviews', {}, async (scene) => deepEqual(await known(scene), ['the API server']))
})

await step('a token must be meant for one of the audiences, where there are any', () =>
  withBerth('registry', AUDIENCES, async (scene) => {
    deepEqual(await known(scene), ['registry', 'registry and other'])
    equal(warnings(scene, /./), 0)
  })
)

await step('where nobody says what audience a token has, all are told to try later', () =>
  withBerth('no-token-reviews', AUDIENCES, async (scene) => {
    for (const audiences of [undefined, ['registry']]) {
      const token = await kube.token('people', 'viewer', audiences && { audiences })
      isRefusal(await scene.who(token).ask('GET', '/v2/'), 503, 'UNAVAILABLE')
    }
    await fromAllProcesses(scene)
    equal(warnings(scene, /may not create tokenreviews.*AUDIENCES\): nobody gets in/), 1)
  })
)

await kube.end()

/** Lets each process see a token and a repository that it has not seen. */
async function fromAllProcesses({ berth }: Scene): Promise<void> {
  const token = await kube.token('people', 'viewer')
  for (let connection = 0; connection < 5 * PROCESSES; connection += 1) {
    const client = createClient(berth.url)
    const headers = { authorization: `Bearer ${token}` }
    await client.request('GET', `/v2/other-${connection}/app/tags/list`, { headers })
    client.close()
  }
}
