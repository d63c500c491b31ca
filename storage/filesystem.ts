import nodeFs from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { checkKey, ObjectNotFound, type StorageDriver, StorageFull, StorageUnavailable } from './driver.ts'
import { createAppends } from './filesystem/appends.ts'
import { createReadChunks, pour, readAtOnce } from './filesystem/bodies.ts'
import { createDrafts, type Drafts } from './filesystem/drafts.ts'
import { hasCode, ignoring, NOTHING } from './filesystem/errors.ts'
import { closing, createFiles, type FileSystem, type Files } from './filesystem/files.ts'
import { createFolders } from './filesystem/folders.ts'
import { createHome } from './filesystem/home.ts'
import { createRemovals } from './filesystem/removals.ts'

export interface FilesystemOptions {
  /** The folder that holds everything; made when it is missing. */
  root: string
  /** The keys at which a plain file is an object in the making that another program has begun. None unless given. */
  foreign?: RegExp
  fs?: FileSystem
}

/** How deep below the root to look for other file systems: only few folders lie above those of single objects. */
const LEVELS = 4
/** Enough to need a block of its own. */
const PROBE_BYTES = 4096
/** What lies beside our own, or was removed meanwhile, does not matter; nor do snapshots, which begin with a dot. */
const NOT_OURS = ['EACCES', 'EPERM', ...NOTHING]

/** Names that no key can have are not objects: drafts, objects in the making, and what others left here. */
const PART = /^[A-Za-z0-9._-]+$/

/** A folder: of a volume that one or several pods mount, or of this machine. docs/storage.md shows its layout. */
export function filesystemStorage({ root, foreign, fs = nodeFs }: FilesystemOptions): StorageDriver {
  const base = resolve(root)
  const pathOf = (key: string): string => join(base, checkKey(key))
  const isForeign = (key: string): boolean => foreign?.test(key) ?? false
  const files = createFiles(fs)
  const home = createHome(files, base)
  const folders = createFolders(files, base, home)
  const drafts = createDrafts(files, folders, base)
  const readChunks = createReadChunks(files)
  const { removeOld, ...appends } = createAppends({
    ...{ files, folders, drafts, readChunks, root: base, pathOf, isForeign }
  })
  const removals = createRemovals(files, folders, readChunks)

  /** Tries once more if a removal has taken it away by mistake just now, or before it died. */
  async function present<T>(path: string, get: () => Promise<T>): Promise<T | undefined> {
    const found = await ignoring(NOTHING, get())
    if (found !== undefined) return found
    const restored = (await removals.restore(path)) ? await ignoring(NOTHING, get()) : undefined
    // Nothing is there: of this registry, or because it is another one?
    if (restored === undefined) await home.check()
    return restored
  }

  return {
    ...appends,

    async size(key) {
      const path = pathOf(key)
      const stat = await present(path, () => files.stat(path))
      return stat?.isFile() ? stat.size : undefined
    },

    async *read(key, range) {
      const path = pathOf(key)
      const file = await present(path, () => files.open(path, 'r'))
      if (file === undefined) throw new ObjectNotFound(key)
      let isRead = false
      try {
        const whole = await ignoring(['EISDIR'], readAtOnce(files, file, range))
        if (whole !== undefined) {
          if (whole.length > 0) yield whole
          isRead = true
          return
        }
        const stat = await files.statOpen(file)
        if (!stat.isFile()) throw new ObjectNotFound(key)
        const { start, end } = range ?? { start: 0, end: stat.size }
        if (start < 0 || start > stat.size) throw new RangeError(`${key} ends at ${stat.size}`)
        yield* readChunks(file, start, Math.min(end + 1, stat.size))
      } finally {
        const closed = files.close(file)
        // Who has all the bytes need not wait.
        if (isRead) closed.catch(() => {})
        else await closed
      }
    },

    async write(key, body) {
      const path = pathOf(key)
      const draft = await drafts.open()
      try {
        const size = await closing(files, draft, async () => {
          const { end, broken } = await pour(files, draft, 0, body)
          if (broken !== undefined) throw broken.error
          await files.sync(draft)
          return end
        })
        await folders.moveFile(draft.path, path)
        return size
      } catch (error) {
        await drafts.discard(draft)
        throw error
      }
    },

    async delete(key, { expected, within } = {}) {
      const path = pathOf(key)
      const top = within === undefined ? undefined : pathOf(within)
      const wasThere = await (expected === undefined
        ? removals.remove(path)
        : removals.removeExpected(path, expected))
      await folders.removedFrom(dirname(path), top)
      return wasThere
    },

    async deleteFolder(key) {
      await folders.remove(pathOf(key))
    },

    async list(key, { after = '', limit } = {}) {
      const names = await ignoring(NOTHING, files.names(pathOf(key)))
      if (names === undefined) await home.check()
      return (names ?? [])
        .filter((name) => name > after && PART.test(name))
        .sort()
        .slice(0, limit)
    },

    async probe() {
      await home.check()
      if ((await ignoring(NOTHING, files.names(base))) !== undefined) return
      throw new StorageUnavailable(`there is no folder ${root}: is its volume mounted?`)
    },

    async probeWrite() {
      const draft = await drafts.open()
      try {
        await closing(files, draft, async () => {
          await files.writev(draft, [Buffer.alloc(PROBE_BYTES)], 0)
          await files.sync(draft)
        })
      } finally {
        await drafts.discard(draft)
      }
    },

    async space() {
      const found = await ignoring(NOTHING, files.statFileSystem(base))
      // Some that lie elsewhere know no size.
      if (found === undefined || found.blocks === 0) return undefined
      return { free: found.bavail * found.bsize, size: found.blocks * found.bsize }
    },

    async tidy(before, mayRemove = () => true) {
      await drafts.tidy(Date.now(), mayRemove)
      return removeOld(before, mayRemove)
    }
  }
}

