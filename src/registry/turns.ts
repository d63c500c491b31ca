import { randomUUID } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'
import { ObjectNotFound, OffsetConflict, type StorageDriver } from '../../storage/driver.ts'

/** Lets something be done every so often by one of all processes and replicas that share a storage. */
export interface Turns {
  /**
   * Does `work` if it is due and nobody else is at it, and gives when it is due next, in milliseconds since 1970. After
   * work that throws that is in an hour at most.
   * @param everyMs counts from the end of the work
   * @param mayWrite what is taken while it is false is not given back: it ends by itself
   * @throws what `work` throws; StorageFull, StorageUnavailable
   */
  take(everyMs: number, work: () => Promise<void>, mayWrite?: () => boolean): Promise<number>
}

/** A turn whose holder has died ends after so long. One that lives takes it anew three times in that. */
const HELD_MS = 10 * 60_000
const AGAIN_MS = 60 * 60_000

/** Longer than an append takes. */
const SETTLE_MS = 2000

/** Times further ahead than twice what is usual come of a clock that was wrong, or of a setting that has changed. */
const FARTHEST = 2

/**
 * "Nobody does it before this moment" is all there is to a turn: who finds the moment past moves it on a little, while at
 * work again and again, and at the end to when the next turn is due. It is the mark of an object in the making at `key`,
 * since of two that append at one offset one wins, whatever the driver.
 */
export function createTurns(
  storage: StorageDriver,
  key: string,
  now: () => number = Date.now,
  pause: (ms: number) => Promise<unknown> = setTimeout
): Turns {
  const me = randomUUID().slice(0, 8)

  async function find(): Promise<{ size: number; until: number }> {
    const found = (await storage.appended(key)) ?? (await make())
    return { size: found.size, until: Number.parseInt(found.mark, 10) || 0 }
  }

  async function make(): Promise<{ size: number; mark: string }> {
    // It may fail since another makes it at the same moment: then it is there all the same. Who comes too late, and makes
    // it beside the one that another has taken by now, sees that one after a pause.
    const failure = await storage.begin(key, '0').then(
      () => undefined,
      (error: unknown) => error
    )
    await pause(SETTLE_MS)
    const made = await storage.appended(key)
    if (made === undefined) throw failure
    return made
  }

  /** Its new size; undefined when another was faster. */
  async function move(size: number, until: number): Promise<number | undefined> {
    const mark = `${Math.round(until)}.${me}`
    try {
      const moved = await storage.append(key, size, [Buffer.from('.')], () => mark)
      // To be sure, should two have made it all the same.
      return (await storage.appended(key))?.mark === mark ? moved : undefined
    } catch (error) {
      // A bucket's lifecycle rule may have removed some of what it is made of: then the next to look makes it anew.
      if (error instanceof ObjectNotFound) await storage.abandon(key)
      else if (!(error instanceof OffsetConflict)) throw error
      return undefined
    }
  }

  return {
    async take(everyMs, work, mayWrite = () => true) {
      const { size, until } = await find()
      const ahead = until - now()
      if (ahead > 0 && ahead <= FARTHEST * Math.max(everyMs, HELD_MS)) return until
      let held = await move(size, now() + HELD_MS)
      if (held === undefined) return now() + HELD_MS

      let moving: Promise<unknown> = Promise.resolve()
      function moveOn(toMs: number): void {
        const step = async (): Promise<void> => {
          if (held !== undefined && mayWrite()) held = await move(held, now() + toMs)
        }
        // One that failed is no reason not to try the next.
        moving = moving.then(step).catch(() => {})
      }
      const timer = setInterval(moveOn, HELD_MS / 3, HELD_MS).unref()
      let next = Math.min(everyMs, AGAIN_MS)
      try {
        await work()
        next = everyMs
      } finally {
        clearInterval(timer)
        moveOn(next)
        await moving
      }
      return now() + next
    }
  }
}
