import { dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { hasCode, ignoring, NOTHING } from './errors.ts'
import { closing, type Files } from './files.ts'
import type { Home } from './home.ts'
import { sharing } from './sharing.ts'

/** How often to make a folder that others remove again. */
const MAKE_TRIES = 20
/** How often to try while others add to, or still use, the very folder that is removed. */
const REMOVE_TRIES = 5
const PAUSE_MS = 20
/** So many folders are known to last: at most about 1 MiB. */
const KNOWN = 4096

export type Folders = ReturnType<typeof createFolders>

/**
 * Folders that come and go with what is in them. One that is there need not last: who made it may not have synced
 * its parent yet, or may be dead. So the first time that something is to last in a folder, all above it are synced.
 */
export function createFolders(files: Files, root: string, home: Home) {
  /** Folders that were seen to last, with all above them. */
  const known = new Set<string>()
  /** What is seen while a folder is removed is worth nothing once it is gone. */
  let removing = 0
  let removals = 0

  /** Makes the new, renamed and removed entries of a folder last. A folder that is gone has none. */
  const sync = sharing(async (path) => {
    const folder = await ignoring(NOTHING, files.open(path, 'r'))
    // EINVAL is the word of a file system that knows no such thing as syncing a folder.
    if (folder !== undefined) await closing(files, folder, () => ignoring(['EINVAL'], files.sync(folder)))
  })

  /** A folder, and those above it up to one that is known, from below. */
  function unknown(folder: string): string[] {
    const found: string[] = []
    for (let one = folder; one.startsWith(`${root}/`) && !isKnown(one); one = dirname(one)) found.push(one)
    return found
  }

  /** The folders that much is written to are remembered longest. */
  function isKnown(folder: string): boolean {
    if (!known.delete(folder)) return false
    known.add(folder)
    return true
  }

  function remember(folder: string): void {
    known.add(folder)
    const [oldest] = known
    if (known.size > KNOWN && oldest !== undefined) known.delete(oldest)
  }

  async function forgetting<T>(folder: string, remove: () => Promise<T>): Promise<T> {
    for (const one of known) if (one === folder || one.startsWith(`${folder}/`)) known.delete(one)
    removing++
    try {
      return await remove()
    } finally {
      removing--
      removals++
    }
  }

  /** Makes the entries of a folder last, and the folder itself. */
  async function keep(folder: string): Promise<void> {
    const before = removals
    const seen = unknown(folder)
    const syncs = await Promise.allSettled([folder, ...seen.map((one) => dirname(one))].map(sync))
    for (const result of syncs) if (result.status === 'rejected') throw result.reason
    if (removing > 0 || removals !== before) return
    for (const one of seen) remember(one)
  }

  /** Makes those of a folder and the ones above it that may be missing, from above: most are. */
  async function prepare(folder: string): Promise<void> {
    for (const one of unknown(folder).reverse()) {
      await ignoring(['EEXIST', ...NOTHING], files.makeFolder(one))
    }
  }

  /** Makes a folder, and those above it that are missing. If it is there already, all is well. */
  async function make(path: string): Promise<void> {
    const parent = dirname(path)
    // Once there is a root it is never made, nor filled, anew.
    if (path === root || parent === root) await home.check()
    // Another process may have removed it.
    known.delete(path)
    try {
      await inFolder(parent, () => files.makeFolder(path))
    } catch (error) {
      if (hasCode(error, 'EEXIST')) return
      throw error
    }
    // Those below the root are synced when something is to last in them.
    if (!path.startsWith(`${root}/`)) await sync(parent)
  }

  /** Does what needs a folder. Only if there is none makes it, and tries again: somebody may remove it meanwhile. */
  async function inFolder<T>(folder: string, act: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await act()
      } catch (error) {
        if (!hasCode(error, 'ENOENT') || tries === MAKE_TRIES) throw error
      }
      await make(folder)
    }
  }

  async function removeTree(path: string): Promise<void> {
    for (let tries = 1; ; tries++) {
      for (const entry of (await ignoring(NOTHING, files.entries(path))) ?? []) {
        const child = join(path, entry.name)
        if (entry.isDirectory()) await removeTree(child)
        // On NFS a file that somebody still reads is busy, and goes once they are done (.nfs files).
        else await ignoring(['EBUSY', ...NOTHING], files.unlink(child))
      }
      try {
        await ignoring(NOTHING, files.removeFolder(path))
        return
      } catch (error) {
        if (!hasCode(error, 'ENOTEMPTY', 'EBUSY') || tries === REMOVE_TRIES) throw error
      }
      await pause(tries * PAUSE_MS)
    }
  }

  /** The lowest folder that stays. */
  async function prune(folder: string, top: string): Promise<string> {
    if (!folder.startsWith(`${top}/`)) return folder
    try {
      await forgetting(folder, () => files.removeFolder(folder))
    } catch (error) {
      // EEXIST is what some file systems say for ENOTEMPTY.
      if (hasCode(error, 'ENOTEMPTY', 'EEXIST', 'EBUSY', ...NOTHING)) return folder
      throw error
    }
    return prune(dirname(folder), top)
  }

  return {
    sync,
    keep,
    prepare,
    make,
    inFolder,

    /** Renames a file, and makes that last; the folders of its new path may be missing. @throws ENOENT: no such file */
    async moveFile(from: string, to: string): Promise<void> {
      const folder = dirname(to)
      await prepare(folder)
      await inFolder(folder, () => files.rename(from, to))
      await keep(folder)
    },

    /** Removes a folder and all below it. What others remove at the same time, or removed before, is no error. */
    async remove(path: string): Promise<void> {
      await forgetting(path, () => removeTree(path))
      await sync(dirname(path))
    },

    /** Makes the removal of something in a folder last. With `top`, removes the folders below that which are empty. */
    async removedFrom(folder: string, top = folder): Promise<void> {
      await sync(await prune(folder, top))
    }
  }
}
