import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { filesystemStorage } from '../../../storage/filesystem.ts'
import { bytes, text } from '../bodies.ts'

const GONE = { name: 'StorageUnavailable', isGone: true, message: /is its volume still mounted/ }

t.test('a folder that is gone is neither empty nor made anew', async (t) => {
  const place = t.testdir()
  const root = join(place, 'root')
  const storage = filesystemStorage({ root })
  await storage.write('a/b', [bytes('here')])
  await storage.probe()
  renameSync(root, join(place, 'elsewhere'))

  await t.rejects(storage.probe(), GONE)
  await t.rejects(storage.size('a/b'), GONE)
  await t.rejects(text(storage.read('a/b')), GONE)
  await t.rejects(storage.list('a'), GONE)
  await t.rejects(storage.write('a/c', [bytes('new')]), GONE)
  await t.rejects(storage.begin('u/1', ''), GONE)
  t.notOk(existsSync(root))

  renameSync(join(place, 'elsewhere'), root)
  await storage.probe()
  t.equal(await text(storage.read('a/b')), 'here')
  t.equal(await storage.size('a/c'), undefined)
  await storage.write('a/c', [bytes('new')])
})

t.test('so is one that has another in its place, as when a volume is unmounted', async (t) => {
  const place = t.testdir()
  const root = join(place, 'root')
  const storage = filesystemStorage({ root })
  await storage.write('a/b', [bytes('here')])
  await storage.probe()
  renameSync(root, join(place, 'elsewhere'))
  mkdirSync(root)

  await t.rejects(storage.probe(), GONE)
  await t.rejects(storage.size('a/b'), GONE)
  await t.rejects(storage.write('a/c', [bytes('new')]), GONE)
  await t.rejects(storage.begin('u/1', ''), GONE)
  t.notOk(existsSync(join(root, 'a')))
  writeFileSync(join(root, 'file'), '')
  await t.rejects(storage.probe(), GONE)
})
