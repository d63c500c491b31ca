/**
 * Does each item, so many at once, and gives the results in the items' order. After the first error none is begun, and
 * it is thrown when those under way have ended: nothing goes on behind the caller's back.
 */
export async function inParallel<T, R>(
  items: readonly T[],
  limit: number,
  run: (item: T, index: number) => Promise<R>
): Promise<R[]> {
  const results = new Array<R>(items.length)
  const entries = items.entries()
  let failure: { error: unknown } | undefined
  async function work(): Promise<void> {
    for (const [index, item] of entries) {
      if (failure !== undefined) return
      try {
        results[index] = await run(item, index)
      } catch (error) {
        failure ??= { error }
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, work))
  if (failure !== undefined) throw failure.error
  return results
}

/** At most so many at once, over all that ask; the others wait in line. */
export function createLimit(limit: number): <T>(run: () => Promise<T>) => Promise<T> {
  let running = 0
  const waiting: (() => void)[] = []
  return async (run) => {
    if (running >= limit) await new Promise<void>((resolve) => waiting.push(resolve))
    else running++
    try {
      return await run()
    } finally {
      const next = waiting.shift()
      if (next === undefined) running--
      else next()
    }
  }
}
