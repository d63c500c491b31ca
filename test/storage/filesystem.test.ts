import fs, {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout as pause } from 'node:timers/promises'
import t from 'tap'
import { InvalidKey, StorageFull, StorageUnavailable } from '../../storage/driver.ts'
import { filesystemStorage } from '../../storage/filesystem.ts'
import { bytes, gather, noise, pieces, text } from './bodies.ts'
import { storageContract } from './contract.ts'
import { createDisk } from './disk.ts'
import { inTheMaking } from './making.ts'
import { type Call, watched } from './watched.ts'

t.test('filesystem', async (t) => {
  await storageContract(t, (t) => {
    const root = t.testdir()
    return () => filesystemStorage({ root })
  })
})

/** A driver, and each call it makes of the file system as `<name> <path below the root, ids as *>`. */
function recorded(root: string) {
  const calls: string[] = []
  const show = ({ name, path }: Call): undefined => {
    const shown = path.slice(root.length + 1).replace(/[0-9a-f-]{36}$/, '*')
    calls.push(
      `${name} ${shown.replace(/[0-9a-f-]{36}(?=\.tmp)|(?<=@uploads\/)[0-9a-f](\/[0-9a-f]{32})?/, '*')}`
    )
  }
  return { calls, storage: filesystemStorage({ root, fs: watched(fs, show) }) }
}

t.test(
  'a write syncs the file, renames it and syncs the folder, in this order, before it returns',
  async (t) => {
    const { storage, calls } = recorded(t.testdir({ '@drafts': {}, a: { k: 'former' } }))
    await storage.write('a/first', [])
    calls.length = 0
    await storage.write('a/k', [bytes('new')])
    t.same(calls, [
      'open @drafts/*.tmp',
      'writev @drafts/*.tmp',
      'fsync @drafts/*.tmp',
      'close @drafts/*.tmp',
      'rename a/k',
      'open a',
      'fsync a',
      'close a'
    ])
  }
)

t.test('a write makes and syncs each folder above that is not known to last, once', async (t) => {
  const { storage, calls } = recorded(t.testdir({ '@drafts': {}, a: {} }))
  const changes = () => calls.splice(0).filter((call) => /^(mkdir|rename|fsync)/.test(call))
  await storage.write('a/b/c/k', [bytes('new')])
  const first = changes()
  const made = ['mkdir a', 'mkdir a/b', 'mkdir a/b/c']
  t.same(first.slice(0, 5), ['fsync @drafts/*.tmp', ...made, 'rename a/b/c/k'])
  t.same(first.slice(5).sort(), ['fsync ', 'fsync a', 'fsync a/b', 'fsync a/b/c'], 'at once')
  await storage.write('a/b/d/k', [bytes('new')])
  const second = changes()
  t.same(second.slice(0, 3), ['fsync @drafts/*.tmp', 'mkdir a/b/d', 'rename a/b/d/k'])
  t.same(second.slice(3).sort(), ['fsync a/b', 'fsync a/b/d'])
})

t.test('those who want a folder synced meanwhile share the next sync, not the one under way', async (t) => {
  const { fs } = createDisk()
  let syncs = 0
  const first = Promise.withResolvers<void>()
  const slow = watched(fs, ({ name, path }) => {
    if (name !== 'fsync' || path !== '/r/a') return undefined
    return syncs++ === 0 ? { after: first.promise } : undefined
  })
  const storage = filesystemStorage({ root: '/r', fs: slow })
  await filesystemStorage({ root: '/r', fs }).write('a/first', [])
  const done: string[] = []
  const write = (key: string) => storage.write(key, []).then(() => done.push(key))
  const one = write('a/one')
  while (syncs === 0) await pause(1)
  const others = [write('a/two'), write('a/three'), write('a/four')]
  await pause(20)
  t.same(done, [], 'the sync under way may have missed their names')
  first.resolve()
  await Promise.all([one, ...others])
  t.equal(syncs, 2)
})

