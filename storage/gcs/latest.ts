/**
 * Of puts of one key, one is under way and at most one waits: what came before that one in the line would be
 * replaced at once, so it is never sent, and has succeeded when the last has. Google Cloud Storage takes about one
 * change of an object a second, and a tag that many push would meet that.
 */
export function createLatest<T>(put: (key: string, value: T) => Promise<void>) {
  interface Line {
    next?: { value: T; done: PromiseWithResolvers<void> }
  }
  const lines = new Map<string, Line>()

  async function drain(key: string, line: Line): Promise<void> {
    for (let next = line.next; next !== undefined; next = line.next) {
      delete line.next
      await put(key, next.value).then(next.done.resolve, next.done.reject)
    }
    lines.delete(key)
  }

  return async (key: string, value: T): Promise<void> => {
    const line = lines.get(key)
    if (line === undefined) {
      const mine: Line = {}
      lines.set(key, mine)
      try {
        return await put(key, value)
      } finally {
        void drain(key, mine)
      }
    }
    line.next ??= { value, done: Promise.withResolvers() }
    line.next.value = value
    return line.next.done.promise
  }
}
