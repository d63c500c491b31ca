/** Requests whose last line is still to come, so that a process does not end before it. */
export interface OpenRequests {
  /** One has begun whose end is told of. */
  begin(): void
  /** Its line is written. */
  end(): void
  /** Of what goes on when its client leaves: how to tell that nobody knows the end. Gives what takes it back. */
  onGivenUp(tell: () => void): () => void
  /** From now on it is berth that ends connections, not their clients. */
  cut(): void
  isCut(): boolean
  /** Resolves when no line is to come. */
  over(): Promise<void>
  /** Tells of those that are still at it: berth waits no longer. */
  giveUp(): void
}

/** Counts, since this happens for every request. */
export function createOpenRequests(): OpenRequests {
  const left = new Set<() => void>()
  let count = 0
  let cut = false
  let onOver: (() => void) | undefined

  return {
    begin() {
      count++
    },
    end() {
      if (--count === 0) onOver?.()
    },
    onGivenUp(tell) {
      left.add(tell)
      return () => left.delete(tell)
    },
    cut() {
      cut = true
    },
    isCut: () => cut,
    async over() {
      if (count === 0) return
      const { promise, resolve } = Promise.withResolvers<void>()
      onOver = resolve
      await promise
    },
    giveUp() {
      for (const tell of left) tell()
    }
  }
}
