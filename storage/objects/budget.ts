/** Parts are gathered in blocks of so many bytes. */
export const BLOCK = 256 << 10

/** A part is slow when its client has been waited for so long. */
const SLOW_MS = 2000
/** How often to look for one while somebody waits. */
const LOOK_MS = 250

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

/** Whoever fills a part with a body that may come slowly. */
export interface Lender {
  /** For how long it has been waited for, in milliseconds, while this part was filled. 0 while it is not waited for. */
  waitedMs(): number
  /** Puts what the part holds aside, and frees it, so that others can go on. */
  putAside(): void
}

/** How many bytes all parts of a process may hold together. */
export interface Budget {
  /** @param limit how many bytes it may hold
   *  @param lender without one the part is kept until it is freed */
  startPart(limit: number, lender?: Lender): Part
  /** What is held just now. */
  held(): number
}

interface Filling {
  /** Of its blocks. */
  count(): number
  lender: Lender | undefined
}

/**
 * Whoever needs a block waits until it may have one: that is the back-pressure. A slow client holds no more than it has
 * sent. So that not all parts wait for each other half full, a block is given only where afterwards at least one part
 * can still be filled with what is free or will be: when that one has been sent, there is enough for any other. Nor do
 * fast clients wait for slow ones: while somebody waits, a part whose client has been waited for long is put aside.
 * @param memory is raised to one part where it is less
 */
export function createBudget(memory: number, { slowMs = SLOW_MS, lookMs = LOOK_MS } = {}): Budget {
  let total = Math.floor(memory / BLOCK)
  let largest = 0
  let given = 0
  let sealed = 0
  const pool: Buffer[] = []
  const filling = new Set<Filling>()
  let waiting: { part: Filling; grant(block: Buffer): void }[] = []
  let isLooking = false

  function mayGive(part: Filling): boolean {
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

  /** The largest of the slow ones is put aside, one at a time. */
  function look(): void {
    isLooking = false
    if (waiting.length === 0) return
    const slow = [...filling].filter(
      ({ count, lender }) => count() > 0 && (lender?.waitedMs() ?? 0) >= slowMs
    )
    slow.sort((one, other) => other.count() - one.count())
    slow[0]?.lender?.putAside()
    lookAgain()
  }

  function lookAgain(): void {
    if (!isLooking) setTimeout(look, lookMs).unref()
    isLooking = true
  }

  function startPart(limit: number, lender?: Lender): Part {
    largest = Math.max(largest, Math.ceil(limit / BLOCK))
    total = Math.max(total, largest)
    const blocks: Buffer[] = []
    let size = 0
    let isSealed = false
    const me: Filling = { count: () => blocks.length, lender }
    filling.add(me)

    async function block(): Promise<Buffer> {
      if (mayGive(me)) return give()
      lookAgain()
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
