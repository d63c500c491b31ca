import { hash } from 'bcrypt'
import t, { type Test } from 'tap'
import { createClient, digestOf } from '../integration/support/client.ts'
import { type RunningServer, startBerth } from '../integration/support/processes.ts'
import { eventually } from '../integration/support/verdict.ts'

async function start(t: Test, env: Record<string, string> = {}, root?: string): Promise<RunningServer> {
  const server = await startBerth({
    env: { REGISTRY_HTTP_PROCESSES: '1', ...env },
    ...(root !== undefined && { root })
  })
  t.teardown(() => server.stop())
  return server
}

t.test('who shows a wrong password is named in the log, and the password is not', async (t) => {
  const folder = t.testdir({ htpasswd: `alice:${await hash('password', 4)}\n` })
  const server = await start(t, {
    REGISTRY_AUTH: 'htpasswd',
    REGISTRY_AUTH_HTPASSWD_PATH: `${folder}/htpasswd`
  })
  const client = createClient(server.url)
  for (const [user, path] of [
    ['alice', '/v2/'],
    ['nobody "\n', '/openshift/token']
  ]) {
    const authorization = `Basic ${Buffer.from(`${user}:hush`).toString('base64')}`
    t.equal((await client.request('GET', `${path}`, { headers: { authorization } })).status, 401)
  }
  client.close()
  await eventually(() => server.log().includes('"nobody'.replace('"', '\\"')), 5000)
  t.match(server.log(), 'msg="refused: this is not the password of \\"alice\\", or there is no such user"')
  t.notMatch(server.log(), 'hush')
})

t.test('at the start the log says what may be done, and whether anything is stored', async (t) => {
  const EMPTY = /msg="nothing is stored in .* yet; if something should be, is its volume mounted\?"/
  const first = await start(t)
  await eventually(() => EMPTY.test(first.log()), 5000)
  t.match(first.log(), 'everybody on this machine may pull, push and delete; nobody else')
  const client = createClient(first.url)
  const bytes = Buffer.from('bytes')
  await client.request('POST', `/v2/a/blobs/uploads/?digest=${digestOf(bytes)}`, { body: bytes })
  client.close()
  await first.stop()
  const again = await start(t, { REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED: 'true' }, first.root)
  await again.stop()
  t.match(again.log(), 'everybody on this machine may pull; nobody else')
  t.notMatch(again.log(), EMPTY)
})
