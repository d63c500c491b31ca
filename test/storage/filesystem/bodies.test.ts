import nodeFs from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createReadChunks } from '../../../storage/filesystem/bodies.ts'
import { closing, createFiles, type FileSystem } from '../../../storage/filesystem/files.ts'

const KIB = 1024
const LENGTH = 200 * KIB
const READERS = 300
/** 64 readers with read-ahead, the others one small chunk each, 64 at once. */
const AHEAD = 64
const IN_TURN = 64

t.test('a crowd of readers on a slow disk holds memory for those only whose turn it is', async (t) => {
  const path = join(t.testdir({ file: Buffer.alloc(LENGTH, 'x').toString() }), 'file')
  let slow: (() => void)[] | undefined = []
  const asked: number[] = []
  const read: FileSystem['read'] = ((
    fd: number,
    into: Buffer,
    ...rest: [number, number, number, () => void]
  ) => {
    asked.push(into.buffer.byteLength)
    const go = (): void => nodeFs.read(fd, into, ...rest)
    if (slow === undefined) go()
    else slow.push(go)
  }) as FileSystem['read']
  const files = createFiles({ ...nodeFs, read })
  const readChunks = createReadChunks(files)
  const file = await files.open(path, 'r')
  await closing(files, file, async () => {
    const readers = Array.from({ length: READERS }, async () => {
      let length = 0
      for await (const chunk of readChunks(file, 0, LENGTH)) {
        for (const byte of chunk) if (byte !== 0x78) throw new Error(`byte ${byte}`)
        length += chunk.length
      }
      return length
    })
    await new Promise((resolve) => setImmediate(resolve))
    t.equal(asked.filter((size) => size === 256 * KIB).length, AHEAD, 'the first read large chunks')
    t.equal(
      asked.filter((size) => size === 64 * KIB).length,
      IN_TURN,
      'of the others only so many small ones'
    )
    t.equal(asked.length, AHEAD + IN_TURN)
    const held = slow ?? []
    slow = undefined
    for (const go of held) go()
    t.strictSame(new Set(await Promise.all(readers)), new Set([LENGTH]), 'and all get all of it')
  })
})
