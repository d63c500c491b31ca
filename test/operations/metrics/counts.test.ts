import { mock } from 'node:test'
import t from 'tap'
import {
  countCalls,
  countLookups,
  countPurged,
  countStoreCalls,
  showState
} from '../../../src/operations/metrics/counts.ts'
import { createRecorder, type Recorder } from '../../../src/operations/metrics/recorder.ts'
import { purgeTurnKey } from '../../../src/registry/layout.ts'
import { createRegistry } from '../../../src/registry/registry.ts'
import { memoryStorage } from '../../../storage/memory.ts'
import { digestOf } from '../../registry/support.ts'

const counters = (recorder: Recorder): Record<string, number> =>
  Object.fromEntries(
    (recorder.take()?.counters ?? []).map(([name, labels, growth]) => [[name, ...labels].join(' '), growth])
  )

t.test('a cache tells what it knew', async (t) => {
  const recorder = createRecorder()
  const storage = memoryStorage()
  const { blobs } = createRegistry(storage, { lookups: countLookups(recorder) })
  const digest = digestOf('a layer') as never
  await createRegistry(storage).blobs.write('a/b' as never, digest, [Buffer.from('a layer')])
  for (let i = 0; i < 3; i++) await blobs.get('a/b' as never, digest)
  const seen = counters(recorder)
  t.equal(seen['scopedDigestCache Miss'], 1)
  t.equal(seen['scopedDigestCache Hit'], 2)
  t.equal(seen['digestCache Hit'], 0)
})

t.test('calls to an object store are counted by what came of them', (t) => {
  const recorder = createRecorder()
  const { onCall, onRetry } = countStoreCalls(recorder, 's3')
  onCall('PutObject', 12)
  onCall('PutObject', 12, 'SlowDown')
  onCall('PutObject', 12, 'a b'.repeat(100))
  onRetry('PutObject', 'SlowDown')
  t.strictSame(counters(recorder), {
    'storageCalls s3 PutObject OK': 1,
    'storageCalls s3 PutObject SlowDown': 1,
    'storageCalls s3 PutObject OTHER': 1,
    'storageRetries s3 PutObject SlowDown': 1
  })
  t.end()
})

t.test('calls to the API server are counted by what was asked and how they ended', async (t) => {
  const recorder = createRecorder()
  const { onCall, onRetry } = countCalls(recorder)
  onCall('TokenReview', 'answered', 0.01)
  onCall('TokenReview', 'unavailable', 10)
  onRetry()
  const { counters, distributions } = recorder.take()!
  t.same(counters, [['kubernetesRetries', [], 1]])
  t.same(
    distributions.map(([, labels]) => labels),
    [
      ['TokenReview', 'answered'],
      ['TokenReview', 'unavailable']
    ]
  )
})

t.test('uploads that were purged are counted', async (t) => {
  const recorder = createRecorder()
  t.equal(await countPurged(recorder, async () => 3)(new Date(), () => true), 3)
  t.same(counters(recorder), { 'uploads purged': 3 })
})

t.test('the leading process shows whether the storage is healthy, and open uploads', async (t) => {
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => mock.timers.reset())
  const recorder = createRecorder()
  const storage = memoryStorage()
  let trouble: string | undefined
  const { stop } = showState(recorder, {
    trouble: () => trouble,
    countUploads: createRegistry(storage).countUploads
  })
  const gauges = async (afterMs: number): Promise<Record<string, number>> => {
    mock.timers.tick(afterMs)
    await new Promise(setImmediate)
    const changed = recorder.take()?.gauges ?? []
    return Object.fromEntries(changed.map(([name, , value]) => [name, value]))
  }
  t.same(await gauges(0), { storageHealthy: 1, openUploads: 0 })
  await storage.begin('u/data')
  trouble = 'gone'
  t.same(await gauges(1000), { storageHealthy: 0 })
  trouble = undefined
  t.same(await gauges(60_000), { storageHealthy: 1, openUploads: 1 })
  await storage.begin(purgeTurnKey)
  await storage.begin('v/data')
  t.same(await gauges(60_000), { openUploads: 2 })
  stop()
  trouble = 'gone'
  t.same(await gauges(60_000), {})
})

t.test('a storage that hangs is not asked again and again', async (t) => {
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => mock.timers.reset())
  let asked = 0
  const countUploads = (): Promise<number> => {
    asked++
    return new Promise(() => {})
  }
  const { stop } = showState(createRecorder(), { countUploads })
  mock.timers.tick(600_000)
  stop()
  t.equal(asked, 1)
})

t.test('what nobody knows of the storage is not shown', async (t) => {
  const recorder = createRecorder()
  const { stop } = showState(recorder, { countUploads: async () => undefined })
  await new Promise(setImmediate)
  t.same(recorder.take(), undefined)
  stop()
})
