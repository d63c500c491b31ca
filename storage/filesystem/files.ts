import type { Dirent } from 'node:fs'
import { explain } from './errors.ts'

type Done<T = void> = (error: NodeJS.ErrnoException | null, result: T) => void

interface FileStats {
  dev: number
  ino: number
  size: number
  mtimeMs: number
  isFile(): boolean
}

interface FileSystemStats {
  bsize: number
  blocks: number
  /** Without what is kept for root. */
  bavail: number
}

/** What the driver uses of `node:fs`. A test gives its own, to watch the calls, refuse them or forget them. */
export interface FileSystem {
  open(path: string, flags: string, mode: number, done: Done<number>): void
  close(fd: number, done: Done): void
  read(fd: number, into: Uint8Array, at: number, length: number, position: number, done: Done<number>): void
  writev(fd: number, chunks: Uint8Array[], position: number, done: Done<number>): void
  ftruncate(fd: number, size: number, done: Done): void
  fsync(fd: number, done: Done): void
  fstat(fd: number, done: Done<FileStats>): void
  stat(path: string, done: Done<FileStats>): void
  statfs(path: string, done: Done<FileSystemStats>): void
  copyFile(from: string, to: string, mode: number, done: Done): void
  rename(from: string, to: string, done: Done): void
  link(from: string, to: string, done: Done): void
  unlink(path: string, done: Done): void
  mkdir(path: string, mode: number, done: Done): void
  rmdir(path: string, done: Done): void
  readdir(path: string, done: Done<string[]>): void
  readdir(path: string, options: { withFileTypes: true }, done: Done<Dirent[]>): void
}

export interface OpenFile {
  fd: number
  /** For messages only: the file may have been renamed since. */
  path: string
}

export type Files = ReturnType<typeof createFiles>

/** The same functions as promises, their errors translated. What they make is open to all that umask allows. */
export function createFiles(fs: FileSystem) {
  return {
    open: async (path: string, flags: 'r' | 'r+' | 'wx'): Promise<OpenFile> => ({
      fd: await call<number>(path, (done) => fs.open(path, flags, 0o666, done)),
      path
    }),
    close: ({ fd, path }: OpenFile) => call(path, (done) => fs.close(fd, done)),
    read: ({ fd, path }: OpenFile, into: Uint8Array, at: number, length: number, position: number) =>
      call<number>(path, (done) => fs.read(fd, into, at, length, position, done)),
    writev: ({ fd, path }: OpenFile, chunks: Uint8Array[], position: number) =>
      call<number>(path, (done) => fs.writev(fd, chunks, position, done)),
    truncate: ({ fd, path }: OpenFile, size: number) => call(path, (done) => fs.ftruncate(fd, size, done)),
    sync: ({ fd, path }: OpenFile) => call(path, (done) => fs.fsync(fd, done)),
    statOpen: ({ fd, path }: OpenFile) => call<FileStats>(path, (done) => fs.fstat(fd, done)),
    stat: (path: string) => call<FileStats>(path, (done) => fs.stat(path, done)),
    statFileSystem: (path: string) => call<FileSystemStats>(path, (done) => fs.statfs(path, done)),
    copy: (from: string, to: string, mode: number) => call(to, (done) => fs.copyFile(from, to, mode, done)),
    rename: (from: string, to: string) => call(to, (done) => fs.rename(from, to, done)),
    link: (from: string, to: string) => call(to, (done) => fs.link(from, to, done)),
    unlink: (path: string) => call(path, (done) => fs.unlink(path, done)),
    makeFolder: (path: string) => call(path, (done) => fs.mkdir(path, 0o777, done)),
    removeFolder: (path: string) => call(path, (done) => fs.rmdir(path, done)),
    names: (path: string) => call<string[]>(path, (done) => fs.readdir(path, done)),
    entries: (path: string) => call<Dirent[]>(path, (done) => fs.readdir(path, { withFileTypes: true }, done))
  }
}

function call<T = void>(path: string, run: (done: Done<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    run((error, result) => (error === null ? resolve(result) : reject(explain(error, path))))
  })
}

/** Gives what `use` gives, and closes the file whatever happens. */
export async function closing<T>(
  files: Files,
  file: OpenFile,
  use: (file: OpenFile) => Promise<T>
): Promise<T> {
  try {
    return await use(file)
  } finally {
    await files.close(file)
  }
}
