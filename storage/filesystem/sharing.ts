/**
 * Lets those who want the same thing done share it. Who comes while it is being done gets the next time, together with
 * all others who do: what is under way may have begun too early for them.
 */
export function sharing(work: (key: string) => Promise<void>): (key: string) => Promise<void> {
  const running = new Map<string, Promise<void>>()
  const next = new Map<string, Promise<void>>()

  function start(key: string): Promise<void> {
    next.delete(key)
    const run = work(key).finally(() => {
      if (!next.has(key)) running.delete(key)
    })
    running.set(key, run)
    return run
  }

  return (key) => {
    const current = running.get(key)
    if (current === undefined) return start(key)
    const following = next.get(key) ?? current.catch(() => {}).then(() => start(key))
    next.set(key, following)
    return following
  }
}
