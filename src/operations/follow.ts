export interface FollowOptions<T> {
  first: T
  read(): Promise<T>
  isSame(one: T, other: T): boolean
  onChange(value: T): void
  /** Told once for each problem, however long it lasts. */
  onProblem(message: string): void
  everyMs: number
}

/** Reads something anew every so often, and tells when it has changed. What cannot be read changes nothing: half of a
 *  renewal may be there already. It does not keep the process running. */
export function follow<T>({ first, read, isSame, onChange, onProblem, everyMs }: FollowOptions<T>): {
  stop(): void
} {
  let current = first
  let problem = ''
  const timer = setInterval(async () => {
    try {
      const value = await read()
      problem = ''
      if (isSame(value, current)) return
      current = value
      onChange(value)
    } catch (error) {
      const { message } = error as Error
      if (message !== problem) onProblem(message)
      problem = message
    }
  }, everyMs)
  timer.unref()
  return { stop: () => clearInterval(timer) }
}
