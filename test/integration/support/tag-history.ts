/**
 * What pulls of one tag may give while several clients push it, each manifest once: what the last push before the pull
 * set, or one that ran beside it or since. Times are of this process, each taken where it makes the span longer: a push
 * has taken effect between its request and its answer, or the first pull that gave it.
 */
export interface TagHistory {
  /** Called before the request is sent. */
  pushing(digest: string): void
  /** Called once it is answered. */
  pushed(digest: string): void
  /** Called before a pull is sent. Gives what judges its answer: undefined where it is right, or what is wrong with it. */
  pulling(): (digest: string) => string | undefined
}

export function createTagHistory(now: () => number = () => performance.now()): TagHistory {
  const pushes = new Map<string, { start: number; end: number }>()
  /** When the newest began of those that have taken effect: what ended before it is replaced. */
  let newest = Number.NEGATIVE_INFINITY

  function takeEffect(push: { start: number; end: number }): void {
    push.end = Math.min(push.end, now())
    newest = Math.max(newest, push.start)
  }

  return {
    pushing(digest) {
      pushes.set(digest, { start: now(), end: Number.POSITIVE_INFINITY })
    },
    pushed(digest) {
      const push = pushes.get(digest)
      if (push === undefined) throw new Error(`nobody pushes ${digest}`)
      takeEffect(push)
    },
    pulling() {
      const bound = newest
      return (digest) => {
        const push = pushes.get(digest)
        if (push === undefined) return `${digest} was never pushed`
        const isPast = push.end < bound
        takeEffect(push)
        return isPast ? `${digest} had been replaced before the pull began` : undefined
      }
    }
  }
}
