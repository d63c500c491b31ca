import t, { type Test } from 'tap'
import { refusal } from '../../http/support.ts'
import { basic, bearer } from '../world.ts'
import { type Scene, scene } from './scene.ts'

const PULL = 'repository:team/app:pull'

interface Public extends Scene {
  url: string
  /** What a pull meets with this header, or with none. */
  pull(authorization?: string): Promise<string>
}

async function open(t: Test, ...groups: string[]): Promise<Public> {
  const it = await scene(t)
  const { tag } = await it.fill('team/app')
  for (const group of groups) it.cluster.grant({ group }, 'system:image-puller', 'team')
  const url = `/v2/team/app/manifests/${tag}`
  return {
    ...it,
    url,
    pull: async (authorization) =>
      refusal(await it.ask('HEAD', url, { headers: authorization === undefined ? {} : { authorization } }))
  }
}

t.test('what everybody may pull, nobody in particular may, with a token that anybody gets', async (t) => {
  const it = await open(t, 'system:unauthenticated', 'system:authenticated')
  it.cluster.reset()
  t.equal(await it.pull(), '401')
  t.equal(refusal(await it.ask('HEAD', '/v2/')), '401', 'the ping challenges all the same')
  t.same(it.cluster.calls(), {}, 'who shows nothing costs nothing')
  const token = await it.exchange(undefined, 'repository:team/app:pull,push,delete')
  t.equal(await it.pull(bearer(token)), '200')
  t.equal(await it.pull('Basic Og=='), '401')
  for (const secret of [it.tokens.bad, it.tokens.expired] as string[]) {
    for (const authorization of [basic(secret), bearer(secret)]) t.equal(await it.pull(authorization), '401')
  }
  for (const secret of [it.tokens.stranger, it.tokens.metrics] as string[]) {
    t.equal(await it.pull(basic(secret)), '200')
    t.equal(await it.pull(bearer(await it.exchange(basic(secret), PULL))), '200')
  }
  for (const [method, url] of [
    ['POST', '/v2/team/app/blobs/uploads/'],
    ['DELETE', it.url]
  ] as const) {
    t.equal(
      refusal(await it.ask(method, url, { headers: { authorization: bearer(token) } })),
      '401 UNAUTHORIZED'
    )
  }
  t.same(it.changes(), [])
})

t.test('what all who have logged in may pull, nobody else may', async (t) => {
  const it = await open(t, 'system:authenticated')
  t.equal(await it.pull(bearer(await it.exchange(undefined, PULL))), '401')
  t.equal(await it.pull(bearer(it.tokens.stranger as string)), '200')
  t.equal(await it.pull(bearer(it.tokens.metrics as string)), '200')
})

t.test('the service accounts of another namespace may pull where they are let in', async (t) => {
  const it = await open(t, 'system:serviceaccounts:ci')
  t.equal(await it.pull(bearer(it.cluster.addServiceAccount('ci', 'builder'))), '200')
  t.equal(await it.pull(bearer(it.cluster.addServiceAccount('ci-2', 'builder'))), '403')
  t.equal(await it.pull(bearer(it.tokens.stranger as string)), '403')
})

t.test('a refusal names the service account, the right and the command that grants it', async (t) => {
  const it = await open(t)
  const headers = { authorization: bearer(it.cluster.addServiceAccount('ci', 'builder')) }
  const answer = await it.ask('POST', '/v2/team/app/blobs/uploads/', { headers })
  const { message } = answer.json().errors[0]
  t.match(
    message,
    'system:serviceaccount:ci:builder may not push to team/app: needs "update" on imagestreams/layers in namespace "team" (role registry-editor)'
  )
  t.match(
    message,
    /kubectl create rolebinding \S+ --clusterrole=registry-editor --serviceaccount=ci:builder -n team/
  )
})
