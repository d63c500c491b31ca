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
export async function openMetrics(place: string): Promise<Counting & { metrics: Metrics }> {
  // With it comes the client library of Prometheus, which workers do without.
  const { createMetrics } = await import('./registry.ts')
  const metrics = createMetrics({ version: await readVersion() })
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

async function readVersion(): Promise<string> {
  const text = await readFile(new URL('../../../package.json', import.meta.url), 'utf8')
  return JSON.parse(text).version
}
