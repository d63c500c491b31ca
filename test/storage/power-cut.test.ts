import t from 'tap'
import type { StorageDriver } from '../../storage/driver.ts'
import type { FileSystem } from '../../storage/filesystem/files.ts'
import { filesystemStorage } from '../../storage/filesystem.ts'
import { bytes, pieces, stalled, text } from './bodies.ts'
import { createDisk, type Disk } from './disk.ts'
import { watched } from './watched.ts'

const ROOT = '/r'
const UPLOAD = 'u/1/data'
const OBJECT = 'a/b/k'
const TARGET = 'b/c/data'
const WHOLE = 'abcdefgh'

const mark = (size: number): string => `m${size}`
const part = (start: number, end: number): Buffer[] => [bytes(WHOLE.slice(start, end))]

/** What a store holds: undefined where there is nothing. */
interface Content {
  object: string | undefined
  target: string | undefined
  /** How many bytes are in the making. */
  upload: number | undefined
}

interface Step {
  title: string
  run(storage: StorageDriver): Promise<unknown>
  /** What it changes, once it was answered. */
  leaves: Partial<Content>
}

const STEPS: Step[] = [
  { title: 'write', run: (s) => s.write(OBJECT, [bytes('one')]), leaves: { object: 'one' } },
  {
    title: 'write over it',
    run: (s) => s.write(OBJECT, [bytes('the second')]),
    leaves: { object: 'the second' }
  },
  { title: 'begin', run: (s) => s.begin(UPLOAD, mark(0)), leaves: { upload: 0 } },
  { title: 'append', run: (s) => s.append(UPLOAD, 0, part(0, 3), mark), leaves: { upload: 3 } },
  { title: 'append more', run: (s) => s.append(UPLOAD, 3, part(3, 5), mark), leaves: { upload: 5 } },
  { title: 'append, and be suspended', run: suspended, leaves: {} },
  {
    title: 'append after a takeover',
    run: (s) => s.append(UPLOAD, 5, part(5, 8), mark),
    leaves: { upload: 8 }
  },
  { title: 'commit', run: (s) => s.commit(UPLOAD, 8, TARGET), leaves: { upload: undefined, target: WHOLE } },
  { title: 'delete', run: (s) => s.delete(OBJECT), leaves: { object: undefined } },
  { title: 'write it again', run: (s) => s.write(OBJECT, [bytes('third')]), leaves: { object: 'third' } },
  {
    title: 'delete the expected one, and its folders',
    run: (s) => s.delete(OBJECT, { expected: 'third', within: 'a' }),
    leaves: { object: undefined }
  },
  { title: 'abandon', run: (s) => s.abandon(UPLOAD), leaves: { upload: undefined } },
  { title: 'delete the folder', run: (s) => s.deleteFolder('b'), leaves: { target: undefined } }
]

/** Leaves an owner behind that wrote more than it will ever finish. */
async function suspended(storage: StorageDriver): Promise<void> {
  const { body, waits } = stalled(pieces(Buffer.alloc(2000, 'z'), 1), [])
  storage.append(UPLOAD, 5, body, mark)
  await waits
}

/** What the store must hold once `done` steps were answered. */
function contentAfter(done: number): Content {
  const content: Content = { object: undefined, target: undefined, upload: undefined }
  for (const { leaves } of STEPS.slice(0, done)) Object.assign(content, leaves)
  return content
}

/** Runs the steps until one call of the file system is never answered. Gives how many steps were done by then. */
async function runUntil(fs: FileSystem, crash: number): Promise<number> {
  const crashed = Promise.withResolvers<void>()
  let calls = 0
  const dying = watched(fs, () => {
    if (calls++ < crash) return undefined
    crashed.resolve()
    return 'forget'
  })
  const storage = filesystemStorage({ root: ROOT, fs: dying })
  let done = 0
  const steps = (async () => {
    for (const { run } of STEPS) {
      await run(storage)
      done++
    }
  })()
  await Promise.race([steps, crashed.promise])
  return done
}

