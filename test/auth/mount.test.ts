import t from 'tap'
import { pushBlob, refusal } from '../http/support.ts'
import { as, basic, bearer, world } from './world.ts'

const DIGEST = `sha256:${'a'.repeat(64)}`
const uploads = (query: string): string => `/v2/team/app/blobs/uploads/?${query}`

t.test('the challenge to a mount asks for pulling from its source as well', async (t) => {
  const { ask } = await world(t)
  const own = 'repository:team/app:pull,push'
  const cases: [string, string][] = [
    [`mount=${DIGEST}&from=other/base`, `${own} repository:other/base:pull`],
    [`mount=${DIGEST}&from=team/app`, own],
    [`mount=${DIGEST}`, own],
    ['from=other/base', own],
    [`mount=${DIGEST}&from=a/b&from=c/d`, own],
    [`mount=${DIGEST}&from=${encodeURIComponent('x",realm="http://evil')}`, own]
  ]
  for (const [query, scope] of cases) {
    const answer = await ask('POST', uploads(query))
    t.equal(refusal(answer), '401 UNAUTHORIZED')
    t.match(answer.headers['www-authenticate'], new RegExp(`,scope="${scope}"$`), query)
  }
})

t.test('a mount goes by what the token allows: without the source it becomes an upload', async (t) => {
  const it = await world(t)
  const { ask, cluster, exchange } = it
  for (const namespace of ['team', 'other']) cluster.createNamespace(namespace)
  const editor = cluster.addUser('ed')
  for (const namespace of ['team', 'other']) cluster.grant('ed', 'registry-editor', namespace)
  const digest = await pushBlob(as(it, basic(editor)), 'other/base', 'layer')
  const own = 'repository:team/app:pull,push'
  const mount = async (...scopes: string[]): Promise<number> => {
    const headers = { authorization: bearer(await exchange(basic(editor), ...scopes)) }
    return (await ask('POST', uploads(`mount=${digest}&from=other/base`), { headers })).statusCode
  }
  t.equal(await mount(own), 202)
  t.equal(await mount(`${own} repository:other/base:pull`), 201)
})
