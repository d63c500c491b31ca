import type { Dirent } from 'node:fs'
import { basename, dirname } from 'node:path'
import type { FileSystem } from '../../storage/filesystem/files.ts'
import {
  type Change,
  describe,
  type Inode,
  keep,
  newInode,
  rootsAfterPowerCut,
  withNeeds
} from './what-lasts.ts'

export interface Disk {
  fs: FileSystem
  /** How many files and folders are open. */
  handles(): number
  /** All that it holds, as text: two disks are the same if it is. */
  content(): string
  /** Every path, folders with a slash behind. */
  paths(): string[]
  /** The disks that a power cut at this moment could leave, each with all it holds synced. */
  afterPowerCut(): Disk[]
}

function refusal(code: string, syscall: string, path: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${syscall} '${path}'`), { code, syscall, path })
}

/**
 * A file system in memory that knows what a power cut would leave. It promises no more than POSIX: bytes last once
 * their file is synced, a name once its folder is, and until then each change may last or not, in any order that
 * makes sense. A rename to another folder lasts there first; the old name may come back with the same file.
 */
export function createDisk(root = newInode(true)): Disk {
  const open = new Map<number, Inode>()
  let nextHandle = 3
  let pending: Change[] = []

  function find(path: string, syscall: string): Inode {
    let inode = root
    for (const name of path.split('/').filter(Boolean)) {
      if (inode.entries === undefined) throw refusal('ENOTDIR', syscall, path)
      const next = inode.entries.get(name)
      if (next === undefined) throw refusal('ENOENT', syscall, path)
      inode = next
    }
    return inode
  }

  function findFolder(path: string, syscall: string) {
    const folder = find(path, syscall)
    if (folder.entries === undefined) throw refusal('ENOTDIR', syscall, path)
    return { folder, entries: folder.entries }
  }

  function opened(handle: number, syscall: string): Inode {
    const inode = open.get(handle)
    if (inode === undefined) throw refusal('EBADF', syscall, String(handle))
    return inode
  }

  function change(edits: Change['edits'], needs: Change[] = []): Change {
    for (const { folder, name, inode } of edits) {
      if (inode === undefined) folder.entries?.delete(name)
      else folder.entries?.set(name, inode)
    }
    const touched = (earlier: Change) =>
      earlier.edits.some((one) => edits.some((two) => one.folder === two.folder && one.name === two.name))
    const made = { edits, needs: [...needs, ...pending.filter(touched)] }
    pending.push(made)
    return made
  }

  function sync(inode: Inode): void {
    inode.synced = inode.bytes
    const lasting = withNeeds(pending.filter(({ edits }) => edits.some(({ folder }) => folder === inode)))
    for (const one of pending) if (lasting.has(one)) keep(one)
    pending = pending.filter((one) => !lasting.has(one))
  }

  /** Answers later, as the kernel does. */
  function answer<T>(run: () => T, done: (error: NodeJS.ErrnoException | null, result: T) => void): void {
    let result: T
    try {
      result = run()
    } catch (error) {
      queueMicrotask(() => done(error as NodeJS.ErrnoException, undefined as T))
      return
    }
    queueMicrotask(() => done(null, result))
  }

  const stat = (inode: Inode) => ({
    dev: 1,
    ino: 1,
    size: inode.bytes.length,
    mtimeMs: Date.now(),
    isFile: () => inode.entries === undefined
  })

  function readdir(path: string, ...rest: unknown[]): void {
    const withTypes = rest.length === 2
    const done = rest.at(-1) as (error: NodeJS.ErrnoException | null, found: (string | Dirent)[]) => void
    answer(() => {
      const { entries } = findFolder(path, 'scandir')
      return [...entries].map(([name, inode]) =>
        withTypes ? ({ name, isDirectory: () => inode.entries !== undefined } as Dirent) : name
      )
    }, done)
  }

  const fs: FileSystem = {
    open(path, flags, _mode, done) {
      answer(() => {
        if (flags === 'wx') {
          const { folder, entries } = findFolder(dirname(path), 'open')
          if (entries.has(basename(path))) throw refusal('EEXIST', 'open', path)
          change([{ folder, name: basename(path), inode: newInode(false) }])
        }
        const inode = find(path, 'open')
        if (flags === 'r+' && inode.entries !== undefined) throw refusal('EISDIR', 'open', path)
        open.set(nextHandle, inode)
        return nextHandle++
      }, done)
    },
    close(fd, done) {
      answer(() => {
        opened(fd, 'close')
        open.delete(fd)
      }, done)
    },
    read(fd, into, at, length, position, done) {
      answer(() => {
        const inode = opened(fd, 'read')
        if (inode.entries !== undefined) throw refusal('EISDIR', 'read', String(fd))
        return inode.bytes.copy(into, at, position, position + length)
      }, done)
    },
    writev(fd, chunks, position, done) {
      answer(() => {
        const inode = opened(fd, 'write')
        const added = Buffer.concat(chunks)
        const grown = Buffer.alloc(Math.max(inode.bytes.length, position + added.length))
        inode.bytes.copy(grown)
        added.copy(grown, position)
        inode.bytes = grown
        return added.length
      }, done)
    },
    ftruncate(fd, size, done) {
      answer(() => {
        const inode = opened(fd, 'ftruncate')
        const cut = Buffer.alloc(size)
        inode.bytes.copy(cut)
        inode.bytes = cut
      }, done)
    },
    fsync(fd, done) {
      answer(() => sync(opened(fd, 'fsync')), done)
    },
    fstat(fd, done) {
      answer(() => stat(opened(fd, 'fstat')), done)
    },
    stat(path, done) {
      answer(() => stat(find(path, 'stat')), done)
    },
    statfs(path, done) {
      answer(() => {
        find(path, 'statfs')
        return { bsize: 4096, blocks: 1000, bavail: 400 }
      }, done)
    },
    copyFile(from, to, _mode, done) {
      answer(() => {
        find(to, 'copyfile').bytes = find(from, 'copyfile').bytes
      }, done)
    },
    rename(from, to, done) {
      answer(() => {
        const inode = find(from, 'rename')
        const source = findFolder(dirname(from), 'rename').folder
        const { folder, entries } = findFolder(dirname(to), 'rename')
        if (entries.get(basename(to))?.entries !== undefined) throw refusal('EISDIR', 'rename', to)
        const added = { folder, name: basename(to), inode }
        const removed = { folder: source, name: basename(from), inode: undefined }
        if (source === folder) change([removed, added])
        else change([removed], [change([added])])
      }, done)
    },
    link(from, to, done) {
      answer(() => {
        const inode = find(from, 'link')
        const { folder, entries } = findFolder(dirname(to), 'link')
        if (entries.has(basename(to))) throw refusal('EEXIST', 'link', to)
        change([{ folder, name: basename(to), inode }])
      }, done)
    },
    unlink(path, done) {
      answer(() => {
        if (find(path, 'unlink').entries !== undefined) throw refusal('EISDIR', 'unlink', path)
        change([{ folder: find(dirname(path), 'unlink'), name: basename(path), inode: undefined }])
      }, done)
    },
    mkdir(path, _mode, done) {
      answer(() => {
        const { folder, entries } = findFolder(dirname(path), 'mkdir')
        if (entries.has(basename(path))) throw refusal('EEXIST', 'mkdir', path)
        change([{ folder, name: basename(path), inode: newInode(true) }])
      }, done)
    },
    rmdir(path, done) {
      answer(() => {
        if (findFolder(path, 'rmdir').entries.size > 0) throw refusal('ENOTEMPTY', 'rmdir', path)
        change([{ folder: find(dirname(path), 'rmdir'), name: basename(path), inode: undefined }])
      }, done)
    },
    readdir
  }

  function* listed(folder: Inode, path: string): Generator<string> {
    for (const [name, inode] of folder.entries ?? []) {
      yield `${path}/${name}${inode.entries === undefined ? '' : '/'}`
      yield* listed(inode, `${path}/${name}`)
    }
  }

  return {
    fs,
    handles: () => open.size,
    content: () => describe(root),
    paths: () => [...listed(root, '')],
    afterPowerCut: () => rootsAfterPowerCut(root, pending).map((left) => createDisk(left))
  }
}
