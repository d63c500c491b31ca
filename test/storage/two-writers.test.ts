import { setTimeout as pause } from 'node:timers/promises'
import t from 'tap'
import type { StorageDriver } from '../../storage/driver.ts'
import { filesystemStorage } from '../../storage/filesystem.ts'
import { bytes } from './bodies.ts'
import { createDisk } from './disk.ts'
import { watched } from './watched.ts'

const KEY = 'a/b/c/k'

const write = (storage: StorageDriver) => storage.write(KEY, [bytes('k')])

async function upload(storage: StorageDriver): Promise<void> {
  await storage.begin('u/data')
  await storage.append('u/data', 0, [bytes('k')])
  await storage.commit('u/data', 1, KEY)
}

/** Longer than all calls of a disk in memory take. */
const LATE_MS = 50

/**
 * Two drivers on one disk, or one twice. The first stops before one of its calls, if it gets so far: for ever, or, where
 * it is the same, until the second has done all it can, which may be to wait for that very call.
 */
async function createPair(processes: number) {
  const disk = createDisk()
  await filesystemStorage({ root: '/r', fs: disk.fs }).write('first', [])
  const stopped = Promise.withResolvers<boolean>()
  let left = Number.POSITIVE_INFINITY
  const fs = watched(disk.fs, () => {
    if (left-- !== 0) return undefined
    stopped.resolve(true)
    return processes === 1 ? { after: pause(LATE_MS) } : 'forget'
  })
  const one = filesystemStorage({ root: '/r', fs })
  const two = processes === 1 ? one : filesystemStorage({ root: '/r', fs: disk.fs })

  /** Whether it was stopped before the given call. */
  async function stopsBefore(call: number, run: () => Promise<unknown>): Promise<boolean> {
    left = call
    return Promise.race([stopped.promise, run().then(() => false)])
  }
  return { disk, one, two, stopsBefore }
}

for (const processes of [1, 2]) {
  for (const [what, act] of Object.entries({ write, upload })) {
    t.test(`${what}: a folder that another is still making lasts, in ${processes} process(es)`, async (t) => {
      for (let call = 0; ; call++) {
        const { disk, one, two, stopsBefore } = await createPair(processes)
        if (!(await stopsBefore(call, () => one.write('a/b/c/other', [bytes('other')])))) break
        await act(two)
        for (const left of disk.afterPowerCut()) {
          const storage = filesystemStorage({ root: '/r', fs: left.fs })
          t.equal(await storage.size(KEY), 1, `stopped before call ${call}; ${left.paths()}`)
        }
      }
    })
  }
}

const REMOVALS = {
  delete: (storage: StorageDriver) => storage.delete('a/b/c/first', { within: 'a' }),
  deleteFolder: (storage: StorageDriver) => storage.deleteFolder('a')
}

// The folder is known to last, and is removed. One makes it again and comes no further, and another writes into it.
for (const [what, remove] of Object.entries(REMOVALS)) {
  for (const [who, processes] of [
    ['itself', 1],
    ['itself', 2],
    ['another process', 1]
  ] as const) {
    const title = `${what} by ${who}: a new folder is not taken for the one that lasted, in ${processes} process(es)`
    t.test(title, async (t) => {
      for (let call = 0; ; call++) {
        const { disk, one, two, stopsBefore } = await createPair(processes)
        await two.write('a/b/c/first', [])
        await remove(who === 'itself' ? two : filesystemStorage({ root: '/r', fs: disk.fs }))
        if (!(await stopsBefore(call, () => one.write('a/b/c/other', [])))) break
        await write(two)
        for (const left of disk.afterPowerCut()) {
          const storage = filesystemStorage({ root: '/r', fs: left.fs })
          t.equal(await storage.size(KEY), 1, `stopped before call ${call}; ${left.paths()}`)
        }
      }
    })
  }
}

t.test('what was seen of a folder before it was removed does not count for the next one', async (t) => {
  const disk = createDisk()
  const other = filesystemStorage({ root: '/r', fs: disk.fs })
  await other.write('first', [])
  const reached = Promise.withResolvers<void>()
  const goOn = Promise.withResolvers<void>()
  let once = true
  const fs = watched(disk.fs, ({ name, path }) => {
    if (!once || name !== 'fsync' || path !== '/r/a') return undefined
    once = false
    reached.resolve()
    return { after: goOn.promise }
  })
  const storage = filesystemStorage({ root: '/r', fs })
  const slow = storage.write('a/b/c/slow', [])
  await reached.promise
  await storage.deleteFolder('a')

  const stopped = Promise.withResolvers<void>()
  const dying = watched(disk.fs, ({ name, path }) => {
    if (name !== 'fsync' || path.includes('@')) return undefined
    stopped.resolve()
    return 'forget'
  })
  filesystemStorage({ root: '/r', fs: dying }).write('a/b/c/other', [])
  await stopped.promise
  goOn.resolve()
  await slow
  await write(storage)
  for (const left of disk.afterPowerCut()) {
    t.equal(await filesystemStorage({ root: '/r', fs: left.fs }).size(KEY), 1, left.paths().join())
  }
})