/**
 * To be called once, before the first request: makes the folder, removes what crashes have left of writes, and
 * shows that it can be written to. One that is full or read-only passes, since it can be read from.
 * @throws StorageUnavailable, which says what an administrator has to do
 */
export async function prepareFilesystem({ root, fs = nodeFs }: FilesystemOptions): Promise<void> {
  const base = resolve(root)
  const files = createFiles(fs)
  const drafts = createDrafts(files, createFolders(files, base, createHome(files, base)), base)
  try {
    await drafts.prepare(Date.now())
    await tryOut(files, drafts, base)
  } catch (error) {
    if (error instanceof StorageFull) return
    if (hasCode(error, 'EROFS') && (await ignoring(['EROFS', ...NOTHING], files.names(base)))) return
    throw new StorageUnavailable(`nothing can be stored in ${root}: ${(error as Error).message}`, {
      cause: error
    })
  }
}

/** Makes a draft, moves it through the folders where objects lie, as a write would, and removes it. */
async function tryOut(files: Files, drafts: Drafts, base: string): Promise<void> {
  const draft = await drafts.open()
  await files.close(draft)
  let { path } = draft
  try {
    for await (const folder of foldersBelow(files, base, LEVELS)) {
      const next = join(folder, `@${basename(draft.path)}`)
      const moved = files.rename(path, next).then(() => next)
      path = (await ignoring(NOT_OURS, moved)) ?? path
    }
  } finally {
    await files.unlink(path)
  }
}

async function* foldersBelow(files: Files, folder: string, levels: number): AsyncGenerator<string> {
  for (const entry of (await ignoring(NOT_OURS, files.entries(folder))) ?? []) {
    if (!entry.isDirectory() || !PART.test(entry.name) || entry.name.startsWith('.')) continue
    const child = join(folder, entry.name)
    yield child
    if (levels > 1) yield* foldersBelow(files, child, levels - 1)
  }
}
