import { createHash, randomUUID } from 'node:crypto'
import { basename, dirname, join } from 'node:path'
import type { ReadChunks } from './bodies.ts'
import { ignoring, NOTHING, unlessNothing } from './errors.ts'
import { closing, type Files } from './files.ts'
import type { Folders } from './folders.ts'

/** The hash in the name that a removal gave a file. */
const expectedBy = (name: string): string | undefined => name.split('@')[2]

/**
 * Removing objects that other processes may replace at any moment, without a lock.
 *
 * No call removes a file only while it is a certain one. So a conditional removal renames the object aside, to
 * `<name>@removed@<hash of what is expected>@<id>`, where no writer comes, and looks at what it has got. What is
 * not expected goes back by `link`, which never replaces what somebody has written by then. If the remover dies in
 * between, the hash in the name tells everybody else that this file has to go back, and whoever misses the object
 * does that. So what was written is always under its own name, or under one that leads back to it.
 */
export function createRemovals(files: Files, folders: Folders, readChunks: ReadChunks) {
  async function hashOfFile(path: string): Promise<string | undefined> {
    const file = await ignoring(NOTHING, files.open(path, 'r'))
    if (file === undefined) return undefined
    return closing(files, file, async () => {
      const stat = await files.statOpen(file)
      if (!stat.isFile()) return undefined
      const hash = createHash('sha256')
      for await (const chunk of readChunks(file, 0, stat.size)) hash.update(chunk)
      return hash.digest('base64url')
    })
  }

  /** The object's own name if it is there, and those that removals gave it. */
  async function namesOf(path: string): Promise<string[]> {
    const names = (await ignoring(NOTHING, files.names(dirname(path)))) ?? []
    const name = basename(path)
    return names.filter((found) => found === name || found.startsWith(`${name}@removed@`))
  }

  async function putBack(path: string, aside: string): Promise<void> {
    await ignoring(['EEXIST', ...NOTHING], files.link(aside, path))
    // Whatever has the name now must last before the other name goes, even if somebody else gave it.
    await folders.sync(dirname(path))
    await unlessNothing(files.unlink(aside))
  }

  /** Puts back what was renamed aside by mistake. For who misses an object: says whether to look again. */
  async function restore(path: string): Promise<boolean> {
    let restored = false
    for (const name of await namesOf(path)) {
      const aside = join(dirname(path), name)
      if (aside !== path) {
        // What its remover does expect is its own to remove. One that died has done so: nobody sees it any more.
        if ((await hashOfFile(aside)) === expectedBy(name)) continue
        await putBack(path, aside)
      }
      restored = true
    }
    return restored
  }

  /** Ends the removals of the same text that died halfway. Those that live find theirs gone. */
  async function takeOver(path: string, expected: string): Promise<boolean> {
    let removed = false
    for (const name of await namesOf(path)) {
      const aside = join(dirname(path), name)
      if (expectedBy(name) !== expected || (await hashOfFile(aside)) !== expected) continue
      removed = (await unlessNothing(files.unlink(aside))) || removed
    }
    return removed
  }

  async function renameAndRemove(path: string, expected: string): Promise<boolean> {
    const aside = `${path}@removed@${expected}@${randomUUID()}`
    if (!(await unlessNothing(files.rename(path, aside)))) return false
    try {
      if ((await hashOfFile(aside)) === expected) return await unlessNothing(files.unlink(aside))
    } catch (error) {
      await putBack(path, aside).catch(() => {})
      throw error
    }
    await putBack(path, aside)
    return false
  }

  return {
    restore,

    /** Whether it was there. */
    async remove(path: string): Promise<boolean> {
      let removed = false
      let others: string[] = []
      do {
        for (const file of [path, ...others]) {
          const isDone = await ignoring(['EISDIR'], unlessNothing(files.unlink(file)))
          removed = isDone === true || removed
        }
        // What a conditional removal has renamed aside just now would come back.
        others = (await namesOf(path))
          .map((name) => join(dirname(path), name))
          .filter((file) => file !== path)
      } while (others.length > 0)
      return removed
    },

    /** Whether it was there, and was this text. */
    async removeExpected(path: string, text: string): Promise<boolean> {
      const expected = createHash('sha256').update(text).digest('base64url')
      await restore(path)
      const removed = await takeOver(path, expected)
      // To look first leaves what is not expected in its place, all but always.
      if ((await hashOfFile(path)) !== expected) return removed
      return (await renameAndRemove(path, expected)) || removed
    }
  }
}
