import t, { type Test } from 'tap'
import { type ApiServer, createApiServer } from '../../src/kubernetes/api-server.ts'
import { type FakeCluster, fakeCluster } from './fake-api-server.ts'

async function apiOf(t: Test, cluster: FakeCluster): Promise<ApiServer> {
  const api = createApiServer(await cluster.connection(), { sleep: async () => {} })
  t.teardown(() => api.close())
  return api
}

t.test('a token review says who the caller is, with everything that the authenticator knows', async (t) => {
  const cluster = await fakeCluster(t)
  const api = await apiOf(t, cluster)
  const extra = { 'example.org/a': ['1', '2'], scopes: ['user:info'], __proto__x: [] }
  const token = cluster.addUser('kube:admin', { groups: ['devs', 'ops'], uid: 'u-1', extra })
  t.strictSame(await api.reviewToken(token, []), {
    authenticated: true,
    user: { username: 'kube:admin', uid: 'u-1', groups: ['devs', 'ops', 'system:authenticated'], extra },
    audiences: ['https://kubernetes.default.svc']
  })
  t.strictSame(cluster.calls(), { tokenreviews: 1 })
})
