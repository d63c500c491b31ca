/** One that hangs holds a thread. Some may hang for ever while later ones are answered, so one is not enough. */
const MOST_HANGING = 4

/**
 * For calls to a storage, which may hang for ever: asks, and waits for the answer no longer than `ms`. While too many
 * hang already it does not ask, but waits all the same.
 * @returns what `ask` gives; rejects after that time
 */
export function withPatience<T>(ask: () => Promise<T>, ms: number): () => Promise<T> {
  let hanging = 0

  async function askUnlessHanging(): Promise<T> {
    if (hanging === MOST_HANGING) return new Promise(() => {})
    hanging++
    return ask().finally(() => {
      hanging--
    })
  }

  return async () => {
    const late = Promise.withResolvers<never>()
    const timer = setTimeout(() => late.reject(new Error(`no answer within ${ms / 1000} s`)), ms)
    try {
      return await Promise.race([askUnlessHanging(), late.promise])
    } finally {
      clearTimeout(timer)
    }
  }
}
