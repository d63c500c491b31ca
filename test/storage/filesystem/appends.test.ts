import fs, { openSync, readdirSync, readFileSync, statSync, utimesSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ObjectNotFound, OffsetConflict } from '../../../storage/driver.ts'
import { filesystemStorage } from '../../../storage/filesystem.ts'
import { bytes, gather, noise, pieces, text } from '../bodies.ts'
import { inTheMaking, makingNames, makingPath } from '../making.ts'
import { type Call, type Verdict, watched } from '../watched.ts'

const UPLOAD = 'docker/registry/v2/repositories/a/_uploads/5d1c0a0e-0000-4000-8000-000000000000/data'

const FOREIGN = /_uploads\/[^/]+\/data$/

/** A driver whose nth call of a kind waits, as in a process that is suspended just there. */
function suspendedAt(root: string, isIt: (call: Call) => boolean) {
  const reached = Promise.withResolvers<void>()
  const goOn = Promise.withResolvers<void>()
  let once = true
  const judge = (call: Call): Verdict => {
    if (!once || !isIt(call)) return undefined
    once = false
    reached.resolve()
    return { after: goOn.promise }
  }
  const storage = filesystemStorage({ root, fs: watched(fs, judge) })
  return { storage, reached: reached.promise, goOn: goOn.resolve }
}

t.test('one taken over from in the middle of its own takeover loses, and leaves no trace', async (t) => {
  // Between its two renames: it owns the name, and is about to put its copy there.
  let renames = 0
  const isSecondRename = ({ name, path }: Call) =>
    name === 'rename' && path.includes('@uploads') && ++renames === 2
  for (const commits of [false, true]) {
    const root = t.testdir(inTheMaking('u/data', { '3@3@m3@dead': 'abc and more' }))
    const { storage, reached, goOn } = suspendedAt(root, isSecondRename)
    renames = 0
    const slow = t.rejects(storage.append('u/data', 3, [bytes('slow')]), OffsetConflict)
    await reached
    const next = filesystemStorage({ root })
    t.same(await next.appended('u/data'), { size: 3, mark: 'm3' })
    t.equal(await next.append('u/data', 3, [bytes('def')], () => 'm6'), 6)
    goOn()
    await slow
    t.same(await next.appended('u/data'), { size: 6, mark: 'm6' })
    t.equal(await text(next.readAppended('u/data')), 'abcdef')
    t.same(makingNames(root, 'u/data'), ['5@6@m6'])
    if (commits) {
      await next.commit('u/data', 6, 'k')
      t.equal(await text(next.read('k')), 'abcdef')
    }
    t.same(readdirSync(join(root, '@drafts')), [])
  }
})

t.test('what one that died there has left behind is not taken for the truth', async (t) => {
  const root = t.testdir(
    inTheMaking('u/data', { '4@3@m3@late': 'abc', '5@6@m6': 'abcdef', '10@9@m9': 'abcdefghi' })
  )
  const storage = filesystemStorage({ root })
  t.same(await storage.appended('u/data'), { size: 9, mark: 'm9' })
  t.equal(await text(storage.readAppended('u/data')), 'abcdefghi')
  await storage.abandon('u/data')
  t.same(makingNames(root, 'u/data'), [])
})

t.test('bytes behind the durable size never appear', async (t) => {
  for (const owner of ['', '@dead']) {
    const root = t.testdir(inTheMaking('u/data', { [`1@3@m3${owner}`]: 'abc that was never synced' }))
    const storage = filesystemStorage({ root })
    t.equal(await text(storage.readAppended('u/data')), 'abc')
    await storage.append('u/data', 3, [bytes('d')])
    t.equal(await text(storage.readAppended('u/data')), 'abcd')
  }
  for (const owner of ['', '@dead']) {
    const root = t.testdir(inTheMaking('u/data', { [`1@3@m3${owner}`]: 'abc that was never synced' }))
    const storage = filesystemStorage({ root })
    await storage.commit('u/data', 3, 'k')
    t.equal(readFileSync(join(root, 'k'), 'utf8'), 'abc')
  }
})

