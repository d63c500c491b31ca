import { readFile } from 'node:fs/promises'
import { createRecorder, type Recorder } from './recorder.ts'
import type { Metrics } from './registry.ts'
import { startReports } from './reports.ts'

/** What a process that serves is given. */
export interface Counting {
  recorder: Recorder
  /** What all processes of the pod have counted, in Prometheus' text format. */
  text(): Promise<string>
}

/**
 * Opens the registry of a pod, and counts what this process does into it.
 * @param place which process this is: `primary`, or 1 where it serves on its own
 */
export function openMetrics(place: string): Counting & { metrics: Metrics } {
  const metrics = createLazily(async () => {
    const [{ createMetrics }, version] = await Promise.all([import('./registry.ts'), readVersion()])
    return createMetrics({ version })
  })
  const recorder = createRecorder()
  const source = {}
  const reports = startReports(recorder, place, (batch) => metrics.add(source, batch))
  return {
    metrics,
    recorder,
    text() {
      reports.send()
      return metrics.text()
    }
  }
}

/** The client library of Prometheus takes as long to load as the rest of a primary: that comes after the start. */
function createLazily(load: () => Promise<Metrics>): Metrics {
  let loading: Promise<Metrics> | undefined
  const loaded = (): Promise<Metrics> => {
    loading ??= load()
    return loading
  }
  return {
    add: async (source, batch) => (await loaded()).add(source, batch),
    leave: async (source) => (await loaded()).leave(source),
    text: async () => (await loaded()).text()
  }
}

async function readVersion(): Promise<string> {
  const text = await readFile(new URL('../../../package.json', import.meta.url), 'utf8')
  return JSON.parse(text).version
}
