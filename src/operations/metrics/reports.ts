import { readdir } from 'node:fs/promises'
import type { Batch, Recorder } from './recorder.ts'

/** A process that dies loses at most what it has counted for so long. */
const REPORT_MS = 250
/** Memory, CPU time and open files are looked at every so many reports. */
const VITALS_EVERY = 4

export interface Reports {
  /** Sends what there is at once, as before the process ends, and gives what telling it gives. */
  send(): unknown
}

/**
 * Sends what a process counts, in batches, and looks at the process itself. It keeps no process from ending.
 * @param place which of the pod's processes this is: `primary`, or a number from 1
 */
export function startReports(recorder: Recorder, place: string, tell: (batch: Batch) => unknown): Reports {
  const lag = recorder.distribution('eventLoopLag', place)
  const vitals = createVitals(recorder, place)
  let due = performance.now() + REPORT_MS
  let turn = 0

  function send(): unknown {
    const batch = recorder.take()
    return batch === undefined ? undefined : tell(batch)
  }

  vitals()
  setInterval(() => {
    const now = performance.now()
    lag.observe(Math.max(0, now - due) / 1000)
    due = now + REPORT_MS
    if (++turn % VITALS_EVERY === 0) vitals()
    send()
  }, REPORT_MS).unref()
  return {
    send() {
      vitals()
      return send()
    }
  }
}

function createVitals(recorder: Recorder, place: string): () => void {
  const cpu = recorder.counter('cpu', place)
  const residentMemory = recorder.gauge('residentMemory', place)
  const heapUsed = recorder.gauge('heapUsed', place)
  const openFiles = recorder.gauge('openFiles', place)
  recorder.gauge('startTime', place).set(performance.timeOrigin / 1000)
  let before = 0
  return () => {
    const { user, system } = process.cpuUsage()
    const seconds = (user + system) / 1e6
    cpu.add(seconds - before)
    before = seconds
    const { rss, heapUsed: heap } = process.memoryUsage()
    residentMemory.set(rss)
    heapUsed.set(heap)
    // Linux only; without it there is no such metric. One of them is what reads the folder.
    readdir('/proc/self/fd').then(
      (entries) => openFiles.set(entries.length - 1),
      () => {}
    )
  }
}
