import { ConditionFailed } from './store.ts'

/** How often to look again where others put at the same moment. */
const LOOKS = 5

/**
 * A put that replaces only what was seen after it was begun. So one that was given up, as no answer came in time, has no
 * effect any more once a later one has: however late the store gets to it, its condition does not hold.
 * @param look gives the condition
 * @param put without one it puts in any case. @throws ConditionFailed
 */
export async function putContested<Condition>(
  look: () => Promise<Condition>,
  put: (condition?: Condition) => Promise<void>
): Promise<void> {
  for (let looks = 1; looks <= LOOKS; looks++) {
    try {
      return await put(await look())
    } catch (error) {
      if (!(error instanceof ConditionFailed)) throw error
    }
  }
  // Others are at it all the time: nobody may be kept from it for ever, and any order of puts that overlap is right.
  await put()
}
