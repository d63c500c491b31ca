import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { ignoring, NOTHING } from './errors.ts'
import type { Files, OpenFile } from './files.ts'
import type { Folders } from './folders.ts'

/** Nobody writes to a draft that has not changed for so long: a client that sends nothing is cut off before. */
const LEFTOVER_MS = 60 * 60 * 1000

export type Drafts = ReturnType<typeof createDrafts>

/**
 * Files that are being written and get their own name only when they are whole. All lie in one folder, which no
 * key can name since it has an `@`: what a crash leaves of them is never mistaken for an object.
 */
export function createDrafts(files: Files, folders: Folders, root: string) {
  const folder = join(root, '@drafts')
  return {
    /** A new and empty file. */
    open(): Promise<OpenFile> {
      const path = join(folder, `${randomUUID()}.tmp`)
      return folders.inFolder(folder, () => files.open(path, 'wx'))
    },

    /** Removes a draft, if it still is one. Called when something went wrong, and that is what matters then. */
    async discard({ path }: OpenFile): Promise<void> {
      await files.unlink(path).catch(() => {})
    },

    /** Makes the folder, and frees it of what crashes have left. */
    async prepare(now: number): Promise<void> {
      await folders.make(folder)
      await this.tidy(now, () => true)
    },

    /** Removes what crashes have left. */
    async tidy(now: number, mayRemove: (name: string) => boolean): Promise<void> {
      for (const name of (await ignoring(NOTHING, files.names(folder))) ?? []) {
        const path = join(folder, name)
        const stat = await ignoring(NOTHING, files.stat(path))
        if (stat === undefined || now - stat.mtimeMs <= LEFTOVER_MS) continue
        if (mayRemove(`@drafts/${name}`)) await ignoring(NOTHING, files.unlink(path))
      }
    }
  }
}
