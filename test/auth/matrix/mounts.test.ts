import t, { type Test } from 'tap'
import { refusal } from '../../http/support.ts'
import { basic, bearer } from '../world.ts'
import { type Scene, scene } from './scene.ts'

const OWN = 'repository:team/app:pull,push'

interface Mounting extends Scene {
  /** In team/source. */
  near: string
  /** In other/source. */
  far: string
  mount(authorization: string, query: string): Promise<number>
}

async function mounting(t: Test): Promise<Mounting> {
  const it = await scene(t, { nested: true })
  await it.fill('team/app')
  const { blob: near } = await it.fill('team/source')
  const { blob: far } = await it.fill('other/source')
  return {
    ...it,
    near,
    far,
    async mount(authorization, query) {
      const url = `/v2/team/app/blobs/uploads/?${query}`
      // Without `from` it is looked for where it was seen last.
      for (const [name, blob] of [
        ['team/source', near],
        ['other/source', far]
      ]) {
        await it.registry.blobs.has(name as never, blob as never)
      }
      const answer = await it.ask('POST', url, { headers: { authorization } })
      const digest = /mount=(sha256:\w+)/.exec(query)?.[1]
      const blob = `/v2/team/app/blobs/${digest}`
      const has = await it.registry.blobs.has('team/app' as never, digest as never)
      if (answer.statusCode === 201) t.same([answer.headers.location, has], [blob, true])
      else t.same([answer.statusCode, has], [202, false], `${query}: ${answer.body}`)
      if (has) await it.registry.blobs.delete('team/app' as never, digest as never)
      return answer.statusCode
    }
  }
}

t.test('a blob is mounted from where the caller may pull, and is otherwise to be uploaded', async (t) => {
  const { mount, near, far, tokens, cluster } = await mounting(t)
  const editor = tokens.editor as string
  for (const authorization of [basic(editor), bearer(editor)]) {
    t.equal(await mount(authorization, `mount=${near}&from=team/source`), 201)
    t.equal(await mount(authorization, `mount=${far}&from=other/source`), 202, 'no right to the source')
    t.equal(await mount(authorization, `mount=${far}&from=team/source`), 202, 'it is not there')
    t.equal(await mount(authorization, `mount=${far}&from=other/none`), 202, 'no such source')
    t.equal(await mount(authorization, `mount=${far}&from=none/source`), 202, 'no such namespace')
    t.equal(await mount(authorization, `mount=${near}`), 201, 'without from')
    t.equal(await mount(authorization, `mount=${far}`), 202, 'without from, and no right to where it is')
    for (const from of ['team%2F..%2Fother/source', 'other//source', 'Other/source', 'source', '', '*']) {
      t.equal(await mount(authorization, `mount=${far}&from=${from}`), 202, from)
    }
    t.equal(await mount(authorization, `mount=${far}&from=team/source&from=other/source`), 202)
    t.equal(await mount(authorization, `mount=${far}&from=other/source&from=team/source`), 202)
  }
  cluster.grant('ed', 'system:image-puller', 'other')
  const again = bearer(cluster.addUser('ed', { groups: ['so that nothing is remembered'] }))
  t.equal(await mount(again, `mount=${far}&from=other/source`), 201)
  t.equal(await mount(again, `mount=${far}`), 201)
})

t.test('a token that does not hold the source mounts nothing, whatever its bearer may do', async (t) => {
  const { mount, near, far, exchange, tokens } = await mounting(t)
  const editor = basic(tokens.editor as string)
  const only = bearer(await exchange(editor, OWN))
  t.equal(await mount(only, `mount=${near}&from=team/source`), 202)
  t.equal(await mount(only, `mount=${near}`), 202, 'without from')
  for (const source of ['team/sourc', 'team/source/x', 'team/app', 'other/source']) {
    const other = bearer(await exchange(editor, OWN, `repository:${source}:pull`))
    t.equal(await mount(other, `mount=${near}&from=team/source`), 202, source)
    t.equal(await mount(other, `mount=${near}`), 202, source)
  }
  const pushes = bearer(await exchange(editor, OWN, 'repository:team/source:push'))
  t.equal(await mount(pushes, `mount=${near}&from=team/source`), 202, 'push on the source is not pull')
  const both = bearer(await exchange(editor, OWN, 'repository:team/source:pull'))
  t.equal(await mount(both, `mount=${near}&from=team/source`), 201)
  t.equal(await mount(both, `mount=${near}`), 201)
  t.equal(await mount(both, `mount=${far}&from=other/source`), 202)
})

t.test('who may not push is told the same whatever the source holds', async (t) => {
  const { ask, near, far, tokens } = await mounting(t)
  for (const name of ['viewer', 'stranger', 'metrics', 'pruner', 'bad'] as const) {
    const headers = { authorization: bearer(tokens[name] as string) }
    const said = new Set<string>()
    for (const query of ['', `mount=${near}`, `mount=${near}&from=team/app`, `mount=${far}`]) {
      const answer = await ask('POST', `/v2/team/app/blobs/uploads/?${query}`, { headers })
      said.add(`${refusal(answer)} ${answer.headers['www-authenticate']} ${answer.body}`)
    }
    t.equal(said.size, 1, name)
  }
})

t.test('nothing is mounted from what a former namespace has left', async (t) => {
  const { mount, near, tokens, cluster, pass, fill } = await mounting(t)
  const editor = bearer(tokens.editor as string)
  t.equal(await mount(editor, `mount=${near}&from=team/source`), 201)
  cluster.deleteNamespace('team')
  cluster.createNamespace('team')
  pass(11_000)
  await fill('team/app')
  t.equal(await mount(editor, `mount=${near}&from=team/source`), 202)
  t.equal(await mount(editor, `mount=${near}`), 202)
})

t.test('while the API server is down a mount is 503, and nothing is told of the source', async (t) => {
  const { ask, near, exchange, tokens, cluster, pass } = await mounting(t)
  const both = await exchange(basic(tokens.editor as string), OWN, 'repository:team/source:pull')
  await cluster.stop()
  pass(11_000)
  const url = `/v2/team/app/blobs/uploads/?mount=${near}&from=team/source`
  t.equal(refusal(await ask('POST', url, { headers: { authorization: bearer(both) } })), '503 UNAVAILABLE')
})
