import type { EventEmitter } from 'node:events'

/** Whether the registry takes nothing that writes, which may change at any time. */
export interface ReadOnly {
  isOn(): boolean
  /** Tells of a request that writes and was let in. @param answer is closed when it is over */
  admit(answer: EventEmitter): void
  /** Resolves once it is so and, if it is on, no request that writes is open any more. */
  set(isOn: boolean): Promise<void>
}

export function createReadOnly(isOnFirst: boolean): ReadOnly {
  let isOn = isOnFirst
  let open = 0
  let waiting: (() => void)[] = []

  function wakeAll(): void {
    for (const wake of waiting) wake()
    waiting = []
  }

  return {
    isOn: () => isOn,

    admit(answer) {
      open++
      answer.once('close', () => {
        open--
        if (open === 0) wakeAll()
      })
    },

    set(now) {
      isOn = now
      if (!isOn) wakeAll()
      if (!isOn || open === 0) return Promise.resolve()
      return new Promise((resolve) => waiting.push(resolve))
    }
  }
}
