import type { Siblings } from '../registry/siblings.ts'
import { withPatience } from './patience.ts'

export interface WritableOptions {
  /** Writes a little to the storage, and removes it. */
  probe(): Promise<void>
  /** How often it is tried again once it has failed. */
  intervalMs: number
  /** Whether this process is the one of its pod that tries. */
  leads: boolean
  siblings: Siblings
  /** While it is nothing is written. */
  isReadOnly(): boolean
  logger: { info(text: string): void; error(text: string): void }
  /** Told by the process that leads, the first time and whenever it changes. */
  onChange?: ((isWritable: boolean) => void) | undefined
}

export interface Writable {
  /** To be told of each write that the storage could not do. */
  onFault(): void
  stop(): void
}

/** Many writes fail at the same moment: it is tried for all of them. */
const PAUSE_MS = 500

/** A busy disk may take long. */
const PROBE_MS = 30_000

const FAILED = 'a write to the storage has failed'
/** For siblings. */
const PATIENCE_MS = 1000

/**
 * Knows whether the storage takes writes: tries once at the start and after a write that failed, and then every so often
 * until it succeeds; while the registry is read-only that waits. It tells, and refuses nothing: each write finds out for itself, and pulls need none.
 */
export function watchWritable(options: WritableOptions): Writable {
  const { probe, intervalMs, leads, siblings, isReadOnly, logger, onChange } = options
  const tryOut = withPatience(probe, PROBE_MS)
  let isWritable: boolean | undefined
  let isLooking = false
  let timer: NodeJS.Timeout | undefined
  let pause: NodeJS.Timeout | undefined

  async function look(): Promise<void> {
    if (isLooking) return
    isLooking = true
    clearTimeout(timer)
    if (!isReadOnly()) {
      judge(
        await tryOut().then(
          () => undefined,
          (error: Error) => error.message
        )
      )
    }
    isLooking = false
    if (isWritable !== true) timer = setTimeout(look, intervalMs).unref()
  }

  function judge(problem: string | undefined): void {
    const before = isWritable
    isWritable = problem === undefined
    if (isWritable === before) return
    onChange?.(isWritable)
    if (problem !== undefined) {
      logger.error(
        `the storage takes no writes, so pushes and deletions fail. Tried again every ${intervalMs / 1000} s: ${problem}`
      )
    } else if (before === false) {
      logger.info('the storage takes writes again')
    }
  }

  if (leads) {
    siblings.onQuestion(FAILED, () => {
      look()
      return 'heard'
    })
    look()
  }

  return {
    onFault() {
      pause ??= setTimeout(() => {
        pause = undefined
        if (leads) look()
        else siblings.ask(FAILED, '', PATIENCE_MS)
      }, PAUSE_MS).unref()
    },

    stop() {
      clearTimeout(timer)
      clearTimeout(pause)
    }
  }
}
