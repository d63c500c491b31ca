// How often berth asks the API server, by that one's own audit log: an image of 30 layers that clients pull and push
// through a berth that knows nothing yet, and 500 pulls at once.
import { equal, ok } from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Client, createClient } from '../support/client.ts'
import { startKube } from '../support/kube.ts'
import { prepareCluster, startClusterBerth } from '../support/kube-berth.ts'
import { assertSameContent, createLayout } from '../support/layout.ts'
import { type RunningServer, run, scratch } from '../support/processes.ts'
import { needCommands, needGoTool, step } from '../support/steps.ts'

const LAYERS = 30
const PULLS = 500
const MOST_FOR_PULL = 3
const MOST_FOR_PUSH = 6
const MOST_FOR_PULLS = 10

await needCommands('skopeo', 'tar')
const crane = await needGoTool('crane')
const oras = await needGoTool('oras')

const source = await createLayout()
const layers = Array.from({ length: LAYERS }, (_, index) => ({ [`file-${index}`]: randomBytes(200) }))
const image = await source.image('amd64', layers)
await source.tag('v1', image)

const kube = await startKube()
await prepareCluster(kube)
await kube.createNamespace('team')
await kube.createServiceAccount('team', 'builder')
const token = await kube.token('team', 'builder')
await kube.bind({
  clusterRole: 'registry-editor',
  namespace: 'team',
  subject: { kind: 'ServiceAccount', namespace: 'team', name: 'builder' }
})

/** A client that has nothing yet but a login, and its two ways. */
interface Tool {
  push(host: string, name: string): Promise<void>
  /** Fails unless all of it came. */
  pull(host: string, name: string): Promise<void>
}
const plain = ['--src-tls-verify=false', '--dest-tls-verify=false']
const login = `anyone:${token}`
const fromLayout = `${source.folder}:v1`
const tools: Record<string, Tool> = {
  skopeo: {
    push: (host, name) =>
      skopeo(`oci:${fromLayout}`, `docker://${host}/${name}`, ['--dest-creds', login, '--preserve-digests']),
    pull: async (host, name) => {
      const folder = scratch()
      await skopeo(`docker://${host}/${name}`, `oci:${folder}:v1`, ['--src-creds', login])
      await assertSameContent(image.digest, source, folder)
    }
  },
  crane: {
    push: (host, name) => withLogin(host, crane, ['push', source.folder, `${host}/${name}`]),
    pull: async (host, name) => {
      const folder = join(scratch(), 'pulled')
      await withLogin(host, crane, ['pull', '--format=oci', `${host}/${name}`, folder])
      await assertSameContent(image.digest, source, folder)
    }
  },
  oras: {
    push: (host, name) =>
      withLogin(host, oras, ['cp', '--to-plain-http', '--from-oci-layout', fromLayout, `${host}/${name}`]),
    pull: async (host, name) => {
      const folder = scratch()
      const to = ['--to-oci-layout', `${folder}:v1`]
      await withLogin(host, oras, ['cp', '--from-plain-http', `${host}/${name}`, ...to])
      await assertSameContent(image.digest, source, folder)
    }
  }
}

for (const processes of [2, 4]) {
  const root = scratch()
  for (const [tool, { push, pull }] of Object.entries(tools)) {
    const name = `team/${tool}:v1`
    await step(`${tool} pushes ${LAYERS} layers, ${processes} processes: few calls`, () =>
      countingCalls({ processes, root, most: MOST_FOR_PUSH }, ({ host }) => push(host, name))
    )
    await step(`${tool} pulls ${LAYERS} layers, ${processes} processes: few calls`, () =>
      countingCalls({ processes, root, most: MOST_FOR_PULL }, ({ host }) => pull(host, name))
    )
  }
  await step(`${PULLS} pulls by one account at once, ${processes} processes: few calls`, () =>
    countingCalls({ processes, root, most: MOST_FOR_PULLS }, async ({ url }) => {
      const clients = Array.from({ length: PULLS }, () => createClient(url))
      await Promise.all(clients.map((client) => pullAll(client, 'team/skopeo')))
      for (const client of clients) client.close()
    })
  )
}
await kube.end()

interface Counting {
  processes: number
  root: string
  most: number
}

/** Does it with a berth that was just started, and counts what the registry's account asked meanwhile. */
async function countingCalls(
  { processes, root, most }: Counting,
  work: (berth: RunningServer) => Promise<void>
): Promise<void> {
  const env = { REGISTRY_HTTP_PROCESSES: String(processes), REGISTRY_HTTP_SECRET: 'the same for all' }
  const berth = await startClusterBerth(kube, { root, env })
  const before = kube.calls().length
  const since = performance.now()
  await work(berth)
  const ms = Math.round(performance.now() - since)
  await berth.stop()
  const calls = kube
    .calls()
    .slice(before)
    .filter(({ username }) => username === 'system:serviceaccount:berth:registry')
    .map(({ resource }) => resource)
  const kinds = [...new Set(calls)].map((kind) => `${calls.filter((each) => each === kind).length} ${kind}`)
  console.log(`# ${calls.length} calls (${kinds.join(', ')}), ${ms} ms`)
  ok(calls.length > 0 && calls.length <= most, `${calls.length} calls, at most ${most} are expected`)
}

/** Asks without a token, gets one, and pulls all that the manifest leads to: what a new client does. */
async function pullAll(client: Client, name: string): Promise<void> {
  const path = `/v2/${name}/manifests/v1`
  const challenged = await client.request('GET', path)
  equal(challenged.status, 401)
  const challenge = String(challenged.headers['www-authenticate'])
  const [, realm = '', scope = ''] = /realm="([^"]+)".*scope="([^"]+)"/.exec(challenge) ?? []
  const query = new URLSearchParams({ scope, service: 'berth' })
  const basic = `Basic ${Buffer.from(login).toString('base64')}`
  const get = async (path: string, authorization: string): Promise<Buffer> => {
    const { status, body } = await client.request('GET', path, { headers: { authorization } })
    equal(status, 200, `${path}: ${status} ${body}`)
    return body
  }
  const answer = await get(`${new URL(realm).pathname}?${query}`, basic)
  const bearer = `Bearer ${JSON.parse(answer.toString()).token}`
  const manifest = JSON.parse((await get(path, bearer)).toString())
  for (const { digest } of [manifest.config, ...manifest.layers]) {
    await get(`/v2/${name}/blobs/${digest}`, bearer)
  }
}

async function skopeo(from: string, to: string, options: string[]): Promise<void> {
  await run('skopeo', ['--insecure-policy', 'copy', ...plain, ...options, from, to])
}

/** Runs a client with a folder of its own that holds the login. */
async function withLogin(host: string, binary: string, args: string[]): Promise<void> {
  const folder = scratch()
  const auth = Buffer.from(login).toString('base64')
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ auths: { [host]: { auth } } }))
  await run(binary, args, { env: { DOCKER_CONFIG: folder } })
}
