import type { FastifyReply, FastifyRequest } from 'fastify'
import { onceOver } from './logs/requests.ts'

/** Whether the registry takes nothing that writes, which may change at any time. */
export interface ReadOnly {
  isOn(): boolean
  /** Whether it is on and nothing that was let in before is open any more. */
  isQuiet(): boolean
  /** Tells of a request that writes and was let in. */
  admit(request: FastifyRequest, reply: FastifyReply): void
  /** Tells of other work that writes and was let in. */
  during<T>(work: Promise<T>): Promise<T>
  /** Resolves once it is so and, if it is on, nothing that was let in before is open any more. */
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

  function end(): void {
    open--
    if (open === 0) wakeAll()
  }

  return {
    isOn: () => isOn,
    isQuiet: () => isOn && open === 0,

    admit(request, reply) {
      open++
      onceOver(request, reply, end)
    },

    during(work) {
      open++
      return work.finally(end)
    },

    set(now) {
      isOn = now
      if (!isOn) wakeAll()
      if (!isOn || open === 0) return Promise.resolve()
      return new Promise((resolve) => waiting.push(resolve))
    }
  }
}