t.test('a sync that fails fails all who share it, and none who come later', async (t) => {
  const { fs } = createDisk()
  let refuse = true
  const failing = watched(fs, ({ name, path }) =>
    refuse && name === 'fsync' && path === '/r/a' ? { refuse: 'EIO' } : undefined
  )
  const storage = filesystemStorage({ root: '/r', fs: failing })
  const results = await Promise.allSettled(['one', 'two', 'three'].map((k) => storage.write(`a/${k}`, [])))
  t.same(
    results.map(({ status }) => status),
    ['rejected', 'rejected', 'rejected']
  )
  refuse = false
  await storage.write('a/four', [])
})

t.test('an append and a commit keep the same order', async (t) => {
  const { storage, calls } = recorded(t.testdir({ b: {} }))
  await storage.write('b/first', [])
  await storage.begin('u/data')
  await storage.append('u/data', 0, [])
  await storage.abandon('u/data')
  calls.length = 0
  await storage.begin('u/data', 'm0')
  t.same(calls.splice(0), ['open @uploads/*@0@0@m0', 'close @uploads/*@0@0@m0'])
  await storage.append('u/data', 0, [bytes('abc')], (size) => `m${size}`)
  t.same(calls.splice(0), [
    'rename @uploads/*@1@0@m0@*',
    'open @uploads/*@1@0@m0@*',
    'writev @uploads/*@1@0@m0@*',
    'fsync @uploads/*@1@0@m0@*',
    'close @uploads/*@1@0@m0@*',
    'rename @uploads/*@1@3@m3',
    'open @uploads/*',
    'fsync @uploads/*',
    'close @uploads/*'
  ])
  await storage.commit('u/data', 3, 'b/data')
  t.same(calls, [
    ...['rename b/data', 'open b', 'fsync b', 'close b'],
    // Or the upload might be back after a power cut, and go on in what is an object by now.
    ...['open @uploads/*', 'fsync @uploads/*', 'close @uploads/*']
  ])
})

t.test('so they do on what another process has left, after a look at it', async (t) => {
  const root = t.testdir({ b: {}, ...inTheMaking('u/data', { '1@3@m3': 'abc' }) })
  const { storage, calls } = recorded(root)
  await storage.append('u/data', 3, [bytes('def')])
  t.same(calls.slice(0, 6), [
    'readdir @uploads/*',
    'rename @uploads/*@2@3@m3@*',
    'open @uploads/*@2@3@m3@*',
    'fstat @uploads/*@2@3@m3@*',
    'writev @uploads/*@2@3@m3@*',
    'fsync @uploads/*@2@3@m3@*'
  ])
  const other = recorded(root)
  await other.storage.commit('u/data', 6, 'b/data')
  t.same(other.calls.slice(0, 4), ['readdir @uploads/*', 'stat @uploads/*@2@6@', 'mkdir b', 'rename b/data'])
})

t.test('what one call can read is opened, read and closed, and nothing else', async (t) => {
  const { storage, calls } = recorded(t.testdir({ a: { link: 'sha256:', empty: '' } }))
  t.equal(await text(storage.read('a/link')), 'sha256:')
  t.same(calls.splice(0), ['open a/link', 'read a/link', 'close a/link'])
  t.equal(await text(storage.read('a/empty')), '')
  t.same(calls.splice(0), ['open a/empty', 'read a/empty', 'close a/empty'])
  t.equal(await text(storage.read('a/link', { start: 3, end: 5 })), '256')
  t.same(calls.splice(0), ['open a/link', 'read a/link', 'close a/link'])
})

t.test('a deletion is synced before it returns', async (t) => {
  const { storage, calls } = recorded(t.testdir({ a: { b: { k: '' }, c: '' } }))
  await storage.delete('a/c')
  t.same(calls.splice(0), ['unlink a/c', 'readdir a', 'open a', 'fsync a', 'close a'])
  await storage.deleteFolder('a/b')
  t.same(calls, ['readdir a/b', 'unlink a/b/k', 'rmdir a/b', 'open a', 'fsync a', 'close a'])
})

