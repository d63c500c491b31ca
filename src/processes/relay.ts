import type { FromPrimary, FromWorker } from './messages.ts'

/** A worker, as far as messages go. A message to one that is about to die may be lost. */
export interface Correspondent {
  send(message: FromPrimary): void
}

interface Asked {
  waiting: Set<Correspondent>
  answers: string[]
  done(answers: string[]): void
}

export interface Relay {
  join(worker: Correspondent): void
  /** It has died: nobody waits for its answers any more. */
  leave(worker: Correspondent): void
  receive(from: Correspondent, message: FromWorker): void
  /** A question of the primary's own, to all workers. Resolves when each has answered it or is gone. */
  ask(topic: string, question: string): Promise<string[]>
}

/** The primary's part in siblings' talk: a question goes to all other workers, their answers go back together. */
export function createRelay(): Relay {
  const workers = new Set<Correspondent>()
  const open = new Map<number, Asked>()
  let questions = 0

  function put(topic: string, question: string, to: Iterable<Correspondent>, done: Asked['done']): void {
    const id = ++questions
    const asked = { waiting: new Set(to), answers: [], done }
    open.set(id, asked)
    for (const worker of asked.waiting) worker.send({ type: 'question', id, topic, question })
    endIfComplete(id, asked)
  }

  function endIfComplete(id: number, { waiting, answers, done }: Asked): void {
    if (waiting.size > 0) return
    open.delete(id)
    done(answers)
  }

  return {
    join: (worker) => workers.add(worker),

    leave(worker) {
      workers.delete(worker)
      for (const [id, asked] of open) {
        if (asked.waiting.delete(worker)) endIfComplete(id, asked)
      }
    },

    receive(from, message) {
      if (message.type === 'question') {
        const { id, topic, question } = message
        const others = new Set(workers)
        others.delete(from)
        put(topic, question, others, (answers) => {
          if (workers.has(from)) from.send({ type: 'answers', id, answers })
        })
      } else if (message.type === 'answer') {
        const asked = open.get(message.id)
        if (!asked?.waiting.delete(from)) return
        if (message.answer !== undefined) asked.answers.push(message.answer)
        endIfComplete(message.id, asked)
      }
    },

    ask: (topic, question) => new Promise((resolve) => put(topic, question, workers, resolve))
  }
}
