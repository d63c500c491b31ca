import type { Kind } from '../operations/limits.ts'
import type { Batch } from '../operations/metrics/recorder.ts'
import type { ToHolder, ToPermits } from './permits.ts'

/** What a worker tells the primary. Questions and answers are for its siblings: see registry/siblings.ts. */
export type FromWorker =
  | { type: 'serving' }
  | { type: 'question'; id: number; topic: string; question: string }
  | { type: 'answer'; id: number; answer?: string | undefined }
  | { type: 'counted'; batch: Batch }
  | { type: 'metrics'; id: number }
  | { type: 'permits'; words: [Kind, ToPermits][] }

/** What the primary tells a worker. */
export type FromPrimary =
  | { type: 'stop' }
  | { type: 'question'; id: number; topic: string; question: string }
  | { type: 'answers'; id: number; answers: string[] }
  | { type: 'metrics'; id: number; text: string }
  | { type: 'permits'; words: [Kind, ToHolder][] }

/** What the primary asks: to go by these settings from now on, as JSON. They hold once it is answered. */
export const RELOAD = 'reload'
