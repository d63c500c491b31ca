import type { Siblings } from '../registry/siblings.ts'
import { createAnswers } from './answers.ts'

/**
 * A warning that a pod gives once, whichever of its processes come to give it.
 * @param topic what siblings know it by
 */
export function createWarning(
  topic: string,
  { siblings, logger }: { siblings: Siblings; logger: { warn(text: string): void } }
): (text: string) => Promise<void> {
  const given = createAnswers<true>({ topic, siblings, lifeMs: () => Number.POSITIVE_INFINITY })
  return async (text) => {
    await given.get('', async () => {
      logger.warn(text)
      return true
    })
  }
}

/** After this long a registry's account that might not do something tries again. */
const FORBIDDEN_MS = 5 * 60_000

/** What the registry's account may not do (403), so that it is left alone for five minutes. */
export interface Forbidden {
  isNow(): boolean
  /** Begins the five minutes, with a warning. @param text what does not work, and what to do */
  begin(text: string): Promise<void>
}

/** @param topic what siblings know the warning by */
export function createForbidden(
  topic: string,
  options: { siblings: Siblings; logger: { warn(text: string): void }; now: () => number }
): Forbidden {
  const warn = createWarning(topic, options)
  let until = Number.NEGATIVE_INFINITY
  return {
    isNow: () => options.now() < until,
    begin(text) {
      until = options.now() + FORBIDDEN_MS
      return warn(text)
    }
  }
}
