import {
  type Body,
  type ByteRange,
  checkKey,
  checkMark,
  ObjectNotFound,
  OffsetConflict,
  type StorageDriver
} from './driver.ts'

const CHUNK = 64 * 1024

interface Making {
  bytes: Buffer
  mark: string
  /** Changes hands with each append: who finds another's here at the end has lost. */
  turn: symbol
  changed: Date
}

/** A store that ends with the process: for tests, and as strict with its callers as any other driver. */
export function memoryStorage(now: () => Date = () => new Date()): StorageDriver {
  const objects = new Map<string, Buffer>()
  const makings = new Map<string, Making>()

  function inTheMaking(key: string): Making {
    const making = makings.get(checkKey(key))
    if (making === undefined) throw new ObjectNotFound(key)
    return making
  }

  return {
    async size(key) {
      return objects.get(checkKey(key))?.length
    },

    async *read(key, range) {
      const object = objects.get(checkKey(key))
      if (object === undefined) throw new ObjectNotFound(key)
      yield* chunks(part(key, object, range))
    },

    async write(key, body) {
      checkKey(key)
      const { bytes, broken } = await gather(body)
      if (broken !== undefined) throw broken.error
      objects.set(key, bytes)
      return bytes.length
    },

    async begin(key, mark = '') {
      if (makings.has(checkKey(key))) throw new Error(`${key} is in the making already`)
      makings.set(key, {
        bytes: Buffer.alloc(0),
        mark: checkMark(mark),
        turn: Symbol(),
        changed: now()
      })
    },

    async append(key, offset, body, mark = () => '') {
      const making = inTheMaking(key)
      if (making.bytes.length !== offset) throw new OffsetConflict(key, making.bytes.length)
      const turn = Symbol()
      making.turn = turn
      const { bytes, broken } = await gather(body)
      const marked = checkMark(mark(offset + bytes.length))
      if (inTheMaking(key).turn !== turn) throw new OffsetConflict(key, inTheMaking(key).bytes.length)
      making.mark = marked
      making.bytes = Buffer.concat([making.bytes, bytes])
      making.changed = now()
      if (broken !== undefined) throw broken.error
      return making.bytes.length
    },

    async appended(key) {
      const making = makings.get(checkKey(key))
      return making && { size: making.bytes.length, mark: making.mark }
    },

    async *readAppended(key, range) {
      yield* chunks(part(key, inTheMaking(key).bytes, range))
    },

    async countMaking() {
      return makings.size
    },

    async commit(key, size, to) {
      checkKey(to)
      const { bytes } = inTheMaking(key)
      if (bytes.length !== size) throw new OffsetConflict(key, bytes.length)
      objects.set(to, bytes)
      makings.delete(key)
    },

    async abandon(key) {
      makings.delete(checkKey(key))
    },

    async delete(key, { expected, within } = {}) {
      const object = objects.get(checkKey(key))
      if (within !== undefined) checkKey(within)
      if (object === undefined || (expected !== undefined && object.toString() !== expected)) return false
      return objects.delete(key)
    },

    async deleteFolder(key) {
      const folder = `${checkKey(key)}/`
      for (const name of objects.keys()) if (name.startsWith(folder)) objects.delete(name)
    },

    async list(key, { after = '', limit } = {}) {
      const folder = `${checkKey(key)}/`
      const names = new Set<string>()
      for (const name of objects.keys()) {
        if (name.startsWith(folder)) names.add(name.slice(folder.length).replace(/\/.*/, ''))
      }
      return [...names]
        .filter((name) => name > after)
        .sort()
        .slice(0, limit)
    },

    async probe() {},

    async probeWrite() {},

    async space() {
      return undefined
    },

    async tidy(before, mayRemove = () => true) {
      const old = [...makings].filter(([key, { changed }]) => changed < before && mayRemove(key))
      for (const [key] of old) makings.delete(key)
      return old.length
    }
  }
}

/** @throws RangeError when it starts beyond the end */
function part(key: string, bytes: Buffer, range: ByteRange = { start: 0, end: bytes.length }): Buffer {
  const { start, end } = range
  if (start < 0 || start > bytes.length) throw new RangeError(`${key} ends at ${bytes.length}`)
  return bytes.subarray(start, end + 1)
}

/** Overwrites each chunk once the next is asked for, so that whoever keeps one without copying notices. */
async function* chunks(bytes: Buffer): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += CHUNK) {
    const chunk = Buffer.from(bytes.subarray(start, start + CHUNK))
    yield chunk
    chunk.fill(0)
  }
}

/** What a body yielded, and what it threw after that if it did. */
async function gather(body: Body): Promise<{ bytes: Buffer; broken?: { error: unknown } }> {
  const parts: Uint8Array[] = []
  try {
    for await (const chunk of body) parts.push(chunk)
  } catch (error) {
    return { bytes: Buffer.concat(parts), broken: { error } }
  }
  return { bytes: Buffer.concat(parts) }
}
