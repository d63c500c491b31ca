import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { dirname, join } from 'node:path'
import {
  type Body,
  checkKey,
  checkMark,
  ObjectNotFound,
  OffsetConflict,
  type StorageDriver,
  StorageUnavailable
} from '../driver.ts'
import { type Poured, pour, type ReadChunks } from './bodies.ts'
import type { Drafts } from './drafts.ts'
import { hasCode, ignoring, NOTHING, unlessNothing } from './errors.ts'
import { closing, type Files, type OpenFile } from './files.ts'
import type { Folders } from './folders.ts'
import { type Making, makingFolder, makingId, makingIdOf, makingName, parseMakingName } from './making.ts'

/** How often to look for a file before it is said not to be there. */
const LOOKS = 3

/** How often to look again when what was found is gone by the time it is used. */
const TRIES = 50
/** So many objects in the making are remembered: at most about 4 MiB. */
const REMEMBERED = 10_000

const stale = (path: string): string =>
  `${path} is listed, but not there; if this is NFS, mount it with actimeo=0, or run one replica only`

interface Found extends Making {
  path: string
  /** How long the file is, where that is known. */
  length?: number | undefined
}

interface Parts {
  files: Files
  folders: Folders
  drafts: Drafts
  readChunks: ReadChunks
  root: string
  /** Where a key lies. @throws InvalidKey */
  pathOf: (key: string) => string
  /** Whether another program may have left an object in the making at this key, under the plain name. */
  isForeign: (key: string) => boolean
}

type Method = 'begin' | 'append' | 'appended' | 'readAppended' | 'commit' | 'abandon' | 'countMaking'

interface Appends extends Pick<StorageDriver, Method> {
  /** Removes what nobody has added to since then, and says how many there were. */
  removeOld(before: Date, mayRemove: (name: string) => boolean): Promise<number>
}

