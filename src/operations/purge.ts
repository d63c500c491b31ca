import type { Logger } from './logs.ts'

const HOUR_MS = 60 * 60 * 1000

/** As CNCF distribution does it unless told otherwise. */
const AGE_MS = 168 * HOUR_MS
const INTERVAL_MS = 24 * HOUR_MS

/**
 * Removes uploads that nobody has finished in a week, once a day; the first time at a random moment of the first
 * hour, so that replicas that start together do not all do it at once. It keeps no process from ending.
 * @param purge removes what nobody has gone on with since a moment, and gives how many there were
 */
export function schedulePurge(
  purge: (before: Date) => Promise<number>,
  log: Pick<Logger, 'info' | 'error'>
): void {
  async function run(): Promise<void> {
    setTimeout(run, INTERVAL_MS).unref()
    try {
      const count = await purge(new Date(Date.now() - AGE_MS))
      if (count > 0) log.info(`removed ${count} uploads that nobody had gone on with for a week`)
    } catch (error) {
      log.error(error, 'abandoned uploads could not be removed; berth tries again in a day')
    }
  }
  setTimeout(run, Math.random() * HOUR_MS).unref()
}
