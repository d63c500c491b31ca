import t from 'tap'
import { createRecorder, type Recorder } from '../../../src/operations/metrics/recorder.ts'
import { codeOf, meteredStorage } from '../../../src/operations/metrics/storage.ts'
import {
  InvalidKey,
  ObjectNotFound,
  OffsetConflict,
  StorageFull,
  StorageUnavailable
} from '../../../storage/driver.ts'
import { memoryStorage } from '../../../storage/memory.ts'
import { storageContract } from '../../storage/contract.ts'

const errno = (code: string): Error => Object.assign(new Error(code), { code, syscall: 'write' })

t.test('a fault has the code of OpenShift’s registry, which alerts know', async (t) => {
  const cases: [unknown, string | undefined][] = [
    [new StorageFull('full', { cause: errno('ENOSPC') }), 'DEVICE_OUT_OF_SPACE'],
    [new StorageFull('full', { cause: errno('EDQUOT') }), 'DEVICE_OUT_OF_SPACE'],
    [new StorageFull('full'), 'DEVICE_OUT_OF_SPACE'],
    [new StorageUnavailable('ro', { cause: errno('EROFS') }), 'READ_ONLY_FILESYSTEM'],
    [new StorageUnavailable('no', { cause: errno('EIO') }), 'UNKNOWN'],
    [errno('EFBIG'), 'FILE_TOO_LARGE'],
    [errno('EINVAL'), 'UNKNOWN'],
    [new ObjectNotFound('a'), 'PATH_NOT_FOUND'],
    [new OffsetConflict('a', 1), 'INVALID_OFFSET'],
    [new InvalidKey('..'), 'INVALID_PATH'],
    [new Error('the client has left'), undefined],
    ['text', undefined]
  ]
  for (const [error, code] of cases) t.equal(codeOf(error), code, String(error))
})

const totals = (recorder: Recorder): Record<string, number> => {
  const { counters = [], distributions = [] } = recorder.take() ?? {}
  return Object.fromEntries([
    ...counters
      .filter(([name, , growth]) => name === 'storageErrors' && growth > 0)
      .map(([, labels, growth]) => [labels.join(' '), growth]),
    ...distributions
      .filter(([name]) => name === 'storage')
      .map(([, [, operation], , buckets]) => [
        operation,
        buckets.reduce((sum, n, index) => sum + (index % 2) * n, 0)
      ])
  ])
}

t.test('each call is counted by its operation, and a fault by its code', async (t) => {
  const recorder = createRecorder()
  const storage = meteredStorage(memoryStorage(), 'memory', recorder)
  await storage.write('a/b', [Buffer.from('text')])
  await storage.size('a/b')
  await storage.list('a')
  for await (const _ of storage.read('a/b')) break
  await t.rejects(async () => {
    for await (const _ of storage.read('nothing')) break
  }, ObjectNotFound)
  t.same(totals(recorder), {
    'StorageDriver.PutContent': 1,
    'StorageDriver.Stat': 1,
    'StorageDriver.List': 1,
    'StorageDriver.Reader': 1,
    'StorageDriver.Reader PATH_NOT_FOUND': 1
  })
})

t.test('a client that leaves is no fault of storage', async (t) => {
  const recorder = createRecorder()
  const storage = meteredStorage(memoryStorage(), 'memory', recorder)
  const body = async function* () {
    yield Buffer.from('part')
    throw new Error('the client has left')
  }
  await t.rejects(storage.write('a', body()), { message: 'the client has left' })
  t.same(totals(recorder), {})
})

t.test('a storage that is counted keeps every promise', async (t) => {
  await storageContract(t, () => {
    const storage = meteredStorage(memoryStorage(), 'memory', createRecorder())
    return () => storage
  })
})
