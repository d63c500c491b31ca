import type { Inherit, Siblings } from '../registry/registry.ts'
import { inOneLine } from './one-line.ts'

/** A process that does not say by then what it goes by is left out. */
const PATIENCE_MS = 2000

export function createInherit(siblings: Siblings, logger: { warn(text: string): void }): Inherit {
  return async (topic, read, parse) => {
    try {
      return await read()
    } catch (error) {
      const [held] = await siblings.ask(topic, '', PATIENCE_MS)
      if (held === undefined) throw error
      const reason = inOneLine((error as Error).message)
      logger.warn(`this process goes on with what the others hold: ${reason}`)
      return parse(held)
    }
  }
}
