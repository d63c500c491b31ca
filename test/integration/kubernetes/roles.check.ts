// Clients that log in with a service account's token do what its role allows, and are told why they may not do more.
import { deepEqual, equal, match, rejects } from 'node:assert/strict'
import { startKube } from '../support/kube.ts'
import { prepareCluster } from '../support/kube-berth.ts'
import { failure, run, scratch, startBerth } from '../support/processes.ts'
import { type Client, createClients } from '../support/registry-clients.ts'
import { needGoTool, step } from '../support/steps.ts'

const kube = await startKube()
await prepareCluster(kube)
for (const name of ['team', 'other', 'public', 'ci']) await kube.createNamespace(name)
const tokens: Record<string, string> = {}
for (const name of ['viewer', 'editor', 'builder', 'stranger']) {
  await kube.createServiceAccount('ci', name)
  tokens[name] = await kube.token('ci', name)
}
await grant('viewer', 'registry-viewer', 'team')
await grant('editor', 'registry-editor', 'team')
await grant('editor', 'registry-editor', 'public')
await grant('builder', 'system:image-builder', 'team')
await grant('stranger', 'registry-editor', 'other')
const everybody = { kind: 'Group', name: 'system:unauthenticated' } as const
await kube.bind({ clusterRole: 'system:image-puller', namespace: 'public', subject: everybody })

const account = await kube.token('berth', 'registry')
const registry = await startBerth({
  env: { REGISTRY_AUTH: 'openshift', KUBECONFIG: kube.kubeconfig({ token: account }) }
})
const clients = await createClients(registry)

for (const [name, make] of Object.entries(clients)) {
  async function as(user: string): Promise<Client> {
    const client = await make()
    await client.login(tokens[user] ?? user)
    return client
  }

  await step(
    `${name}: a viewer may not push, and reads who could allow it, with no repository there`,
    async () => {
      const { message } = await failure((await as('viewer')).push('team'))
      match(message, denial(`system:serviceaccount:ci:viewer may not push to team/${name}`, 'update', 'team'))
      match(
        message,
        /\(role registry-editor\).* kubectl create rolebinding \S+ --clusterrole=registry-editor /
      )
    }
  )

  await step(`${name}: an editor pushes what a viewer pulls`, async () => {
    await (await as('editor')).push('team')
    await (await as('viewer')).pull('team')
  })

  await step(`${name}: who has a role elsewhere, or none, pulls nothing and pushes nothing`, async () => {
    const stranger = await as('stranger')
    const toStranger = await failure(stranger.pull('team'))
    match(
      toStranger.message,
      denial(`system:serviceaccount:ci:stranger may not pull from team/${name}`, 'get', 'team')
    )
    await failure(stranger.push('team'))
    await stranger.push('other')
    await stranger.pull('other')

    const nobody = await make()
    const toNobody = await failure(nobody.pull('team'))
    match(toNobody.message, denial(`system:anonymous may not pull from team/${name}`, 'get', 'team'))
    await failure(nobody.push('team'))
  })

  await step(`${name}: what is public is pulled without a login, and not pushed`, async () => {
    const nobody = await make()
    await failure(nobody.push('public'))
    await (await as('editor')).push('public')
    await nobody.pull('public')
  })

  await step(`${name}: a token that nobody has is refused`, async () => {
    const client = await make()
    const { message } = await failure(client.login('nonsense').then(() => client.pull('team')))
    match(
      message,
      /the credential is wrong, has expired or is meant for others: log in again|invalid username\/password/
    )
  })
}

const crane = await needGoTool('crane')

await step('a stale login does not stand in the way of what is public', async () => {
  const client = await clients.crane() // the one that remembers a token without trying it
  await client.login('stale')
  await client.pull('public')
  await failure(client.pull('team'))
})

await step('what somebody may pull is what the catalog shows', async () => {
  const names = Object.keys(clients).sort()
  const listed = async (user: string): Promise<string[]> =>
    (await craneAs(user, 'catalog', registry.host)).trim().split('\n')
  deepEqual(
    await listed('viewer'),
    names.map((name) => `team/${name}`)
  )
  deepEqual(
    await listed('stranger'),
    names.map((name) => `other/${name}`)
  )
})

await step('an image is deleted by an editor, and not by a viewer or a builder', async () => {
  const image = `${registry.host}/team/crane`
  const digest = (await craneAs('viewer', 'digest', `${image}:v1`)).trim()
  for (const user of ['viewer', 'builder']) {
    const who = `system:serviceaccount:ci:${user} may not delete manifests and blobs of team/crane`
    const { message } = await failure(craneAs(user, 'delete', `${image}@${digest}`))
    match(message, new RegExp(`${who}: needs "delete" on imagestreamimages in namespace "team"`))
  }
  await craneAs('editor', 'delete', `${image}@${digest}`)
  await rejects(craneAs('viewer', 'manifest', `${image}@${digest}`), /MANIFEST_UNKNOWN|NAME_UNKNOWN/)
})

await registry.stop()
await step('the registry logged no error, and no token', async () => {
  deepEqual(registry.log().match(/.*level=(error|fatal) .*/g), null)
  for (const token of [account, ...Object.values(tokens)]) {
    for (const part of token.split('.')) equal(registry.log().includes(part), false)
  }
})
await kube.end()

async function grant(name: string, clusterRole: string, namespace: string): Promise<void> {
  await kube.bind({ clusterRole, namespace, subject: { kind: 'ServiceAccount', namespace: 'ci', name } })
}

/** Clients write the quotes of a message with a backslash, or without. */
function denial(what: string, verb: string, namespace: string): RegExp {
  return new RegExp(
    `${what}: needs \\\\?"${verb}\\\\?" on imagestreams/layers in namespace \\\\?"${namespace}\\\\?" `
  )
}

async function craneAs(user: string, ...args: string[]): Promise<string> {
  const env = { DOCKER_CONFIG: scratch() }
  const login = ['auth', 'login', '-u', 'unused', '--password-stdin', registry.host]
  await run(crane, login, { env, input: tokens[user] ?? '' })
  return (await run(crane, args, { env })).stdout
}
