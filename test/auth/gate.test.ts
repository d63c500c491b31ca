import t from 'tap'
import { pushImage, refusal } from '../http/support.ts'
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
