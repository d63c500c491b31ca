/** Lets a bounded number of tasks run at once; the rest wait in line, in order, and the line is bounded too. */
export interface Line {
  /**
   * Runs the task when it is its turn.
   * @param waitMs how long it may wait for that
   * @throws LineError at once when the line is full, after `waitMs`, or when the line is closed
   */
  run<T>(task: () => Promise<T>, waitMs: number): Promise<T>
  /** Turns away who waits, and who comes. */
  close(): void
}

/** A task that was not begun. */
export class LineError extends Error {
  override name = 'LineError'
}

export function createLine(maxRunning: number, maxWaiting: number): Line {
  const waiting = new Set<(refusal?: LineError) => void>()
  let running = 0
  let isClosed = false

  async function turn(waitMs: number): Promise<void> {
    if (isClosed) throw new LineError('the registry is ending')
    if (running < maxRunning) {
      running++
      return
    }
    if (waiting.size >= maxWaiting)
      throw new LineError(`too many calls: ${maxRunning} run and ${maxWaiting} wait already`)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const call = (refusal?: LineError): void => {
      clearTimeout(timer)
      waiting.delete(call)
      if (refusal) reject(refusal)
      else resolve()
    }
    const timer = setTimeout(
      call,
      waitMs,
      new LineError(`too many calls: no turn within ${waitMs} ms behind ${maxRunning} others`)
    )
    waiting.add(call)
    return promise
  }

  function end(): void {
    const [next] = waiting
    // The next in line takes over the place: nobody can slip in between.
    if (next) next()
    else running--
  }

  return {
    async run(task, waitMs) {
      await turn(waitMs)
      try {
        return await task()
      } finally {
        end()
      }
    },

    close() {
      isClosed = true
      for (const call of waiting) call(new LineError('the registry is ending'))
    }
  }
}
