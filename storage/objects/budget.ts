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
  /** Copies these bytes behind those that it holds. Waits for each block that it needs more. */
  add(bytes: Uint8Array): Promise<void>
  /** The same before those that were added, behind those that were put before them. */
  addBefore(bytes: Uint8Array): Promise<void>
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
 * @param memory is raised to one part and a block where it is less
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
    const slow = [...filling].filter(({ count, lender }) => {
      // Who is not waited for may be waiting itself.
      const waitedMs = lender?.waitedMs() ?? 0
      return count() > 0 && waitedMs > 0 && waitedMs >= slowMs
    })
    slow.sort((one, other) => other.count() - one.count())
    slow[0]?.lender?.putAside()
    lookAgain()
  }

  function lookAgain(): void {
    if (!isLooking) setTimeout(look, lookMs).unref()
    isLooking = true
  }

  async function block(part: Filling): Promise<Buffer> {
    if (mayGive(part)) return give()
    lookAgain()
    return new Promise((grant) => waiting.push({ part, grant }))
  }

  function startPart(limit: number, lender?: Lender): Part {
    // One more for the gap between what is before and what is behind.
    largest = Math.max(largest, Math.ceil(limit / BLOCK) + 1)
    total = Math.max(total, largest)
    const [head, tail] = [startRun(), startRun()]
    const me: Filling = { count: () => head.blocks.length + tail.blocks.length, lender }
    let isSealed = false
    filling.add(me)
    return {
      get size() {
        return head.size + tail.size
      },
      get bytes() {
        return [...bytesOf(head), ...bytesOf(tail)]
      },
      add: async (bytes) => append(tail, bytes, async () => block(me)),
      addBefore: async (bytes) => append(head, bytes, async () => block(me)),
      seal() {
        isSealed = true
        filling.delete(me)
        sealed += me.count()
        serve()
      },
      free() {
        filling.delete(me)
        if (isSealed) sealed -= me.count()
        isSealed = false
        given -= me.count()
        for (const run of [head, tail]) {
          pool.push(...run.blocks.splice(0))
          run.size = 0
        }
        serve()
      }
    }
  }

  return { startPart, held: () => given * BLOCK }
}

/** Blocks of which all but the last are full. */
interface Run {
  blocks: Buffer[]
  size: number
}

const startRun = (): Run => ({ blocks: [], size: 0 })

async function append(run: Run, bytes: Uint8Array, block: () => Promise<Buffer>): Promise<void> {
  for (let added = 0; added < bytes.length; ) {
    const used = run.size % BLOCK
    if (used === 0) run.blocks.push(await block())
    const rest = bytes.subarray(added, added + BLOCK - used)
    run.blocks.at(-1)?.set(rest, used)
    run.size += rest.length
    added += rest.length
  }
}

function bytesOf({ blocks, size }: Run): Buffer[] {
  return blocks.map((block, i) => block.subarray(0, Math.min(BLOCK, size - i * BLOCK)))
}
