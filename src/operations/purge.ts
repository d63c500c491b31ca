import type { Logger } from './logs.ts'

/** Asked before each removal, of what has this name. */
export type MayRemove = (name: string) => boolean

export interface PurgeOptions {
  /** Removes what nobody has gone on with since a moment, and gives how many uploads there were. */
  purge(before: Date, mayRemove: MayRemove): Promise<number>
  /** Does work if it is this replica's turn, and gives when the next turn is: see registry/turns.ts. */
  takeTurn(everyMs: number, work: () => Promise<void>, mayWrite: () => boolean): Promise<number>
  /** How long nobody must have gone on with an upload. */
  ageMs: number
  intervalMs: number
  /** Says what would be removed, and removes nothing. */
  dryrun: boolean
  isReadOnly(): boolean
  log: Pick<Logger, 'debug' | 'info' | 'error'>
}

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS

/** Replicas that start together, or wait for the same turn, come at different moments. */
const MOST_JITTER_MS = 10 * MINUTE_MS

/**
 * Removes uploads that nobody has gone on with, every so often, in one process of all replicas at a time. When it was
 * done last is kept in the storage, so that starting again neither puts it off nor repeats it. It keeps no process from
 * ending.
 */
export function schedulePurge(options: PurgeOptions): void {
  const { purge, takeTurn, ageMs, intervalMs, dryrun, isReadOnly, log } = options
  const jitterMs = Math.min(MOST_JITTER_MS, intervalMs / 10)

  async function work(): Promise<void> {
    let named = 0
    const count = await purge(new Date(Date.now() - ageMs), (name) => {
      if (isReadOnly()) throw new Error('the registry has become read-only')
      named++
      log.debug(`${dryrun ? 'would remove' : 'removes'} ${name}`)
      return !dryrun
    })
    const age =
      ageMs % HOUR_MS === 0 ? `${ageMs / HOUR_MS} h` : `${Number((ageMs / MINUTE_MS).toFixed(3))} min`
    if (dryrun && named > 0) {
      const what = named === 1 ? '1 upload or temporary file' : `${named} uploads and temporary files`
      log.info(`dry run: would remove ${what} that nobody had gone on with for ${age}`)
    } else if (count > 0) {
      log.info(
        `removed ${count === 1 ? '1 upload' : `${count} uploads`} that nobody had gone on with for ${age}`
      )
    }
  }

  async function run(): Promise<void> {
    let next = Date.now() + HOUR_MS
    try {
      if (!isReadOnly()) next = await takeTurn(intervalMs, work, () => !isReadOnly())
    } catch (error) {
      if (!isReadOnly())
        log.error(error, 'abandoned uploads could not be removed; berth tries again within an hour')
    }
    wait(Math.min(HOUR_MS, Math.max(0, next - Date.now())))
  }

  function wait(ms: number): void {
    setTimeout(run, ms + Math.random() * jitterMs).unref()
  }

  wait(0)
}
