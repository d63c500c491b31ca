/**
 * Lets those who ask for the same thing at the same time share one look at it. Each is given what a look found that
 * began after it had asked: nobody is told what was true before.
 */
export interface Together<T> {
  ask(key: string): Promise<T>
}

interface Looks<T> {
  /** Whoever asks while it is under way may have come too late for it. */
  current: Promise<T>
  /** For them: begins when the current one has ended. */
  next: Promise<T> | undefined
}

export function createTogether<T>(look: (key: string) => Promise<T>): Together<T> {
  const running = new Map<string, Looks<T>>()

  function begin(key: string): Promise<T> {
    const looks: Looks<T> = { current: look(key), next: undefined }
    running.set(key, looks)
    const ended = (): void => {
      if (looks.next === undefined) running.delete(key)
    }
    looks.current.then(ended, ended)
    return looks.current
  }

  return {
    ask(key) {
      const looks = running.get(key)
      if (looks === undefined) return begin(key)
      const again = (): Promise<T> => begin(key)
      looks.next ??= looks.current.then(again, again)
      return looks.next
    }
  }
}
