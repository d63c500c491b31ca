import { StorageUnavailable } from '../driver.ts'
import { ignoring, NOTHING } from './errors.ts'
import type { Files } from './files.ts'

export type Home = ReturnType<typeof createHome>

/**
 * The folder that holds everything, as it was when it was first looked at. A volume may be unmounted while berth runs:
 * what lies under it then is an empty registry that takes pushes, and must not be taken for this one.
 */
export function createHome(files: Files, root: string) {
  let first: string | undefined

  return {
    /** @throws StorageUnavailable when it is gone, or another is in its place */
    async check(): Promise<void> {
      const stat = await ignoring(NOTHING, files.stat(root))
      if (stat === undefined && first === undefined) return
      const identity = stat && `${stat.dev}:${stat.ino}`
      first ??= identity
      if (identity === first) return
      const what =
        stat === undefined ? `there is no folder ${root} any more` : `${root} is another folder now`
      throw new StorageUnavailable(
        `${what}: is its volume still mounted? (One that was mounted anew takes a restart of berth)`,
        { isGone: true }
      )
    }
  }
}
