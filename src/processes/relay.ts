import type { FromPrimary, FromWorker } from './messages.ts'

/** A worker, as far as messages go. A message to one that is about to die may be lost. */
export interface Correspondent {
  send(message: FromPrimary): void
}

interface Asked {
  asker: Correspondent
  /** The asker's own number for it. */
  id: number
  waiting: Set<Correspondent>
  answers: string[]
}

export interface Relay {
  join(worker: Correspondent): void
  /** It has died: nobody waits for its answers any more. */
  leave(worker: Correspondent): void
  receive(from: Correspondent, message: FromWorker): void
}

/** The primary's part in siblings' talk: a question goes to all other workers, their answers go back together. */
export function createRelay(): Relay {
  const workers = new Set<Correspondent>()
  const open = new Map<number, Asked>()
  let questions = 0

  function endIfComplete(number: number, { asker, id, waiting, answers }: Asked): void {
    if (waiting.size > 0) return
    open.delete(number)
    if (workers.has(asker)) asker.send({ type: 'answers', id, answers })
  }

  return {
    join: (worker) => workers.add(worker),

    leave(worker) {
      workers.delete(worker)
      for (const [number, asked] of open) {
        if (asked.waiting.delete(worker)) endIfComplete(number, asked)
      }
    },

    receive(from, message) {
      if (message.type === 'question') {
        const { id, topic, question } = message
        const waiting = new Set(workers)
        waiting.delete(from)
        const number = ++questions
        const asked = { asker: from, id, waiting, answers: [] }
        open.set(number, asked)
        for (const worker of waiting) worker.send({ type: 'question', id: number, topic, question })
        endIfComplete(number, asked)
      } else if (message.type === 'answer') {
        const asked = open.get(message.id)
        if (!asked?.waiting.delete(from)) return
        if (message.answer !== undefined) asked.answers.push(message.answer)
        endIfComplete(message.id, asked)
      }
    }
  }
}
