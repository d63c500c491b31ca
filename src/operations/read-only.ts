import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Siblings } from '../registry/siblings.ts'
import { onceOver } from './once-over.ts'

/** Whether the registry takes nothing that writes, which may change at any time. */
export interface ReadOnly {
  isOn(): boolean
  /** Whether it is on and nothing that was let in before is open any more. */
  isQuiet(): boolean
  /** Tells of a request that writes and was let in. */
  admit(request: FastifyRequest, reply: FastifyReply): void
  /** Tells of other work that writes and was let in. */
  during<T>(work: () => T | Promise<T>): Promise<T>
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

    async during(work) {
      open++
      try {
        return await work()
      } finally {
        end()
      }
    },

    set(now) {
      isOn = now
      if (!isOn) wakeAll()
      if (!isOn || open === 0) return Promise.resolve()
      return new Promise((resolve) => waiting.push(resolve))
    }
  }
}

/** What siblings ask for is a part of requests that they have let in, whatever this process lets in by now. */
export function answerAlways(siblings: Siblings, readOnly: ReadOnly): Siblings {
  return {
    ...siblings,
    onQuestion: (topic, answer) =>
      siblings.onQuestion(topic, (question) => readOnly.during(() => answer(question)))
  }
}
