import type { World } from './support.ts'

/**
 * Does `first`, and in each run `second` before another one of its calls to the storage, as far as `second` gets
 * without the other: to its end, unless the two take turns. Gives how many runs there were.
 */
export async function everyOrder(
  prepare: () => Promise<World>,
  first: (it: World) => Promise<unknown>,
  second: (it: World) => Promise<unknown>,
  check: (it: World, at: number) => Promise<unknown>
): Promise<number> {
  for (let at = 0; ; at++) {
    const it = await prepare()
    let calls = 0
    let rival: Promise<unknown> | undefined
    it.before(async () => {
      if (calls++ !== at || rival !== undefined) return
      rival = second(it)
      await Promise.race([rival, new Promise(setImmediate)])
    })
    await first(it)
    if (rival === undefined) return at
    await rival
    it.before(() => {})
    await check(it, at)
  }
}