t.test('case 3: a key that is none touches nothing', async (t) => {
  const { storage, calls } = recorded(t.testdir())
  for (const key of ['', '../k', 'a//b', 'a@b', '@drafts/k']) {
    await t.rejects(storage.size(key), InvalidKey)
    await t.rejects(text(storage.read(key)), InvalidKey)
    await t.rejects(storage.write(key, []), InvalidKey)
    await t.rejects(storage.begin(key), InvalidKey)
    await t.rejects(storage.append(key, 0, []), InvalidKey)
    await t.rejects(storage.appended(key), InvalidKey)
    await t.rejects(text(storage.readAppended(key)), InvalidKey)
    await t.rejects(storage.commit('u/data', 0, key), InvalidKey)
    await t.rejects(storage.abandon(key), InvalidKey)
    await t.rejects(storage.delete(key), InvalidKey)
    await t.rejects(storage.deleteFolder(key), InvalidKey)
    await t.rejects(storage.list(key), InvalidKey)
  }
  t.same(calls, [])
})

t.test('case 48: what has a name that no key can have is not listed', async (t) => {
  const root = t.testdir({
    a: { k: '', 'k@0@0@': '', 'k@x': '', 'a b': '', 'ä.txt': '', '@drafts': {}, 'data~': '', b: {} }
  })
  const storage = filesystemStorage({ root })
  t.same(await storage.list('a'), ['b', 'k'])
})

t.test('the root is made by the first write, and holds drafts and objects only', async (t) => {
  const root = join(t.testdir(), 'not/there')
  const storage = filesystemStorage({ root })
  t.equal(await storage.size('k'), undefined)
  t.same(await storage.list('a'), [])
  await storage.write('a/k', [bytes('k')])
  t.same(readdirSync(root).sort(), ['@drafts', 'a'])
  t.same(readdirSync(join(root, '@drafts')), [])
  t.equal(readFileSync(join(root, 'a/k'), 'utf8'), 'k')
})

t.test('files and folders are open to whom umask leaves them open', async (t) => {
  const root = t.testdir()
  const storage = filesystemStorage({ root })
  const umask = process.umask(0o002)
  t.teardown(() => process.umask(umask))
  await storage.write('a/k', [bytes('k')])
  await storage.begin('u/data')
  await storage.append('u/data', 0, [bytes('k')])
  await storage.commit('u/data', 1, 'b/k')
  const mode = (path: string) => (statSync(join(root, path)).mode & 0o777).toString(8)
  t.same(['a', 'a/k', '@uploads', 'b', 'b/k', '@drafts'].map(mode), [
    '775',
    '664',
    '775',
    '775',
    '664',
    '775'
  ])
})

const TROUBLE = {
  ENOSPC: [StorageFull, /free some or enlarge/],
  EDQUOT: [StorageFull, /quota/],
  EROFS: [StorageUnavailable, /mount it read-write/],
  EMFILE: [StorageUnavailable, /ulimit -n/],
  ENFILE: [StorageUnavailable, /fs.file-max/],
  EACCES: [StorageUnavailable, /give it read and write access/],
  EPERM: [StorageUnavailable, /give it read and write access/],
  EXDEV: [StorageUnavailable, /must be on one/],
  EIO: [StorageUnavailable, /dmesg/],
  ENXIO: [StorageUnavailable, /check the disk/],
  ESTALE: [StorageUnavailable, /mount it again/],
  ETIMEDOUT: [StorageUnavailable, /does not answer/]
} as const

for (const [code, [kind, advice]] of Object.entries(TROUBLE)) {
  t.test(
    `case 8: ${code} is never "not found", and its message says where it is and what to do`,
    async (t) => {
      const root = t.testdir({ a: { k: '' }, ...inTheMaking('u/data', { '0@0@': '' }) })
      const storage = filesystemStorage({ root, fs: watched(fs, () => ({ refuse: code })) })
      const calls = [
        storage.size('a/k'),
        text(storage.read('a/k')),
        storage.write('a/k', []),
        storage.begin('v/data'),
        storage.append('u/data', 0, []),
        storage.appended('u/data'),
        text(storage.readAppended('u/data')),
        storage.commit('u/data', 0, 'k'),
        storage.delete('a/k'),
        storage.list('a')
      ]
      for (const result of await Promise.allSettled(calls)) {
        const { reason } = result as PromiseRejectedResult
        t.type(reason, kind)
        t.match(reason.message, advice)
        t.ok(reason.message.includes(root), reason.message)
        t.match(reason.cause, { code })
      }
    }
  )
}

