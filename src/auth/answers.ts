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

/** A question that has no answer yet. */
interface Asking<T> {
  answer: Promise<Answered<T>>
  /** Whether the API server was called: then nobody else need be waited for. */
  isCalling: boolean
  /** Whether a sibling was told to go ahead, which has to be asked again, then. */
  hasDeferred: boolean
}

/** Beyond these, those longest not asked for are forgotten. */
const MOST = 10_000

/** For a sibling that is asking the API server just now. */
const PATIENCE_MS = 2000

export function createAnswers<T>({ topic, siblings, lifeMs, now = Date.now }: AnswersOptions<T>): Answers<T> {
  const known = new LRUCache<string, Answered<T>>({ max: MOST })
  const asking = new Map<string, Asking<T>>()
  // Of two processes that ask each other at the same moment, the one with the higher rank waits for the other.
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
    const own = asking.get(question)
    if (own === undefined) return undefined
    if (own.isCalling || rank < asker) return JSON.stringify(await own.answer)
    own.hasDeferred = true
    return undefined
  })

  async function askSiblings(
    own: Asking<T>,
    question: string,
    maxAgeMs?: number
  ): Promise<Answered<T> | undefined> {
    if (maxAgeMs === 0) return undefined // whatever they know is too old
    const text = JSON.stringify({ question, maxAgeMs, asker: rank })
    do {
      own.hasDeferred = false
      for (const told of await siblings.ask(topic, text, PATIENCE_MS)) {
        const answered: Answered<T> = JSON.parse(told)
        if (isFresh(answered, maxAgeMs ?? Number.POSITIVE_INFINITY)) return answered
      }
    } while (own.hasDeferred)
    return undefined
  }

  async function ask(
    own: Asking<T>,
    question: string,
    look: () => Promise<T>,
    maxAgeMs?: number
  ): Promise<Answered<T>> {
    const told = await askSiblings(own, question, maxAgeMs)
    if (told !== undefined) return told
    own.isCalling = true
    const at = now()
    return { value: await look(), at }
  }

  function begin(question: string, look: () => Promise<T>, maxAgeMs?: number): Promise<Answered<T>> {
    const { promise, resolve, reject } = Promise.withResolvers<Answered<T>>()
    const own: Asking<T> = { answer: promise, isCalling: false, hasDeferred: false }
    asking.set(question, own)
    const ended = (): void => {
      if (asking.get(question) === own) asking.delete(question)
    }
    ask(own, question, look, maxAgeMs).then(
      (answered) => {
        known.set(question, answered)
        ended()
        resolve(answered)
      },
      (error: unknown) => {
        ended()
        reject(error)
      }
    )
    return promise
  }

  return {
    peek: (question) => fresh(question)?.value,

    async get(question, look, maxAgeMs) {
      const here = fresh(question, maxAgeMs)
      if (here !== undefined) return here.value
      const since = now()
      for (let others = asking.get(question); others !== undefined; others = asking.get(question)) {
        const answered = await others.answer
        // It may have been asked long before.
        if (maxAgeMs === undefined || answered.at >= since || isFresh(answered, maxAgeMs))
          return answered.value
      }
      return (await begin(question, look, maxAgeMs)).value
    }
  }
}
