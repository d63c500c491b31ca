/** Parts are gathered in blocks of so many bytes. */
export const BLOCK = 256 << 10

/** A part of an object, while it is gathered and sent. */
export interface Part {
  readonly size: number
  /** What it holds, until it is freed. */
  readonly bytes: readonly Buffer[]
  /** Copies as many of these bytes as the last block takes, and says how many. Waits where it needs one more block. */
  add(bytes: Uint8Array): Promise<number>
  /** Nothing more will be added: all that it holds comes back once it has been sent. */
  seal(): void
  /** Gives back all that it holds. */
  free(): void
}

/** How many bytes all parts of a process may hold together. */
export interface Budget {
  /** @param limit how many bytes it may hold */
  startPart(limit: number): Part
  /** What is held just now. */
  held(): number
}

/**
 * Whoever needs a block waits until it may have one: that is the back-pressure. A slow client holds no more than it has
 * sent. So that not all parts wait for each other half full, a block is given only where afterwards at least one part
 * can still be filled with what is free or will be: when that one has been sent, there is enough for any other.
 * @param memory is raised to one part where it is less
 */
export function createBudget(memory: number): Budget {
  let total = Math.floor(memory / BLOCK)
  let largest = 0
  let given = 0
  let sealed = 0
  const pool: Buffer[] = []
  const filling = new Set<{ count(): number }>()
  let waiting: { part: { count(): number }; grant(block: Buffer): void }[] = []

  function mayGive(part: { count(): number }): boolean {
    if (given === total) return false
    let most = part.count() + 1
    for (const other of filling) most = Math.max(most, other.count())
    return largest - most <= total - given - 1 + sealed
  }

  function give(): Buffer {
    given++
    return pool.pop() ?? Buffer.allocUnsafeSlow(BLOCK)
  }

  function serve(): void {
    const still: typeof waiting = []
    // Each that is served changes what the others may have, those before it in the line too: but less, never more.
    for (const waiter of waiting) {
      if (mayGive(waiter.part)) waiter.grant(give())
      else still.push(waiter)
    }
    waiting = still
  }

  function startPart(limit: number): Part {
    largest = Math.max(largest, Math.ceil(limit / BLOCK))
    total = Math.max(total, largest)
    const blocks: Buffer[] = []
    let size = 0
    let isSealed = false
    const me = { count: () => blocks.length }
    filling.add(me)

    async function block(): Promise<Buffer> {
      if (mayGive(me)) return give()
      return new Promise((grant) => waiting.push({ part: me, grant }))
    }

    return {
      get size() {
        return size
      },
      get bytes() {
        const last = size % BLOCK
        return blocks.map((each, i) => (i === blocks.length - 1 && last > 0 ? each.subarray(0, last) : each))
      },
      async add(bytes) {
        const used = size % BLOCK
        if (used === 0) blocks.push(await block())
        const into = blocks.at(-1) as Buffer
        const count = Math.min(bytes.length, BLOCK - used, limit - size)
        into.set(bytes.length === count ? bytes : bytes.subarray(0, count), used)
        size += count
        return count
      },
      seal() {
        isSealed = true
        filling.delete(me)
        sealed += blocks.length
        serve()
      },
      free() {
        filling.delete(me)
        if (isSealed) sealed -= blocks.length
        isSealed = false
        given -= blocks.length
        pool.push(...blocks.splice(0))
        size = 0
        serve()
      }
    }
  }

  return { startPart, held: () => given * BLOCK }
}
