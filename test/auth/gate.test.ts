import t from 'tap'
import type { RepositoryName } from '../../src/oci/name.ts'
import { StorageUnavailable } from '../../storage/driver.ts'
import { memoryStorage } from '../../storage/memory.ts'
import { pushImage, refusal } from '../http/support.ts'
import { interposed } from '../registry/interposed.ts'
import { as, basic, bearer, world } from './world.ts'

t.test('a viewer pulls, an editor pushes', async (t) => {
  const it = await world(t)
  const { cluster } = it
  cluster.createNamespace('team')
  const viewer = cluster.addUser('vera')
  const editor = cluster.addUser('ed')
  cluster.grant('vera', 'registry-viewer', 'team')
  cluster.grant('ed', 'registry-editor', 'team')
  const { digest } = await pushImage(as(it, basic(editor)), 'team/app', 'v1')
  for (const authorization of [
    basic(viewer),
    bearer(viewer),
    bearer(await it.exchange(basic(viewer), 'repository:team/app:pull'))
  ]) {
    const answer = await it.ask('GET', '/v2/team/app/manifests/v1', { headers: { authorization } })
    t.equal(answer.statusCode, 200)
    t.equal(answer.headers['docker-content-digest'], digest)
  }
  const answer = await as(it, bearer(viewer)).ask('POST', '/v2/team/app/blobs/uploads/')
  t.equal(refusal(answer), '403 DENIED')
  t.match(answer.body, 'vera may not push to team/app: needs')
  const jwt = await it.exchange(bearer(viewer), 'repository:team/app:pull,push')
  const second = await as(it, bearer(jwt)).ask('POST', '/v2/team/app/blobs/uploads/')
  t.equal(second.statusCode, 401)
  t.match(second.headers['www-authenticate'], 'insufficient_scope')
  t.match(second.body, 'vera may not push')
})

t.test('a repository that cannot be adopted can be pulled all the same', async (t) => {
  let isReadOnly = false
  const storage = interposed(memoryStorage(), (call) => {
    if (isReadOnly && call.startsWith('write ')) throw new StorageUnavailable('read-only')
  })
  const it = await world(t, { storage })
  it.cluster.createNamespace('team')
  it.cluster.grant('ed', 'registry-editor', 'team')
  const editor = basic(it.cluster.addUser('ed'))
  await pushImage(
    as(await world(t, { storage, cluster: it.cluster, namespaceUids: false }), editor),
    'team/app',
    'v1'
  )
  isReadOnly = true
  t.equal((await as(it, editor).ask('GET', '/v2/team/app/manifests/v1')).statusCode, 200)
  t.equal((await as(it, editor).ask('PUT', '/v2/team/app/manifests/v2', { body: '{}' })).statusCode, 503)
  isReadOnly = false
  await as(it, editor).ask('GET', '/v2/team/app/manifests/v1')
  t.ok(await it.registry.owners.read('team/app' as RepositoryName), 'later it is adopted')
})

const GET = { 'http.request.method': 'GET' }
const ED = { 'openshift.auth.user': 'ed the editor' }
const status = (code: number) => ({ 'http.response.status': code })

t.test('the line of a request says who sent it', async (t) => {
  const it = await world(t, { accessLog: true })
  it.cluster.createNamespace('team')
  it.cluster.grant({ group: 'team' }, 'registry-editor', 'team')
  const editor = it.cluster.addUser('ed the editor', { groups: ['team'] })
  await pushImage(as(it, basic(editor)), 'team/app', 'v1')
  const jwt = await it.exchange(basic(editor), 'repository:team/app:pull')
  it.accessLines.length = 0
  for (let time = 0; time < 2; time++) await as(it, bearer(jwt)).ask('GET', '/v2/team/app/manifests/v1')
  await as(it, basic(editor)).ask('DELETE', '/v2/team/app/manifests/v1')
  await as(it, basic('nonsense')).ask('GET', '/v2/team/app/manifests/v1')
  await as(it, basic(editor)).ask('GET', '/v2/')
  await it.ask('GET', '/v2/')
  t.match(it.accessLines, [
    { ...GET, ...ED, ...status(200) },
    { ...GET, ...ED, ...status(200) },
    { 'http.request.method': 'DELETE', ...ED, ...status(202) },
    { ...GET, 'openshift.auth.user': undefined, ...status(401) },
    { ...GET, ...ED, ...status(200) },
    { ...GET, 'openshift.auth.user': 'system:anonymous', ...status(401) }
  ])
})