/** What is wrong with what a crash left, if anything is. */
async function faultsOf(storage: StorageDriver, done: number): Promise<string[]> {
  const faults: string[] = []
  const allowed = [contentAfter(done), contentAfter(done + 1)]
  const expect = (what: keyof Content, found: string | number | undefined, also: unknown[] = []) => {
    const expected = [...allowed.map((content) => content[what]), ...also]
    if (!expected.includes(found)) faults.push(`${what} is ${found}, not ${expected.join(' or ')}`)
  }

  expect('object', await read(storage, OBJECT))
  expect('target', await read(storage, TARGET))
  const found = await storage.appended(UPLOAD)
  const begun = STEPS.findIndex(({ title }) => title === 'append')
  const committed = STEPS.findIndex(({ title }) => title === 'commit')
  const abandoned = STEPS.findIndex(({ title }) => title === 'abandon')
  // Before the first append has returned it may be gone; the name it had before the commit may be back.
  expect(
    'upload',
    found?.size,
    done <= begun ? [undefined] : done >= committed && done <= abandoned ? [8] : []
  )
  if (found !== undefined) {
    if (found.mark !== mark(found.size)) faults.push(`size ${found.size} has the mark ${found.mark}`)
    const kept = await text(storage.readAppended(UPLOAD)).catch(String)
    if (kept !== WHOLE.slice(0, found.size)) faults.push(`${found.size} bytes in the making are ${kept}`)
  }
  for (const folder of ['a', 'a/b', 'b', 'b/c']) {
    for (const name of await storage.list(folder)) {
      if (!['b', 'k', 'c', 'data'].includes(name)) faults.push(`${folder} lists ${name}`)
    }
  }
  return faults
}

async function read(storage: StorageDriver, key: string): Promise<string | undefined> {
  return (await storage.size(key)) === undefined ? undefined : text(storage.read(key))
}

/** Goes on after a crash as a client would: with what is in the making, or from the start. */
async function retry(storage: StorageDriver): Promise<string[]> {
  const left = await storage.appended(UPLOAD)
  const key = left === undefined ? 'u/2/data' : UPLOAD
  if (left === undefined) await storage.begin(key, mark(0))
  await storage.append(key, left?.size ?? 0, part(left?.size ?? 0, 8), mark)
  await storage.commit(key, 8, TARGET)
  await storage.write(OBJECT, [bytes('again')])
  const found = [await read(storage, OBJECT), await read(storage, TARGET), await storage.appended(key)]
  await storage.delete(OBJECT)
  found.push(await read(storage, OBJECT))
  return found.map(String).join() === `again,${WHOLE},undefined,undefined` ? [] : [`a retry gives ${found}`]
}

/** Cuts the power before each call in turn. `fs` is the disk as the driver sees it. Ends at the first fault. */
async function cutEverywhere(fs: (disk: Disk) => FileSystem) {
  let states = 0
  for (let calls = 0; ; calls++) {
    const disk = createDisk()
    const done = await runUntil(fs(disk), calls)
    for (const left of [disk, ...disk.afterPowerCut()]) {
      states++
      const storage = filesystemStorage({ root: ROOT, fs: left.fs })
      const faults = [...(await faultsOf(storage, done)), ...(await retry(storage))]
      if (faults.length > 0)
        return `call ${calls}, ${STEPS[done]?.title}: ${faults.join(', ')}; ${left.paths()}`
    }
    if (done === STEPS.length) return `${states} states after ${calls} calls, all sound`
  }
}

t.test('case 26, 55: a crash or power cut before any call loses nothing that was answered', async (t) => {
  const report = await cutEverywhere(({ fs }) => fs)
  t.match(report, /all sound/)
  t.comment(report)
})

for (const [what, isOne] of [
  ['a file', (path: string) => path.includes('@')],
  ['a folder', (path: string) => !path.includes('@')]
] as const) {
  t.test(`that test notices when ${what} is not synced`, async (t) => {
    const report = await cutEverywhere(({ fs }) =>
      watched(fs, ({ name, path }) => (name === 'fsync' && isOne(path) ? 'pretend' : undefined))
    )
    t.notMatch(report, /all sound/)
    t.comment(report)
  })
}
