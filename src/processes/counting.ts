import type { Batch } from '../operations/metrics/recorder.ts'
import type { FromPrimary, FromWorker } from './messages.ts'

/**
 * A worker's end of the counting, which the primary does for all.
 * @param send to the primary
 */
export function createCounting(send: (message: FromWorker) => unknown): {
  tell(batch: Batch): unknown
  /** What all processes have counted, this one's last batch included if it was told before. */
  text(): Promise<string>
  /** What the primary says. */
  receive(message: FromPrimary): void
} {
  const open = new Map<number, (text: string) => void>()
  let questions = 0
  return {
    tell: (batch) => send({ type: 'counted', batch }),

    text() {
      const id = ++questions
      const { promise, resolve } = Promise.withResolvers<string>()
      open.set(id, resolve)
      send({ type: 'metrics', id })
      return promise
    },

    receive(message) {
      if (message.type !== 'metrics') return
      open.get(message.id)?.(message.text)
      open.delete(message.id)
    }
  }
}
