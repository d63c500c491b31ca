import type { Recorder } from './recorder.ts'

type OnLookup = (isHit: boolean) => void

/** What is told of the caches. Hit and Miss are the words of OpenShift's registry. */
export function countLookups(recorder: Recorder): { digest: OnLookup; scoped: OnLookup } {
  const of = (name: 'digestCache' | 'scopedDigestCache'): OnLookup => {
    const hits = recorder.counter(name, 'Hit')
    const misses = recorder.counter(name, 'Miss')
    return (isHit) => (isHit ? hits : misses).add()
  }
  return { digest: of('digestCache'), scoped: of('scopedDigestCache') }
}

/** What is told of calls to the API server; both names are of a small set. */
export function countCalls(recorder: Recorder): {
  onCall(call: string, outcome: string, seconds: number): void
  onRetry(): void
} {
  const retries = recorder.counter('kubernetesRetries')
  return {
    onCall: (call, outcome, seconds) => recorder.distribution('reviews', call, outcome).observe(seconds),
    onRetry: () => retries.add()
  }
}

/** Longer ones, and other ones, are no code of a store's. */
const CODE = /^[\w.-]{1,40}$/

/** What is told of calls to an object store. */
export function countStoreCalls(
  recorder: Recorder,
  driver: string
): {
  onCall(operation: string, ms: number, code?: string): void
  onRetry(operation: string, code: string): void
} {
  const plain = (code: string): string => (CODE.test(code) ? code : 'OTHER')
  return {
    onCall: (operation, _ms, code = 'OK') =>
      recorder.counter('storageCalls', driver, operation, plain(code)).add(),
    onRetry: (operation, code) => recorder.counter('storageRetries', driver, operation, plain(code)).add()
  }
}

type Purge = (before: Date, mayRemove: (name: string) => boolean) => Promise<number>

/** The same purge, whose uploads are counted as gone. */
export function countPurged(recorder: Recorder, purge: Purge): Purge {
  return async (before, mayRemove) => {
    const count = await purge(before, mayRemove)
    recorder.counter('uploads', 'purged').add(count)
    return count
  }
}

/** So often it is looked whether the storage is healthy, and every so many times how many uploads are open. */
const LOOK_MS = 1000
const UPLOADS_EVERY = 60

export interface ShownState {
  /** What is wrong with the storage, if anything is; undefined where nobody looks. */
  trouble?: (() => string | undefined) | undefined
  countUploads(): Promise<number | undefined>
}

/** Shows how the storage is, in the one process of a pod that knows. */
export function showState(recorder: Recorder, { trouble, countUploads }: ShownState): { stop(): void } {
  const healthy = trouble && recorder.gauge('storageHealthy')
  let turn = 0
  let isCounting = false
  async function count(): Promise<void> {
    isCounting = true
    try {
      const open = await countUploads()
      if (open !== undefined) recorder.gauge('openUploads').set(open)
    } catch {
      // A storage that does not answer is told of elsewhere.
    } finally {
      isCounting = false
    }
  }
  function look(): void {
    healthy?.set(trouble?.() === undefined ? 1 : 0)
    // Each call to a storage that hangs would take a thread for good.
    if (turn++ % UPLOADS_EVERY === 0 && !isCounting) count()
  }
  look()
  const timer = setInterval(look, LOOK_MS).unref()
  return { stop: () => clearInterval(timer) }
}

/** Shows how much room the storage has. */
export function showSpace(recorder: Recorder): (space: { free: number; size: number }) => void {
  return ({ free, size }) => {
    recorder.gauge('storageFree').set(free)
    recorder.gauge('storageSize').set(size)
  }
}

/** Shows whether the storage takes writes. */
export function showWritable(recorder: Recorder): (isWritable: boolean) => void {
  return (isWritable) => recorder.gauge('storageWritable').set(Number(isWritable))
}
