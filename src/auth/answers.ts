import { LRUCache } from 'lru-cache'
import type { Siblings } from '../registry/siblings.ts'

/** What was answered, and when it was asked: ms since 1970. */
interface Answered<T> {
  value: T
  at: number
}

/**
 * Answers of the API server, remembered for seconds. Equal questions that are asked at once are one call, over all
 * processes of a pod: before it calls, a process asks its siblings whether one of them knows, or is asking already.
 */
export interface Answers<T> {
  /** @param maxAgeMs how old the answer may be, if less than it lives. @throws what `look` throws; that is not kept */
  get(question: string, look: () => Promise<T>, maxAgeMs?: number): Promise<T>
  /** One that is still good, without asking. */
  peek(question: string): T | undefined
}

export interface AnswersOptions<T> {
  /** What siblings know these answers by. */
  topic: string
  siblings: Siblings
  /** For how long an answer is good. */
  lifeMs: (value: T) => number
  now?: () => number
}

/** Beyond these, those longest not asked for are forgotten. */
const MOST = 10_000

/** For a sibling that is asking the API server just now. */
const PATIENCE_MS = 5000

export function createAnswers<T>({ topic, siblings, lifeMs, now = Date.now }: AnswersOptions<T>): Answers<T> {
  const known = new LRUCache<string, Answered<T>>({ max: MOST })
  const asking = new Map<string, Promise<Answered<T>>>()
  // Of two processes that ask each other at the same moment, the one with the higher rank waits.
  const rank = Math.random()

  function fresh(question: string, maxAgeMs = Number.POSITIVE_INFINITY): Answered<T> | undefined {
    const answered = known.get(question)
    if (answered === undefined) return undefined
    return isFresh(answered, maxAgeMs) ? answered : undefined
  }

  function isFresh({ value, at }: Answered<T>, maxAgeMs: number): boolean {
    const age = now() - at
    return age >= 0 && age < Math.min(lifeMs(value), maxAgeMs)
  }

  siblings.onQuestion(topic, async (text) => {
    const { question, maxAgeMs, asker } = JSON.parse(text)
    const here = fresh(question, maxAgeMs ?? undefined)
    if (here !== undefined) return JSON.stringify(here)
    const pending = rank < asker ? asking.get(question) : undefined
    return pending === undefined ? undefined : JSON.stringify(await pending)
  })

  async function ask(question: string, look: () => Promise<T>, maxAgeMs?: number): Promise<Answered<T>> {
    const told = await siblings.ask(topic, JSON.stringify({ question, maxAgeMs, asker: rank }), PATIENCE_MS)
    for (const text of told) {
      const answered: Answered<T> = JSON.parse(text)
      if (isFresh(answered, maxAgeMs ?? Number.POSITIVE_INFINITY)) return answered
    }
    const at = now()
    return { value: await look(), at }
  }

  function begin(question: string, look: () => Promise<T>, maxAgeMs?: number): Promise<Answered<T>> {
    const pending = ask(question, look, maxAgeMs)
    asking.set(question, pending)
    const ended = (): void => {
      if (asking.get(question) === pending) asking.delete(question)
    }
    pending.then((answered) => {
      known.set(question, answered)
      ended()
    }, ended)
    return pending
  }

  return {
    peek: (question) => fresh(question)?.value,

    async get(question, look, maxAgeMs) {
      const here = fresh(question, maxAgeMs)
      if (here !== undefined) return here.value
      const others = asking.get(question)
      if (others !== undefined) {
        const answered = await others
        // It may have been asked long before.
        if (maxAgeMs === undefined || isFresh(answered, maxAgeMs)) return answered.value
      }
      return (await begin(question, look, maxAgeMs)).value
    }
  }
}
