/**
 * Lets those who ask for the same thing at the same time share one look at it. Each is given what a look found that
 * began after it had asked: nobody is told what was true before.
 */
export interface Together<T> {
  /** @param look the same for all who ask with this key */
  ask(key: string, look: () => Promise<T>): Promise<T>
}

interface Looks<T> {
  /** Whoever asks while it is under way may have come too late for it. */
  current: Promise<T>
  /** For them: begins when the current one has ended. */
  next: Promise<T> | undefined
}

export function createTogether<T>(): Together<T> {
  const running = new Map<string, Looks<T>>()

  function begin(key: string, look: () => Promise<T>): Promise<T> {
    const looks: Looks<T> = { current: look(), next: undefined }
    running.set(key, looks)
    const ended = (): void => {
      if (looks.next === undefined) running.delete(key)
    }
    looks.current.then(ended, ended)
    return looks.current
  }

  return {
    ask(key, look) {
      const looks = running.get(key)
      if (looks === undefined) return begin(key, look)
      const again = (): Promise<T> => begin(key, look)
      looks.next ??= looks.current.then(again, again)
      return looks.next
    }
  }
}