t.test('an error of the body is passed on untouched, whatever its code', async (t) => {
  const storage = filesystemStorage({ root: t.testdir() })
  const lost = Object.assign(new Error('no route to the client'), { code: 'ETIMEDOUT' })
  async function* body() {
    yield bytes('abc')
    throw lost
  }
  const thrown = (call: Promise<unknown>) => call.catch((error) => error)
  t.equal(await thrown(storage.write('k', body())), lost)
  await storage.begin('u/data')
  t.equal(await thrown(storage.append('u/data', 0, body())), lost)
  t.match(await storage.appended('u/data'), { size: 3 })
})

t.test('a file system that cannot sync a folder is taken as it is', async (t) => {
  const root = t.testdir()
  const judge = ({ name, path }: Call) =>
    name === 'fsync' && statSync(path).isDirectory() ? { refuse: 'EINVAL' } : undefined
  const storage = filesystemStorage({ root, fs: watched(fs, judge) })
  await storage.write('a/k', [bytes('k')])
  t.equal(await text(storage.read('a/k')), 'k')
})

t.test('a folder that is busy, or has one more entry, is removed a moment later', async (t) => {
  for (const [call, code] of [
    ['rmdir', 'EBUSY'],
    ['rmdir', 'ENOTEMPTY'],
    ['unlink', 'EBUSY']
  ]) {
    const root = t.testdir({ a: { b: { c: '' } } })
    let times = 2
    const judge = ({ name }: Call) => (name === call && times-- > 0 ? { refuse: code! } : undefined)
    await filesystemStorage({ root, fs: watched(fs, judge) }).deleteFolder('a')
    t.notOk(existsSync(join(root, 'a')), `${call} ${code}`)
  }
  const root = t.testdir({ a: { b: { c: '' } } })
  const judge = ({ name }: Call) => (name === 'rmdir' ? { refuse: 'EBUSY' } : undefined)
  const busy = filesystemStorage({ root, fs: watched(fs, judge) })
  await t.rejects(busy.deleteFolder('a'), { name: 'StorageUnavailable', message: /still uses it/ })
})

t.test('a link to elsewhere is removed, not what it points at', async (t) => {
  const root = t.testdir({ a: {}, elsewhere: { k: 'kept' } })
  symlinkSync(join(root, 'elsewhere'), join(root, 'a/link'))
  await filesystemStorage({ root }).deleteFolder('a')
  t.equal(readFileSync(join(root, 'elsewhere/k'), 'utf8'), 'kept')
})

t.test('a reader that stops waits for the read that is under way before it closes the file', async (t) => {
  const root = t.testdir()
  await filesystemStorage({ root }).write('k', [noise(2 << 20)])
  const events: string[] = []
  const storage = filesystemStorage({
    root,
    fs: {
      ...fs,
      read(fd, into, at, length, position, done) {
        setTimeout(() => {
          fs.read(fd, into, at, length, position, (error, count) => {
            events.push('read')
            done(error, count)
          })
        }, 20)
      },
      close(fd, done) {
        events.push('close')
        fs.close(fd, done)
      }
    }
  })
  for await (const _ of storage.read('k', { start: 0, end: 1 << 20 })) break
  t.same(events, ['read', 'read', 'close'])
})

t.test('a body that is faster than the disk is held back at about 512 KiB', async (t) => {
  const root = t.testdir()
  const disk = Promise.withResolvers<void>()
  const judge = ({ name }: Call) => (name === 'writev' ? { after: disk.promise } : undefined)
  const storage = filesystemStorage({ root, fs: watched(fs, judge) })
  const whole = noise(8 << 20)
  const enough = Promise.withResolvers<void>()
  let taken = 0
  async function* body() {
    for (const piece of pieces(whole, 65_536)) {
      yield piece
      taken += piece.length
      if (taken > 256 << 10) enough.resolve()
    }
  }
  const written = storage.write('k', body())
  await enough.promise
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.ok(taken <= 512 << 10, `${taken} bytes`)
  disk.resolve()
  t.equal(await written, whole.length)
  t.ok((await gather(storage.read('k'))).equals(whole))
})

