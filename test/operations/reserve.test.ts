import { mock } from 'node:test'
import t, { type Test } from 'tap'
import { keepReserve, type Reserve, type ReserveOptions } from '../../src/operations/reserve.ts'
import type { Siblings } from '../../src/registry/registry.ts'
import { createRegistry } from '../../src/registry/registry.ts'
import { memoryStorage } from '../../storage/memory.ts'
import { berth, digestOf, pushImage, refusal, startUpload } from '../http/support.ts'
import { relatives } from '../registry/family.ts'

const GIB = 2 ** 30

mock.timers.enable({ apis: ['setInterval'] })

/** A volume of 100 GiB and the processes of a pod, the first of which leads. */
function pod(t: Test, processes: number, given: Partial<ReserveOptions> = {}) {
  const it = { free: 50, now: 0, looks: 0, readOnly: false, lines: [] as string[] }
  const reserves = relatives(processes).map((siblings: Siblings, index) =>
    keepReserve({
      space: async () => {
        it.looks++
        return { free: it.free * GIB, size: 100 * GIB }
      },
      part: 0.05,
      leads: index === 0,
      siblings,
      isReadOnly: () => it.readOnly,
      logger: {
        info: (text) => void it.lines.push(`info ${text}`),
        warn: (text) => void it.lines.push(`warn ${text}`)
      },
      now: () => it.now,
      ...given
    })
  )
  t.teardown(() => {
    for (const reserve of reserves) reserve.stop()
  })
  return { it, reserves: reserves as [Reserve, ...Reserve[]] }
}

/** Lets so much time pass, and what follows from it happen. */
async function pass(it: { now: number }, ms: number): Promise<void> {
  it.now += ms
  mock.timers.tick(ms)
  for (let turn = 0; turn < 20; turn++) await null
}

t.test('below the reserve no upload begins, and all else goes on', async (t) => {
  const { it: volume, reserves } = pod(t, 1)
  const storage = memoryStorage()
  const registry = createRegistry(storage, { requireSpace: reserves[0].require })
  const it = await berth(t, { storage, registry })
  const { digest } = await pushImage(it, 'a', 'v1')
  const under = await startUpload(it, 'a')
  volume.free = 4
  await pass(volume, 1000)
  const whole = `/v2/a/blobs/uploads/?digest=${digestOf('new')}`
  for (const answer of [
    await it.ask('POST', '/v2/a/blobs/uploads/'),
    await it.ask('POST', whole, { body: 'new' })
  ]) {
    t.equal(refusal(answer), '507 UNAVAILABLE')
    t.match(answer.json(), {
      errors: [{ message: /^too little space is left .* \(storage.filesystem.reserve\)/ }]
    })
  }
  t.equal((await it.ask('PATCH', under.location, { body: 'abc' })).statusCode, 202)
  t.equal((await it.ask('PUT', `${under.location}?digest=${digestOf('abc')}`)).statusCode, 201)
  t.equal((await it.ask('GET', '/v2/a/manifests/v1')).statusCode, 200)
  const mount = `/v2/b/blobs/uploads/?from=a&mount=${digestOf('abc')}`
  t.equal((await it.ask('POST', mount)).statusCode, 201)
  await pushManifestAgain()
  t.equal((await it.ask('DELETE', '/v2/a/manifests/v2')).statusCode, 202)
  t.equal((await it.ask('DELETE', `/v2/a/manifests/${digest}`)).statusCode, 202)
  volume.free = 6
  await pass(volume, 1000)
  t.equal((await it.ask('POST', whole, { body: 'new' })).statusCode, 201)

  async function pushManifestAgain(): Promise<void> {
    const { body, headers } = await it.ask('GET', '/v2/a/manifests/v1')
    const type = String(headers['content-type'])
    const answer = await it.ask('PUT', '/v2/a/manifests/v2', { headers: { 'content-type': type }, body })
    t.equal(answer.statusCode, 201)
  }
})

t.test('its beginning and its end are told once for all processes, with how many were refused', async (t) => {
  const { it, reserves } = pod(t, 3)
  it.free = 4
  await pass(it, 10_000)
  for (const reserve of reserves) {
    await t.rejects(reserve.require(), { name: 'STORAGE_RESERVED' })
    await t.rejects(reserve.require(), { name: 'STORAGE_RESERVED' })
  }
  t.match(it.lines, [
    /^warn of the storage's 100.0 GiB only 4.0 GiB are free, less than 5 %.* 507 until 5.5 GiB .*storage\.filesystem\.reserve/
  ])
  it.free = 5.2
  await pass(it, 10_000)
  await t.rejects(reserves[0].require(), { name: 'STORAGE_RESERVED' }, 'a little more is not enough')
  it.free = 5.6
  await pass(it, 10_000)
  for (const reserve of reserves) await reserve.require()
  t.equal(it.lines.length, 2)
  t.match(it.lines[1], /^info 5.6 GiB .* taken again; 7 were refused/)
})

t.test('a process whose volume is short of space says so when it starts', async (t) => {
  const { it } = pod(t, 2, { space: async () => ({ free: GIB, size: 100 * GIB }) })
  await pass(it, 0)
  t.equal(it.lines.length, 1)
})

t.test('nobody is told while the registry is read-only', async (t) => {
  const { it } = pod(t, 1)
  it.free = 1
  it.readOnly = true
  await pass(it, 20_000)
  t.strictSame(it.lines, [])
  it.readOnly = false
  await pass(it, 10_000)
  t.equal(it.lines.length, 1)
})

t.test('many uploads look once a second, and none where nothing is to be left', async (t) => {
  const { it, reserves } = pod(t, 1)
  await pass(it, 0)
  it.looks = 0
  for (let count = 0; count < 100; count++) await reserves[0].require()
  t.equal(it.looks, 0)
  await pass(it, 1000)
  await Promise.all(Array.from({ length: 100 }, () => reserves[0].require()))
  t.equal(it.looks, 1)

  const off = pod(t, 1, { part: 0 })
  off.it.free = 0
  await off.reserves[0].require()
  await pass(off.it, 60_000)
  t.equal(off.it.looks, 0)
})

t.test('where nothing can be said of the space, nothing is refused', async (t) => {
  for (const space of [async () => undefined, async () => Promise.reject(new Error('EIO'))]) {
    const { it, reserves } = pod(t, 1, { space })
    await pass(it, 10_000)
    await reserves[0].require()
    t.strictSame(it.lines, [])
  }
})

t.test('an upload does not hang because a look does, and later ones count again', async (t) => {
  let isHanging = true
  const { it, reserves } = pod(t, 1, {
    space: () => (isHanging ? new Promise(() => {}) : Promise.resolve({ free: 1, size: 100 }))
  })
  await reserves[0].require()
  isHanging = false
  await pass(it, 1000)
  await t.rejects(reserves[0].require(), { name: 'STORAGE_RESERVED' })
})

t.test('who wants to know how much room there is hears it from the process that leads', async (t) => {
  const heard: unknown[] = []
  const { it } = pod(t, 2, { part: 0, onSpace: (space) => heard.push(space) })
  await pass(it, 0)
  await pass(it, 10_000)
  t.strictSame(heard, [
    { free: 50 * GIB, size: 100 * GIB },
    { free: 50 * GIB, size: 100 * GIB }
  ])
})
