/** What is written once in this time, however often it happens. */
const PERIOD_MS = 10_000

/** So many kinds of failures are told apart at a time; beyond these, one stands for all others. */
const MOST_KINDS = 100
const OTHERS = ''

export interface Repeats {
  /** Whether this is the first of its kind, and to be written; the others are counted.
   *  @param kind tells failures apart: one that holds a name or a number is a kind of its own for each of them */
  isFirst(kind: string, level: string, message: string): boolean
  /** Tells of what was counted so far. */
  flush(): void
}

interface Counted {
  level: string
  message: string
  more: number
  since: number
  timer: NodeJS.Timeout
}

/**
 * Counts failures that repeat themselves, so that one that comes with every request does not drown the log.
 * @param tell is told how many there were beside the first, when the period is over
 */
export function createRepeats(
  tell: (level: string, message: string) => void,
  { periodMs = PERIOD_MS, now = () => performance.now() } = {}
): Repeats {
  const kinds = new Map<string, Counted>()

  function end(kind: string): void {
    const counted = kinds.get(kind)
    if (counted === undefined) return
    kinds.delete(kind)
    clearTimeout(counted.timer)
    const { level, message, more, since } = counted
    if (more === 0) return
    const times = more === 1 ? 'once more' : `${more} more times`
    const what = kind === OTHERS ? 'other failures' : message
    tell(level, `${what} (${times} in ${Math.round((now() - since) / 1000)} s)`)
  }

  return {
    isFirst(kind, level, message) {
      const key = kinds.has(kind) || kinds.size < MOST_KINDS ? kind : OTHERS
      const counted = kinds.get(key)
      if (counted !== undefined) {
        counted.more++
        return false
      }
      const timer = setTimeout(() => end(key), periodMs).unref()
      kinds.set(key, { level, message, more: 0, since: now(), timer })
      return true
    },

    flush() {
      for (const kind of kinds.keys()) end(kind)
    }
  }
}