t.test('a file that is shorter than its name says is not passed off as whole', async (t) => {
  for (const owner of ['', '@dead']) {
    const root = t.testdir(inTheMaking('u/data', { [`1@9@${owner}`]: 'abc' }))
    const storage = filesystemStorage({ root })
    await t.rejects(storage.append('u/data', 9, [bytes('x')]), { message: /only 3 are left/ })
    await t.rejects(storage.commit('u/data', 9, 'k'), { message: /only 3 are left/ })
    await t.rejects(text(storage.readAppended('u/data')), { message: /ends at byte 3/ })
    t.equal(await storage.size('k'), undefined)
  }
})

t.test('a reader finds the bytes again when an append renames them just then', async (t) => {
  const root = t.testdir(inTheMaking('u/data', { '0@3@': 'abc' }))
  const { storage, reached, goOn } = suspendedAt(root, ({ name }) => name === 'open')
  const read = text(storage.readAppended('u/data'))
  await reached
  await filesystemStorage({ root }).append('u/data', 3, [bytes('def')])
  goOn()
  t.equal(await read, 'abcdef')
})

t.test('who abandons it finds what gets another name just then', async (t) => {
  const root = t.testdir(inTheMaking('u/data', { '0@3@': 'abc' }))
  const { storage, reached, goOn } = suspendedAt(root, ({ name }) => name === 'unlink')
  const abandoned = storage.abandon('u/data')
  await reached
  await filesystemStorage({ root }).append('u/data', 3, [bytes('def')])
  goOn()
  await abandoned
  t.same(makingNames(root, 'u/data'), [])
})

t.test('a name that is listed but cannot be found, as in a stale cache, ends with an error', async (t) => {
  const root = t.testdir(inTheMaking('u/data', { '0@3@': 'abc' }))
  const judge = ({ name }: Call): Verdict => (name === 'rename' ? { refuse: 'ENOENT' } : undefined)
  const storage = filesystemStorage({ root, fs: watched(fs, judge) })
  await t.rejects(storage.append('u/data', 3, []), { name: 'StorageUnavailable', cause: { code: 'ENOENT' } })
})

t.test('a plain file is in the making only where another program may have begun it', async (t) => {
  const storage = filesystemStorage({ root: t.testdir({ blobs: { data: 'abc' } }), foreign: FOREIGN })
  t.equal(await storage.appended('blobs/data'), undefined)
  await t.rejects(storage.append('blobs/data', 3, []), ObjectNotFound)
  const alone = filesystemStorage({ root: t.testdir({ _uploads: { 1: { data: 'abc' } } }) })
  t.equal(await alone.appended('_uploads/1/data'), undefined, 'nor anywhere, if there is none')
})

t.test('an upload that distribution has begun goes on', async (t) => {
  const root = t.testdir()
  const path = join(root, UPLOAD)
  const storage = filesystemStorage({ root, foreign: FOREIGN })
  await storage.write(UPLOAD, [bytes('abc')])
  t.same(await storage.appended(UPLOAD), { size: 3, mark: '' })
  t.equal(await text(storage.readAppended(UPLOAD)), 'abc')
  await t.rejects(storage.append(UPLOAD, 0, [bytes('x')]), new OffsetConflict(UPLOAD, 3))

  const distribution = openSync(path, 'r+')
  t.teardown(() => fs.closeSync(distribution))
  t.equal(await storage.append(UPLOAD, 3, [bytes('def')], () => 'm6'), 6)
  writeSync(distribution, 'a process of distribution that goes on writing', 3)
  t.same(await storage.appended(UPLOAD), { size: 6, mark: 'm6' })
  await storage.commit(UPLOAD, 6, 'blobs/data')
  t.equal(await text(storage.read('blobs/data')), 'abcdef')
  t.equal(await storage.appended(UPLOAD), undefined)
})

