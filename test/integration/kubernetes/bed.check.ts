// The API server that the checks beside this one judge berth by: it does what they take for granted.
import { deepEqual, equal, match, notEqual, rejects } from 'node:assert/strict'
import { startKube } from '../support/kube.ts'
import { roleOf } from '../support/kube-objects.ts'
import { step } from '../support/steps.ts'

const REVIEWS = '/apis/authentication.k8s.io/v1/tokenreviews'

interface TokenReview {
  status: { authenticated?: boolean; user: { username?: string; uid?: string; groups?: string[] } }
}

const kube = await startKube()
const uid = await kube.createNamespace('team')
const alice = await kube.createServiceAccount('team', 'alice')
const readPods = { namespace: 'team', verb: 'get', resource: 'pods' }
const grant = {
  clusterRole: 'pod-reader',
  namespace: 'team',
  subject: { kind: 'ServiceAccount', namespace: 'team', name: 'alice' }
} as const
await kube.put(roleOf('pod-reader', [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }]))

await step('it says which Kubernetes it is', async () => {
  const { gitVersion } = await kube.admin<{ gitVersion: string }>('GET', '/version')
  match(gitVersion, /^v1\.\d+\.\d+$/)
})

await step("a service account's token tells who has it, for the audiences it was asked for", async () => {
  const plain = await reviewToken(await kube.token('team', 'alice'))
  const { username, uid, groups } = plain.user
  deepEqual({ authenticated: plain.authenticated, username, uid, groups }, { authenticated: true, ...alice })

  const forRegistry = await kube.token('team', 'alice', { audiences: ['registry'], expirationSeconds: 600 })
  equal((await reviewToken(forRegistry, ['registry'])).authenticated, true)
  equal((await reviewToken(forRegistry)).authenticated ?? false, false)
  equal((await reviewToken('nonsense')).authenticated ?? false, false)
})

await step('a binding decides what is allowed, at once', async () => {
  // Without waiting for them, one in twenty is reviewed too soon.
  for (let time = 0; time < 50; time += 1) {
    equal(await kube.accessReview(alice, readPods), false)
    await kube.bind(grant)
    equal(await kube.accessReview(alice, readPods), true)
    equal(await kube.accessReview(alice, { ...readPods, namespace: 'default' }), false)
    await kube.unbind(grant)
  }
})

await step('a call is counted when it is answered, with who made it and what for', async () => {
  const before = kube.calls().length
  const call = kube.as(await kube.token('team', 'alice'))
  await rejects(call('GET', '/api/v1/namespaces/team'), { status: 403 })
  await rejects(kube.as('nonsense')('GET', '/api/v1/namespaces/team'), { status: 401 })
  await rejects(kube.as()('POST', REVIEWS, {}), { status: 403 })
  deepEqual(
    kube
      .calls()
      .slice(before)
      .map(({ username, verb, resource }) => [username, verb, resource].join(' ')),
    [`${alice.username} get namespaces`, ' get namespaces', 'system:anonymous create tokenreviews']
  )
})

await step(
  'a namespace made again under its name is another one, with nothing of the first in it',
  async () => {
    await kube.bind(grant)
    await kube.deleteNamespace('team')
    await rejects(kube.admin('GET', '/api/v1/namespaces/team'), { status: 404 })
    notEqual(await kube.createNamespace('team'), uid)
    equal(await kube.accessReview(alice, readPods), false)
    await rejects(kube.token('team', 'alice'), { status: 404 })
  }
)

await step('it comes back where it was, with what it knew', async () => {
  await kube.createServiceAccount('team', 'alice')
  await kube.bind(grant)
  const token = await kube.token('team', 'alice')
  await kube.stop()
  await rejects(kube.admin('GET', '/version'), { code: 'ECONNREFUSED' })
  await kube.start()
  equal((await reviewToken(token)).authenticated, true)
  equal(await kube.accessReview(alice, readPods), true)
})

await kube.end()

async function reviewToken(token: string, audiences?: string[]): Promise<TokenReview['status']> {
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token, audiences } }
  return (await kube.admin<TokenReview>('POST', REVIEWS, body)).status
}
