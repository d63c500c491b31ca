import { readFile } from 'node:fs/promises'
import type { Batch } from './recorder.ts'
import { createRecorder, type Recorder } from './recorder.ts'
import type { Metrics } from './registry.ts'
import { type Reports, startReports } from './reports.ts'

/** What a process that serves is given. */
export interface Counting {
  recorder: Recorder
  /** What all processes of the pod have counted, in Prometheus' text format. */
  text(): Promise<string>
}

/** What a worker tells the primary, and asks of it. */
export interface Primary {
  tell(batch: Batch): unknown
  text(): Promise<string>
}

/** Counts what a worker does, for the registry in the primary. @param place a number from 1 */
export function openReports(place: string, primary: Primary): Counting & Reports {
  const recorder = createRecorder()
  const reports = startReports(recorder, place, primary.tell)
  return {
    recorder,
    send: reports.send,
    text() {
      reports.send()
      return primary.text()
    }
  }
}

/**
 * Opens the registry of a pod, and counts what this process does into it.
 * @param place which process this is: `primary`, or 1 where it serves on its own
 * @param commit of the sources; empty where nobody says
 */
export function openMetrics(place: string, commit: string): Counting & { metrics: Metrics } {
  const metrics = createLazily(async () => {
    const [{ createMetrics }, version] = await Promise.all([import('./registry.ts'), readVersion()])
    return createMetrics({ version, commit })
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

/** As package.json has it. */
export async function readVersion(): Promise<string> {
  const text = await readFile(new URL('../../../package.json', import.meta.url), 'utf8')
  return JSON.parse(text).version
}
