import { once } from 'node:events'
import { request as send } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { parseName } from '../../src/oci/name.ts'
import { answerAlways, createReadOnly } from '../../src/operations/read-only.ts'
import { watchWrites } from '../../src/operations/writes.ts'
import { createRegistry } from '../../src/registry/registry.ts'
import { memoryStorage } from '../../storage/memory.ts'
import { berth, OCI_INDEX } from '../http/support.ts'
import { relatives } from '../registry/family.ts'
import { interposed } from '../registry/interposed.ts'

t.test('once it is on, and what writes is over, nothing writes any more', async (t) => {
  const readOnly = createReadOnly(false)
  const [one, other] = [Promise.withResolvers<string>(), Promise.withResolvers<void>()]
  const works = [readOnly.during(() => one.promise), readOnly.during(() => other.promise)]
  let isTold = false
  const set = readOnly.set(true).then(() => {
    isTold = true
  })
  t.equal(readOnly.isOn(), true, 'at once')
  one.resolve('done')
  t.equal(await works[0], 'done')
  t.equal(isTold, false)
  t.equal(readOnly.isQuiet(), false)
  other.reject(new Error('it failed'))
  await t.rejects(works[1] as Promise<unknown>, { message: 'it failed' })
  await set
  t.equal(readOnly.isQuiet(), true)
  await readOnly.set(true)
})

t.test('nobody waits for it when it is off again', async (t) => {
  const readOnly = createReadOnly(false)
  readOnly.during(() => new Promise(() => {}))
  const set = readOnly.set(true)
  await readOnly.set(false)
  await set
  t.equal(readOnly.isOn(), false)
  t.equal(readOnly.isQuiet(), false)
})

t.test('what a client began that has left does not go on once it is quiet', async (t) => {
  const readOnly = createReadOnly(false)
  const [first, pause] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const calls: string[] = []
  const slow = interposed(memoryStorage(), async (call) => {
    if (!call.startsWith('write')) return
    calls.push(call)
    first.resolve()
    await pause.promise
  })
  const { storage, settled } = watchWrites(slow, { isClosed: readOnly.isQuiet })
  const { app } = await berth(t, { registry: createRegistry(storage), readOnly })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const headers = { 'content-type': OCI_INDEX }
  const push = send({ port, method: 'PUT', path: '/v2/a/manifests/v1', headers })
  push.on('error', () => {})
  push.end(JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] }))
  const [socket] = await once(app.server, 'connection')
  await first.promise
  push.destroy()
  await once(socket, 'close')
  await readOnly.set(true)
  const settling = settled()
  pause.resolve()
  await settling
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.match(calls, [/^write .*blobs.*data$/], 'its manifest, but neither a link nor a tag')
  t.equal(calls.length, 1)
})

t.test('what another process has let in is done for it, though this one is quiet already', async (t) => {
  const bare = memoryStorage()
  const owners = relatives(2).map((siblings, index) => {
    const readOnly = createReadOnly(index === 0)
    const { storage } = watchWrites(bare, { isClosed: readOnly.isQuiet })
    const options = { siblings: answerAlways(siblings, readOnly), leads: index === 0, pause: async () => {} }
    return createRegistry(storage, options).owners
  })
  const name = parseName('a/b')
  await owners[1]?.claim(name, 'uid', undefined)
  t.equal(await owners[1]?.read(name), 'uid')
  await t.rejects(owners[0]?.claim(name, 'other', 'uid') as Promise<void>, { name: 'StorageUnavailable' })
})
