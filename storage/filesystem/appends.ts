import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import {
  type Body,
  checkMark,
  ObjectNotFound,
  OffsetConflict,
  type StorageDriver,
  StorageUnavailable
} from '../driver.ts'
import { type Poured, pour, type ReadChunks } from './bodies.ts'
import type { Drafts } from './drafts.ts'
import { hasCode, ignoring, NOTHING } from './errors.ts'
import { closing, type Files, type OpenFile } from './files.ts'
import type { Folders } from './folders.ts'
import { type Making, makingName, parseMakingName } from './making.ts'

/** How often to look again when what was found is gone by the time it is used. */
const TRIES = 50

const stale = (path: string): string =>
  `${path} is listed, but not there; if this is NFS, mount it with actimeo=0, or run one replica only`

interface Found extends Making {
  path: string
}

interface Parts {
  files: Files
  folders: Folders
  drafts: Drafts
  readChunks: ReadChunks
  /** Where a key lies. @throws InvalidKey */
  pathOf: (key: string) => string
  /** Whether another program may have left an object in the making at this key, under the plain name. */
  isForeign: (key: string) => boolean
}

type Appends = Pick<StorageDriver, 'begin' | 'append' | 'appended' | 'readAppended' | 'commit'>

/** The part of the driver that deals with objects in the making. How their state is kept: making.ts. */
export function createAppends({ files, folders, drafts, readChunks, pathOf, isForeign }: Parts): Appends {
  function at(key: string, making: Making): Found {
    const path = pathOf(key)
    return { ...making, path: join(dirname(path), makingName(basename(path), making)) }
  }

  async function find(key: string): Promise<Found | undefined> {
    const path = pathOf(key)
    const names = await ignoring(NOTHING, files.names(dirname(path)))
    let last: Making | undefined
    for (const name of names ?? []) {
      const making = parseMakingName(basename(path), name)
      if (making !== undefined && making.turn > (last?.turn ?? -1)) last = making
    }
    if (last !== undefined) return at(key, last)
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
      const found = await find(key)
      if (found === undefined) throw new ObjectNotFound(key)
      try {
        return await use(found)
      } catch (error) {
        if (!hasCode(error, 'ENOENT')) throw error
        if (tries === TRIES) throw new StorageUnavailable(stale(found.path), { cause: error })
      }
    }
  }

  async function acquire(key: string, size: number, found: Found): Promise<Found> {
    if (found.size !== size) throw new OffsetConflict(key, found.size)
    const mine = at(key, { ...found, turn: found.turn + 1, owner: randomUUID() })
    if (found.owner === undefined) await files.rename(found.path, mine.path)
    else await takeOver(key, found, mine)
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
      await files.rename(found.path, mine.path)
      await files.rename(draft.path, mine.path)
    } catch (error) {
      await drafts.discard(draft)
      throw error
    }
    // Had another taken over between the two renames, the second would have made a file that must not stay. Until
    // it is removed nobody falls for it, since the other's turn is higher.
    const last = await find(key)
    if (last?.path === mine.path) return
    await files.unlink(mine.path)
    throw await notThere(key)
  }

  /** Does `work` on an object in the making that is ours for as long as its name is. */
  async function owning<T>(key: string, size: number, work: (mine: Found) => Promise<T>): Promise<T> {
    const mine = await latest(key, (found) => acquire(key, size, found))
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

  async function add(file: OpenFile, offset: number, body: Body): Promise<Poured> {
    await cut(file, offset)
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
      const { path } = at(key, { turn: 0, size: 0, mark: checkMark(mark) })
      await files.close(await folders.inFolder(dirname(path), () => files.open(path, 'wx')))
    },

    async append(key, offset, body, mark = () => '') {
      const { end, broken } = await owning(key, offset, async (mine) => {
        const file = await files.open(mine.path, 'r+')
        const poured = await closing(files, file, () => add(file, offset, body))
        const rest = { turn: mine.turn, size: poured.end, mark: checkMark(mark(poured.end)) }
        await files.rename(mine.path, at(key, rest).path)
        return poured
      })
      await folders.keep(dirname(pathOf(key)))
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
      await owning(key, size, async (mine) => {
        if ((await files.stat(mine.path)).size !== size) {
          await closing(files, await files.open(mine.path, 'r+'), async (file) => {
            await cut(file, size)
            await files.sync(file)
          })
        }
        await folders.moveFile(mine.path, target)
      })
    }
  }
}