t.test('an upload that distribution has written is synced before anything is made of it', async (t) => {
  const root = t.testdir()
  await filesystemStorage({ root, foreign: FOREIGN }).write(UPLOAD, [bytes('abc')])
  const calls: string[] = []
  const judge = ({ name, path }: Call): Verdict => {
    calls.push(`${name} ${path.slice(root.length + 1)}`)
    return undefined
  }
  const storage = filesystemStorage({ root, foreign: FOREIGN, fs: watched(fs, judge) })
  await storage.appended(UPLOAD)
  t.equal(calls.splice(0).at(-2), `fsync ${UPLOAD}`)
  await storage.commit(UPLOAD, 3, 'blobs/data')
  const renamed = calls.findIndex((call) => call.startsWith('rename'))
  t.ok(calls.slice(0, renamed).includes(`fsync ${UPLOAD}`))
  t.equal(readFileSync(join(root, 'blobs/data'), 'utf8'), 'abc')
})

t.test('an append that fails gives the disk its space back', async (t) => {
  const root = t.testdir()
  let writes = 0
  const judge = ({ name }: Call): Verdict =>
    name === 'writev' && ++writes === 3 ? { refuse: 'ENOSPC' } : undefined
  const storage = filesystemStorage({ root, fs: watched(fs, judge) })
  await storage.begin('u/data')
  await storage.append('u/data', 0, [bytes('abc')], () => 'm3')
  await t.rejects(storage.append('u/data', 3, pieces(noise(3 << 20), 65_536)), { name: 'StorageFull' })
  t.same(makingNames(root, 'u/data'), ['2@3@m3'])
  const folder = makingPath(root, 'u/data')
  t.equal(statSync(join(folder, readdirSync(folder)[0]!)).size, 3)
  await storage.append('u/data', 3, [bytes('def')])
  t.equal(String(await gather(storage.readAppended('u/data'))), 'abcdef')
})

t.test('what nobody has added to since a moment is abandoned, whoever began it', async (t) => {
  const root = t.testdir(inTheMaking('u/old', { '4@3@m3': 'abc', '5@3@m3@dead': 'abc' }))
  const hourAgo = Date.now() / 1000 - 3600
  for (const name of readdirSync(makingPath(root, 'u/old'))) {
    utimesSync(join(makingPath(root, 'u/old'), name), hourAgo, hourAgo)
  }
  const storage = filesystemStorage({ root })
  await storage.begin('u/new')
  t.equal(await storage.tidy(new Date(Date.now() - 3_700_000)), 0)
  t.equal(await storage.tidy(new Date(Date.now() - 1_800_000)), 2)
  t.equal(await storage.appended('u/old'), undefined)
  t.same(await storage.appended('u/new'), { size: 0, mark: '' })
})

t.test(
  'what this process left is gone on with without a look, and found where another has gone on',
  async (t) => {
    const root = t.testdir()
    let looks = 0
    const judge = ({ name, path }: Call): Verdict => {
      if (name === 'readdir' && path.includes('@uploads')) looks++
      return undefined
    }
    const storage = filesystemStorage({ root, fs: watched(fs, judge) })
    await storage.begin('u/data')
    await storage.append('u/data', 0, [bytes('abc')])
    await storage.append('u/data', 3, [bytes('def')])
    t.equal(looks, 0)
    await filesystemStorage({ root }).append('u/data', 6, [bytes('ghi')])
    await t.rejects(storage.append('u/data', 6, [bytes('x')]), new OffsetConflict('u/data', 9))
    t.equal(await storage.append('u/data', 9, [bytes('jkl')]), 12)
    looks = 0
    await storage.commit('u/data', 12, 'k')
    t.equal(looks, 0)
    t.equal(await text(storage.read('k')), 'abcdefghijkl')
  }
)
