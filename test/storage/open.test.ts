import { readdirSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { filesystemStorage, prepareFilesystem } from '../../storage/filesystem.ts'
import { openStorage } from '../../storage/open.ts'
import type { StorageOptions } from '../../storage/options.ts'
import { bytes, text } from './bodies.ts'
import { createDisk } from './disk.ts'
import { watched } from './watched.ts'

/** Of nothing but a folder. */
const optionsFor = (rootdirectory: string, isReadOnly = false): StorageOptions => ({
  driver: 'filesystem',
  filesystem: { rootdirectory },
  s3: undefined,
  gcs: undefined,
  azure: undefined,
  memory: 0,
  redirect: { disable: false, duration: 600_000 },
  middleware: [],
  maintenance: { readonly: { enabled: isReadOnly } }
})
const OPENING = { env: {}, processes: 1, log: { info() {}, warn() {} } }
const open = (root: string, isReadOnly?: boolean) => openStorage(optionsFor(root, isReadOnly), OPENING)

t.test('opening a folder makes it, and all above it', async (t) => {
  const root = join(t.testdir(), 'a/b')
  const storage = await open(root)
  t.same(readdirSync(root), ['@drafts'])
  t.same(readdirSync(join(root, '@drafts')), [])
  await storage.write('k', [bytes('k')])
  t.equal(await text((await open(root)).read('k')), 'k')
})

t.test(
  'opening a folder removes the drafts that a crash has left, and none that is being written',
  async (t) => {
    const root = t.testdir({ '@drafts': { 'old.tmp': 'x', 'new.tmp': 'x' } })
    const hourAgo = Date.now() / 1000 - 3700
    utimesSync(join(root, '@drafts/old.tmp'), hourAgo, hourAgo)
    await open(root)
    t.same(readdirSync(join(root, '@drafts')), ['new.tmp'])
  }
)

t.test('a store that is in use is tidied in the same way', async (t) => {
  const root = t.testdir({ '@drafts': { 'crashed.tmp': 'x' } })
  const storage = await open(root)
  const drafts = join(root, '@drafts')
  t.same(readdirSync(drafts), ['crashed.tmp'], 'young enough to be of a process that lives')
  const hourAgo = Date.now() / 1000 - 3700
  utimesSync(join(drafts, 'crashed.tmp'), hourAgo, hourAgo)
  await storage.tidy(new Date(0), (name) => name !== '@drafts/crashed.tmp')
  t.same(readdirSync(drafts), ['crashed.tmp'])
  await storage.tidy(new Date(0))
  t.same(readdirSync(drafts), [])
})

t.test('a folder that cannot be made or written is refused, and the message says why', async (t) => {
  const root = t.testdir({ file: '' })
  await t.rejects(open(join(root, 'file')), {
    name: 'StorageUnavailable',
    message: `nothing can be stored in ${root}/file: `
  })
  await t.rejects(open(join(root, 'file/below')), { name: 'StorageUnavailable', message: /ENOTDIR/ })
  const { fs } = createDisk()
  for (const name of ['mkdir', 'open', 'readdir', 'unlink']) {
    const refusing = watched(fs, (call) => (call.name === name ? { refuse: 'EACCES' } : undefined))
    await t.rejects(prepareFilesystem({ root: '/r', fs: refusing }), {
      name: 'StorageUnavailable',
      message: /^nothing can be stored in \/r: cannot \w+ .*no permission; give it read and write access/
    })
  }
})

t.test('a folder that is full opens all the same, since it can be read', async () => {
  const { fs } = createDisk()
  const full = watched(fs, ({ name }) =>
    ['mkdir', 'open'].includes(name) ? { refuse: 'ENOSPC' } : undefined
  )
  await prepareFilesystem({ root: '/r', fs: full })
})

t.test('a folder that is read-only opens all the same, but not one that is not even there', async (t) => {
  const { fs } = createDisk()
  const changes = ['mkdir', 'open', 'rename', 'unlink']
  const readOnly = watched(fs, ({ name }) => (changes.includes(name) ? { refuse: 'EROFS' } : undefined))
  await t.rejects(prepareFilesystem({ root: '/r', fs: readOnly }), {
    name: 'StorageUnavailable',
    message: /it is mounted read-only; mount it read-write/
  })
  await filesystemStorage({ root: '/r', fs }).write('a/k', [bytes('k')])
  await prepareFilesystem({ root: '/r', fs: readOnly })
})

t.test('another file system that is mounted where objects lie is found, and named', async (t) => {
  for (const mounted of ['/r/a', '/r/a/b/c/d']) {
    const disk = createDisk()
    await filesystemStorage({ root: '/r', fs: disk.fs }).write('a/b/c/d/e/k', [bytes('k')])
    const before = disk.paths()
    const isInside = (path: string) => path.startsWith(`${mounted}/@`)
    const fs = watched(disk.fs, ({ name, path }) =>
      name === 'rename' && isInside(path) ? { refuse: 'EXDEV' } : undefined
    )
    const message = `nothing can be stored in /r: cannot rename ${mounted}/`
    await t.rejects(prepareFilesystem({ root: '/r', fs }), { name: 'StorageUnavailable', message })
    await t.rejects(prepareFilesystem({ root: '/r', fs }), { message: /must be on one \(EXDEV\)$/ })
    t.same(disk.paths(), before, 'and nothing is left of the try')
  }
})

t.test('opening leaves nothing in the folders that it tries out', async (t) => {
  const disk = createDisk()
  await filesystemStorage({ root: '/r', fs: disk.fs }).write('a/b/k', [bytes('k')])
  const before = disk.paths()
  await prepareFilesystem({ root: '/r', fs: disk.fs })
  t.same(disk.paths(), before)
  t.equal(disk.handles(), 0)
})

t.test("what others keep in the same folder is in nobody's way", async (t) => {
  const disk = createDisk()
  const storage = filesystemStorage({ root: '/r', fs: disk.fs })
  for (const key of ['a/k', '.snapshot/k', 'theirs/b/k']) await storage.write(key, [])
  const before = disk.paths()
  const fs = watched(disk.fs, ({ name, path }) => {
    if (path.startsWith('/r/.snapshot')) return { refuse: 'EXDEV' }
    return name !== 'mkdir' && path.startsWith('/r/theirs') ? { refuse: 'EACCES' } : undefined
  })
  await prepareFilesystem({ root: '/r', fs })
  t.same(disk.paths(), before)
})

t.test('the folder of CNCF distribution opens with the uploads that it has in flight', async (t) => {
  const upload = 'docker/registry/v2/repositories/a/b/_uploads/5d1c0a0e-0000-4000-8000-000000000000/data'
  const storage = await open(t.testdir())
  await storage.write(upload, [bytes('abc')])
  t.same(await storage.appended(upload), { size: 3, mark: '' })
  t.equal(await storage.appended(upload.replace('/data', '/startedat')), undefined)
})

t.test('a folder that is read-only by its settings is left as it is, and must be there', async (t) => {
  const root = t.testdir({ '@drafts': { 'old.tmp': 'x' } })
  const hourAgo = Date.now() / 1000 - 3700
  utimesSync(join(root, '@drafts/old.tmp'), hourAgo, hourAgo)
  await open(root, true)
  t.same(readdirSync(join(root, '@drafts')), ['old.tmp'])
  await t.rejects(open(join(root, 'gone'), true), { name: 'StorageUnavailable' })
  t.same(readdirSync(root), ['@drafts'])
})

t.test('a folder sends clients nowhere, unless a middleware does and redirects are on', async (t) => {
  const options = optionsFor(t.testdir())
  const middleware = [{ name: 'redirect', baseurl: 'https://mirror.example.com/' }] as const
  t.equal((await openStorage(options, OPENING)).redirect, undefined)
  const sending = await openStorage({ ...options, middleware }, OPENING)
  t.equal(await sending.redirect?.('a/b'), 'https://mirror.example.com/a/b')
  const redirect = { disable: true, duration: 600_000 }
  t.equal((await openStorage({ ...options, middleware, redirect }, OPENING)).redirect, undefined)
})