t.test('a body that comes in pieces gives its memory back at once, one at hand is left alone', async (t) => {
  const storage = filesystemStorage({ root: t.testdir() })
  const [coming, atHand, part] = [noise(70_000), noise(70_000), noise(70_000)].map(
    (bytes) => new Uint8Array(bytes)
  )
  async function* body() {
    yield coming as Uint8Array
    yield (part as Uint8Array).subarray(1)
  }
  const before = [Buffer.from(coming as Uint8Array), Buffer.from(part as Uint8Array)]
  await storage.write('k', body())
  await storage.write('l', [atHand as Uint8Array])
  t.equal(coming?.byteLength, 0)
  t.equal(part?.byteLength, 70_000, 'somebody else may use the rest of it')
  t.equal(atHand?.byteLength, 70_000)
  const stored = await gather(storage.read('k'))
  t.ok(stored.equals(Buffer.concat([before[0] as Buffer, (before[1] as Buffer).subarray(1)])))
})

t.test('a folder where a file is in the way is an error, not a missing object', async (t) => {
  const root = t.testdir({ a: 'file' })
  const storage = filesystemStorage({ root })
  await t.rejects(storage.write('a/k', [bytes('k')]), { code: 'ENOTDIR' })
  t.same(readdirSync(join(root, '@drafts')), [])
  mkdirSync(join(root, 'folder/sub'), { recursive: true })
  await t.rejects(storage.write('folder', [bytes('k')]), { code: 'EISDIR' })
  writeFileSync(join(root, 'k'), 'k')
  t.equal(await text(storage.read('k')), 'k', 'what others wrote is read')
})

t.test('a folder that is gone, or is none any more, does not pass for an empty store', async (t) => {
  const root = join(t.testdir(), 'store')
  mkdirSync(root)
  const storage = filesystemStorage({ root })
  await storage.probe()
  renameSync(root, `${root}.old`)
  await t.rejects(storage.probe(), { name: 'StorageUnavailable', message: /still mounted/ })
  writeFileSync(root, 'a file')
  await t.rejects(storage.probe(), { name: 'StorageUnavailable' })
  rmSync(root)
  renameSync(`${root}.old`, root)
  await storage.probe()
})

t.test('the space is that of the volume, unless it knows no size or is not there', async (t) => {
  const root = t.testdir()
  const { bsize, blocks } = fs.statfsSync(root)
  const found = await filesystemStorage({ root }).space()
  t.equal(found?.size, blocks * bsize)
  t.ok(found !== undefined && found.free > 0 && found.free <= found.size)
  t.equal(await filesystemStorage({ root: `${root}/gone` }).space(), undefined)
  const statfs: typeof disk.fs.statfs = (_path, done) => done(null, { bsize: 4096, blocks: 0, bavail: 0 })
  const disk = createDisk()
  t.equal(await filesystemStorage({ root: '/', fs: { ...disk.fs, statfs } }).space(), undefined)
})

t.test('a try to write leaves nothing, and fails as a write does', async (t) => {
  const disk = createDisk()
  let refused: string | undefined
  const calls: string[] = []
  const storage = filesystemStorage({
    root: '/r',
    fs: watched(disk.fs, ({ name }) => {
      calls.push(name)
      return name === refused ? { refuse: 'ENOSPC' } : undefined
    })
  })
  await storage.probeWrite()
  t.ok(calls.includes('writev') && calls.includes('fsync'))
  for (const name of ['open', 'writev', 'fsync']) {
    refused = name
    await t.rejects(storage.probeWrite(), StorageFull)
  }
  t.same(disk.paths(), ['/r/', '/r/@drafts/'])
  t.equal(disk.handles(), 0)
})
