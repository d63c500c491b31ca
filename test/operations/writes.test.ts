import t from 'tap'
import { watchWrites } from '../../src/operations/writes.ts'
import { StorageFull } from '../../storage/driver.ts'
import { memoryStorage } from '../../storage/memory.ts'
import { interposed } from '../registry/interposed.ts'
import { bytesOf } from '../registry/support.ts'

t.test('what the storage could not write is told of, and what it need not is not', async (t) => {
  const faults: string[] = []
  const full = interposed(memoryStorage(), (call) => {
    if (call.endsWith('full')) throw new StorageFull('no space is left')
  })
  const { storage } = watchWrites(full, { onFault: ({ message }) => void faults.push(message) })
  await storage.write('a', bytesOf('x'))
  await t.rejects(storage.append('b', 0, bytesOf('x')), { name: 'ObjectNotFound' })
  await t.rejects(storage.size('full'), { name: 'StorageFull' })
  t.strictSame(faults, [])
  await t.rejects(storage.write('full', bytesOf('x')), { name: 'StorageFull' })
  await t.rejects(storage.delete('full'), { name: 'StorageFull' })
  t.strictSame(faults, ['no space is left', 'no space is left'])
})

t.test('settled waits for the writes under way, those that fail among them', async (t) => {
  const { promise, reject } = Promise.withResolvers<Uint8Array>()
  const { storage, settled } = watchWrites(memoryStorage())
  async function* slow(): AsyncGenerator<Uint8Array> {
    yield await promise
  }
  let isSettled = false
  const write = storage.write('a', slow())
  const settling = settled().then(() => {
    isSettled = true
  })
  await storage.write('b', bytesOf('x'))
  t.notOk(isSettled)
  reject(new Error('the client has left'))
  await t.rejects(write, { message: 'the client has left' })
  await settling
  await settled()
})

t.test('settled waits for what is cleaned up after the writes', async (t) => {
  const { promise, resolve } = Promise.withResolvers<void>()
  const { settled } = watchWrites({ ...memoryStorage(), idle: () => promise })
  let isSettled = false
  const settling = settled().then(() => {
    isSettled = true
  })
  await new Promise(setImmediate)
  t.notOk(isSettled)
  resolve()
  await settling
})

t.test('while it is closed nothing is written, and all can be read', async (t) => {
  let isClosed = false
  const calls: string[] = []
  const watching = interposed(memoryStorage(), (call) => void calls.push(call))
  const { storage } = watchWrites(watching, {
    isClosed: () => isClosed,
    onFault: () => t.fail('is no fault')
  })
  await storage.write('a', bytesOf('x'))
  isClosed = true
  calls.length = 0
  const refused: Promise<unknown>[] = [
    storage.write('a', bytesOf('y')),
    storage.begin('b'),
    storage.append('b', 0, bytesOf('y')),
    storage.commit('b', 0, 'c'),
    storage.abandon('b'),
    storage.delete('a'),
    storage.deleteFolder('a'),
    storage.probeWrite()
  ]
  for (const write of refused) {
    await t.rejects(() => write, { name: 'StorageUnavailable', message: /read-only/ })
  }
  t.strictSame(calls, [])
  t.equal(await storage.size('a'), 1)
  isClosed = false
  await storage.delete('a')
})
