import type { Lease } from '../operations/limits.ts'
import type { ToHolder, ToPermits } from './permits.ts'

/**
 * A process's share of the pod's permits.
 * @param tell the permits
 */
export function createLease(tell: (word: ToPermits) => void): Lease & { receive(word: ToHolder): void } {
  const waiting = new Map<number, (isGranted: boolean) => void>()
  let idle = 0
  let isScarce = true
  let asked = 0

  function end(): void {
    if (isScarce) tell({ type: 'back', count: 1 })
    else idle++
  }

  return {
    take() {
      if (idle === 0) return false
      idle--
      return true
    },

    ask(done) {
      const id = ++asked
      const spare = waiting.size === 0
      waiting.set(id, done)
      tell({ type: 'want', id, spare })
      return () => {
        if (waiting.delete(id)) tell({ type: 'forget', id })
      }
    },

    end,

    receive(word) {
      if (word.type === 'recall') {
        const count = idle
        idle = 0
        isScarce = true
        tell({ type: 'recalled', count })
        return
      }
      const done = waiting.get(word.id)
      waiting.delete(word.id)
      if (word.type === 'refused') return done?.(false)
      if (word.spare > 0) {
        isScarce = false
        idle += word.spare
      }
      // Its client may have left while it was on the way.
      if (done === undefined) end()
      else done(true)
    }
  }
}