/** The part of the driver that deals with objects in the making. How their state is kept: making.ts. */
export function createAppends(parts: Parts): Appends {
  const { files, folders, drafts, readChunks, root, pathOf, isForeign } = parts
  const uploads = join(root, '@uploads')
  /** What this process left at rest. If another has gone on since, the file has another name by now. */
  const resting = new Map<string, Found>()

  function remember(key: string, found: Found): void {
    resting.set(key, found)
    const [oldest] = resting.keys()
    if (resting.size > REMEMBERED && oldest !== undefined) resting.delete(oldest)
  }

  const idOf = (key: string): string => makingId(checkKey(key))
  const folderOf = (key: string): string => join(uploads, makingFolder(idOf(key)))

  function at(key: string, making: Making): Found {
    const id = idOf(key)
    return { ...making, path: join(uploads, makingFolder(id), makingName(id, making)) }
  }

  /**
   * The files of a key: but for takeovers that are under way or died, one at most. A file that is renamed while its
   * folder is listed may be missing from the list, under both names: only several empty looks prove anything.
   */
  async function all(key: string): Promise<Found[]> {
    for (let looks = 1; ; looks++) {
      const found = await look(key)
      if (found.length > 0 || looks === LOOKS) return found
    }
  }

  async function look(key: string): Promise<Found[]> {
    const id = idOf(key)
    const folder = folderOf(key)
    const names = (await ignoring(NOTHING, files.names(folder))) ?? []
    return names.flatMap((name) => {
      const making = parseMakingName(id, name)
      return making === undefined ? [] : [{ ...making, path: join(folder, name) }]
    })
  }

  async function find(key: string): Promise<Found | undefined> {
    const path = pathOf(key)
    const [last] = (await all(key)).sort((one, two) => two.turn - one.turn)
    if (last !== undefined) return last
    return isForeign(key) ? findForeign(path) : undefined
  }

  /** What another program wrote is not synced, and it may be at it still: it counts as an owner. */
  async function findForeign(path: string): Promise<Found | undefined> {
    const file = await ignoring(NOTHING, files.open(path, 'r'))
    if (file === undefined) return undefined
    return closing(files, file, async () => {
      const { size } = await files.statOpen(file)
      await files.sync(file)
      return { path, turn: 0, size, mark: '', owner: 'foreign' }
    })
  }

  async function notThere(key: string): Promise<ObjectNotFound | OffsetConflict> {
    const found = await find(key)
    return found === undefined ? new ObjectNotFound(key) : new OffsetConflict(key, found.size)
  }

  /** Uses what is found, and looks again if it has another name by then. */
  async function latest<T>(key: string, use: (found: Found) => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      const found = resting.get(key) ?? (await find(key))
      if (found === undefined) throw new ObjectNotFound(key)
      try {
        return await use(found)
      } catch (error) {
        if (!hasCode(error, 'ENOENT')) throw error
        if (tries === TRIES) throw new StorageUnavailable(stale(found.path), { cause: error })
      }
      resting.delete(key)
    }
  }

  /** The same, if it has this size. */
  async function latestOf<T>(key: string, size: number, use: (found: Found) => Promise<T>): Promise<T> {
    if (resting.get(key)?.size !== size) resting.delete(key)
    return latest(key, (found) => {
      if (found.size !== size) throw new OffsetConflict(key, found.size)
      return use(found)
    })
  }

  async function acquire(key: string, found: Found): Promise<Found> {
    const mine = { ...at(key, { ...found, turn: found.turn + 1, owner: randomUUID() }), length: found.length }
    if (found.owner === undefined) await files.rename(found.path, mine.path)
    else await takeOver(key, found, mine)
    resting.delete(key)
    return mine
  }

  /**
   * The former owner may be alive and go on writing to the file it has open. So we go on with a copy, which it
   * cannot reach. It learns that it has lost when it finds its own name gone.
   */
  async function takeOver(key: string, found: Found, mine: Found): Promise<void> {
    const draft = await drafts.open()
    try {
      await closing(files, draft, async () => {
        await files.copy(found.path, draft.path, constants.COPYFILE_FICLONE)
        await files.sync(draft)
      })
      await folders.prepare(dirname(mine.path))
      await files.rename(found.path, mine.path)
      await files.rename(draft.path, mine.path)
    } catch (error) {
      await drafts.discard(draft)
      throw error
    }
    // Had another taken over between the two renames, the second would have made a file that must not stay. Until
    // it is removed nobody falls for it, since the other's turn is higher.
    let isLast = true
    for (let looks = 1; isLast && looks <= LOOKS; looks++) isLast = (await find(key))?.path === mine.path
    if (isLast) return
    await files.unlink(mine.path)
    throw await notThere(key)
  }

  /** The old name must be gone for good as well: after a power cut nobody may go on with what is an object by now. */
  async function moveOut(path: string, target: string): Promise<void> {
    await folders.moveFile(path, target)
    await folders.sync(dirname(path))
  }

  /** Does `work` on an object in the making that is ours for as long as its name is. */
  async function owning<T>(key: string, found: Found, work: (mine: Found) => Promise<T>): Promise<T> {
    const mine = await acquire(key, found)
    try {
      return await work(mine)
    } catch (error) {
      if (hasCode(error, 'ENOENT')) throw await notThere(key)
      // Back to rest as it was. If not even that can be done, the next one takes over.
      await files.rename(mine.path, at(key, { ...mine, owner: undefined }).path).catch(() => {})
      throw error
    }
  }

  /** Cuts off what an append that did not end well has left behind the durable bytes. */
  async function cut(file: OpenFile, size: number): Promise<void> {
    const { size: found } = await files.statOpen(file)
    if (found < size) throw new Error(`${file.path} is damaged: of its bytes only ${found} are left`)
    if (found > size) await files.truncate(file, size)
  }

  async function add(file: OpenFile, { size: offset, length }: Found, body: Body): Promise<Poured> {
    if (length !== offset) await cut(file, offset)
    try {
      const poured = await pour(files, file, offset, body)
      await files.sync(file)
      return poured
    } catch (error) {
      // What of it is on the disk is open. Cutting it off now gives a full disk its space back.
      await files.truncate(file, offset).catch(() => {})
      throw error
    }
  }

  return {
    async begin(key, mark = '') {
      const begun = at(key, { turn: 0, size: 0, mark: checkMark(mark) })
      await files.close(await folders.inFolder(folderOf(key), () => files.open(begun.path, 'wx')))
      remember(key, { ...begun, length: 0 })
    },

    async append(key, offset, body, mark = () => '') {
      const { end, broken } = await latestOf(key, offset, (found) =>
        owning(key, found, async (mine) => {
          const poured = await closing(files, await files.open(mine.path, 'r+'), (file) =>
            add(file, mine, body)
          )
          const rest = at(key, { turn: mine.turn, size: poured.end, mark: checkMark(mark(poured.end)) })
          await files.rename(mine.path, rest.path)
          remember(key, { ...rest, length: poured.end })
          return poured
        })
      )
      await folders.keep(folderOf(key))
      if (broken !== undefined) throw broken.error
      return end
    },

    async appended(key) {
      const found = await find(key)
      return found && { size: found.size, mark: found.mark }
    },

    async *readAppended(key, range) {
      const { file, size } = await latest(key, async ({ path, size }) => {
        return { file: await files.open(path, 'r'), size }
      })
      try {
        const { start, end } = range ?? { start: 0, end: size }
        if (start < 0 || start > size) throw new RangeError(`${key} holds ${size} bytes`)
        yield* readChunks(file, start, Math.min(end + 1, size))
      } finally {
        await files.close(file)
      }
    },

    async commit(key, size, to) {
      const target = pathOf(to)
      await latestOf(key, size, async (found) => {
        const length = found.length ?? (await files.stat(found.path)).size
        // At rest the rename alone decides who wins.
        if (found.owner === undefined && length === size) return moveOut(found.path, target)
        return owning(key, found, async (mine) => {
          await closing(files, await files.open(mine.path, 'r+'), async (file) => {
            await cut(file, size)
            await files.sync(file)
          })
          await moveOut(mine.path, target)
        })
      })
      resting.delete(key)
    },

    async abandon(key) {
      const path = pathOf(key)
      resting.delete(key)
      // Again, since somebody who works on it may have renamed it just then.
      for (let left = await all(key); left.length > 0; left = await all(key)) {
        for (const { path } of left) await ignoring(NOTHING, files.unlink(path))
      }
      await folders.sync(folderOf(key))
      if (!isForeign(key)) return
      await ignoring(NOTHING, files.unlink(path))
      await folders.sync(dirname(path))
    },

    async countMaking() {
      const ids = new Set<string>()
      for (const folder of (await ignoring(NOTHING, files.names(uploads))) ?? []) {
        for (const name of (await ignoring(NOTHING, files.names(join(uploads, folder)))) ?? []) {
          ids.add(makingIdOf(name))
        }
      }
      return ids.size
    },

    async removeOld(before, mayRemove) {
      let count = 0
      for (const folder of (await ignoring(NOTHING, files.names(uploads))) ?? []) {
        for (const name of (await ignoring(NOTHING, files.names(join(uploads, folder)))) ?? []) {
          const path = join(uploads, folder, name)
          const stat = await ignoring(NOTHING, files.stat(path))
          if (stat === undefined || stat.mtimeMs >= before.getTime()) continue
          if (mayRemove(`@uploads/${folder}/${name}`) && (await unlessNothing(files.unlink(path)))) count++
        }
      }
      return count
    }
  }
}
