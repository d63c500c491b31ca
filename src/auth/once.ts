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
