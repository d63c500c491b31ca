/** A store is taken for dead when so many calls in a row were given up, and nothing has succeeded for so long. */
const CALLS = 3
const SILENT_MS = 5000
/** Then it is asked again after so long, by one call. */
const REST_MS = 5000

/** Whether a store is worth asking: while it is dead nobody needs to wait to learn it. */
export interface Circuit {
  /** What to throw instead of making a try; undefined: it may be made. */
  fault(): { error: unknown } | undefined
  /** The store has answered. */
  answered(): void
  /** A call was given up. */
  failed(error: unknown): void
}

export function createCircuit(now: () => number): Circuit {
  let failures = 0
  let answeredAt = now()
  let last: { error: unknown } | undefined
  let nextAt = 0

  return {
    fault() {
      if (last === undefined) return undefined
      if (now() < nextAt) return last
      nextAt = now() + REST_MS
      return undefined
    },

    answered() {
      failures = 0
      answeredAt = now()
      last = undefined
    },

    failed(error) {
      failures++
      if (failures < CALLS || now() - answeredAt < SILENT_MS) return
      last = { error }
      nextAt = now() + REST_MS
    }
  }
}
