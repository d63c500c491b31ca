import t, { type Test } from 'tap'
import type { StorageDriver } from '../../storage/driver.ts'
import { memoryStorage } from '../../storage/memory.ts'
import { image, must, OCI_LAYER, pushBlob, pushManifest } from '../http/support.ts'
import { type FakeCluster, fakeCluster } from '../kubernetes/fake-api-server.ts'
import { relatives } from '../registry/family.ts'
import { as, basic, bearer, type World, world } from './world.ts'

const APP = 'team/app'
const LAYERS = Array.from({ length: 30 }, (_, index) => `layer ${index}`)

interface Pod {
  /** Sends requests to each process in turn. */
  anybody: World
  puller: string
  pusher: string
}

async function populated(t: Test): Promise<FakeCluster> {
  const cluster = await fakeCluster(t)
  cluster.createNamespace('team')
  cluster.grant('system:serviceaccount:team:builder', 'system:image-builder', 'team')
  cluster.grant({ group: 'system:serviceaccounts:team' }, 'system:image-puller', 'team')
  return cluster
}

/** Several processes over one storage, with cold caches. */
async function pod(
  t: Test,
  processes: number,
  { cluster, storage }: { cluster: FakeCluster; storage: StorageDriver }
): Promise<Pod> {
  const worlds: World[] = []
  for (const [index, siblings] of relatives(processes).entries()) {
    worlds.push(await world(t, { cluster, storage, siblings, leads: index === 0 }))
  }
  let next = 0
  const turn = (): World => worlds[next++ % worlds.length] as World
  const anybody: World = {
    ...turn(),
    ask: (...request) => turn().ask(...request),
    exchange: (...request) => turn().exchange(...request)
  }
  const pusher = cluster.addServiceAccount('team', 'builder')
  const puller = cluster.addServiceAccount('team', 'default')
  return { anybody, puller, pusher }
}

/** As a client does: asks without a token first, gets one, and pushes layers side by side. */
async function push({ anybody, pusher }: Pod): Promise<void> {
  await must(401, anybody.ask('POST', `/v2/${APP}/blobs/uploads/`))
  const token = await anybody.exchange(basic(pusher), `repository:${APP}:pull,push`)
  const client = as(anybody, bearer(token))
  const layers = await Promise.all(
    LAYERS.map(async (text) => {
      const digest = await pushBlob(client, APP, text)
      return { mediaType: OCI_LAYER, digest, size: text.length }
    })
  )
  await pushManifest(client, APP, await image(client, APP, 'last', { layers }), 'v1')
}

/** As a client does that is new to it all. */
async function pull({ anybody, puller }: Pod): Promise<void> {
  const url = `/v2/${APP}/manifests/v1`
  await must(401, anybody.ask('GET', url))
  const token = await anybody.exchange(basic(puller), `repository:${APP}:pull`)
  const client = as(anybody, bearer(token))
  const manifest = (await must(200, client.ask('GET', url))).json()
  for (const { digest } of [manifest.config, ...manifest.layers]) {
    await must(200, client.ask('GET', `/v2/${APP}/blobs/${digest}`))
  }
}

const sum = (calls: object): number => Object.values(calls).reduce((total, each) => total + each, 0)

for (const processes of [1, 2, 4]) {
  t.test(`with ${processes} processes, few calls reach the API server`, async (t) => {
    const cluster = await populated(t)
    const it = await pod(t, processes, { cluster, storage: memoryStorage() })
    await push(it)
    t.ok(sum(cluster.calls()) <= 6, `30 layers pushed: ${JSON.stringify(cluster.calls())}`)

    cluster.reset()
    await pull(it)
    t.ok(sum(cluster.calls()) <= 3, `30 layers pulled: ${JSON.stringify(cluster.calls())}`)
  })

  t.test(`with ${processes} processes and cold caches, a crowd costs hardly more than one`, async (t) => {
    const storage = memoryStorage()
    const cluster = await populated(t)
    await push(await pod(t, processes, { cluster, storage }))
    const cold = await pod(t, processes, { cluster, storage })
    cluster.reset()
    await Promise.all(
      Array.from({ length: 500 }, async () => {
        const token = await cold.anybody.exchange(basic(cold.puller), `repository:${APP}:pull`)
        const client = as(cold.anybody, bearer(token))
        await must(200, client.ask('GET', `/v2/${APP}/manifests/v1`))
      })
    )
    t.ok(sum(cluster.calls()) <= 10, `500 pulls: ${JSON.stringify(cluster.calls())}`)
  })
}
