import type { Answer, Siblings } from '../registry/registry.ts'
import type { FromPrimary, FromWorker } from './messages.ts'

/**
 * A worker's end of siblings' talk, which the primary relays.
 * @param send to the primary
 */
export function createSiblings(send: (message: FromWorker) => void): {
  siblings: Siblings
  /** What the primary says. */
  receive(message: FromPrimary): void
} {
  const topics = new Map<string, Answer>()
  const open = new Map<number, (answers: string[]) => void>()
  let questions = 0

  async function answer(topic: string, question: string): Promise<string | undefined> {
    try {
      return await topics.get(topic)?.(question)
    } catch {
      return undefined // the asker does without
    }
  }

  return {
    siblings: {
      onQuestion: (topic, answer) => topics.set(topic, answer),

      async ask(topic, question, patienceMs) {
        const id = ++questions
        const { promise, resolve } = Promise.withResolvers<string[]>()
        const timer = setTimeout(resolve, patienceMs, [])
        open.set(id, resolve)
        send({ type: 'question', id, topic, question })
        const answers = await promise
        clearTimeout(timer)
        open.delete(id)
        return answers
      }
    },

    receive(message) {
      if (message.type === 'answers') open.get(message.id)?.(message.answers)
      if (message.type !== 'question') return
      const { id, topic, question } = message
      answer(topic, question).then((answer) => send({ type: 'answer', id, answer }))
    }
  }
}
