import { randomUUID } from 'node:crypto'
import { type Body, checkKey, type StorageDriver, StorageUnavailable } from '../driver.ts'
import { createAppends } from './appends.ts'
import { createBudget } from './budget.ts'
import { listNames } from './listing.ts'
import { pour } from './pouring.ts'
import { readObject } from './reading.ts'
import { createRemovals } from './removals.ts'
import { DRAFTS } from './states.ts'
import { ConditionFailed, type ObjectStore, type Parts, type Piece } from './store.ts'
import { createTidying } from './tidying.ts'

/** How often to look again at an object that is replaced each time it is to be deleted. */
const LOOKS = 10

export interface ObjectStorageOptions {
  /** In which larger bodies are sent, in bytes. It may change while objects are in the making. */
  chunkSize: number
  /** How many bytes of bodies this process may hold at a time: at least one chunk. */
  memory: number
  /** For how long an address is good that `redirect` gives. Without it there is none. */
  redirectSeconds?: number | undefined
  log: { warn(text: string): void }
  now?: () => number
}

export type ObjectStorage = StorageDriver & Required<Pick<StorageDriver, 'idle'>>

/**
 * A driver over a store of whole objects, such as S3, GCS and Azure Blob have it. Nothing is ever changed in place: what
 * counts is decided by the creation of an object that must not be there yet, which all of them can do.
 */
export function objectStorage(store: ObjectStore, options: ObjectStorageOptions): ObjectStorage {
  const { chunkSize, memory, redirectSeconds, log, now = Date.now } = options
  const budget = createBudget(memory)
  const removals = createRemovals(store, log.warn)
  const sign = store.sign?.bind(store)

  /** Parts where the store has them; else drafts that are joined. */
  async function startParts(key: string): Promise<Parts> {
    if (store.parts !== undefined) return store.parts(key)
    const folder = `${DRAFTS}${randomUUID()}`
    const pieces: Piece[] = []
    return {
      async put(number, bytes) {
        const size = bytes.reduce((sum, { length }) => sum + length, 0)
        pieces[number - 1] = { key: `${folder}/${number}`, size }
        await store.put(`${folder}/${number}`, bytes)
      },
      async complete() {
        await store.assemble(key, pieces)
        removals.removeLater(folder)
      },
      async abort() {
        removals.removeLater(folder)
      }
    }
  }

  async function writeParts(key: string, body: Body): Promise<number> {
    let parts: Promise<Parts> | undefined
    let asideFolder: string | undefined
    try {
      const { size, sent, rest, broken } = await pour(body, {
        budget,
        partSize: chunkSize,
        aside: {
          most: 0,
          nameOf(index) {
            asideFolder ??= `${DRAFTS}${randomUUID()}`
            return `${asideFolder}/${index}`
          },
          put: async (name, bytes) => store.put(name, bytes),
          get: (name) => readObject(store, name)
        },
        async send(index, bytes) {
          parts ??= startParts(key)
          await (await parts).put(index + 1, bytes)
        }
      })
      try {
        if (broken !== undefined) throw broken.error
        if (parts === undefined) await store.put(key, rest.bytes)
        else if (rest.size > 0) await (await parts).put(sent + 1, rest.bytes)
      } finally {
        rest.free()
      }
      await (await parts)?.complete()
      return size
    } catch (error) {
      await (await parts?.catch(() => undefined))?.abort()
      throw error
    } finally {
      if (asideFolder !== undefined) removals.removeLater(asideFolder)
    }
  }

  /** The version of the object, if it holds just this. */
  async function versionOf(key: string, expected: string): Promise<string | undefined> {
    const opened = await store.get(key)
    if (opened === undefined) return undefined
    const isLong = opened.size !== Buffer.byteLength(expected)
    const chunks: Buffer[] = []
    try {
      for await (const chunk of opened.chunks) {
        if (isLong) return undefined
        chunks.push(Buffer.from(chunk))
      }
    } catch (cause) {
      throw new StorageUnavailable(`the connection broke while ${key} was read`, { cause })
    }
    return Buffer.concat(chunks).toString() === expected ? opened.version : undefined
  }

  return {
    ...createAppends({ store, budget, partSize: chunkSize, removals, now }),
    ...(sign && redirectSeconds && { redirect: async (key) => sign(checkKey(key), redirectSeconds) }),

    async size(key) {
      return (await store.head(checkKey(key)))?.size
    },

    async *read(key, range) {
      yield* readObject(store, checkKey(key), range)
    },

    async write(key, body, { isContested = false } = {}) {
      checkKey(key)
      if (!Array.isArray(body)) return writeParts(key, body)
      await store.put(key, body, { isNew: false, isContested })
      return body.reduce((sum, { length }) => sum + length, 0)
    },

    async delete(key, { expected, within } = {}) {
      checkKey(key)
      if (within !== undefined) checkKey(within)
      for (let looks = 1; looks <= LOOKS; looks++) {
        const found =
          expected === undefined ? await store.head(key) : { version: await versionOf(key, expected) }
        if (found === undefined) return false
        if (expected !== undefined && found.version === undefined) return false
        try {
          await store.delete(key, found.version)
          return true
        } catch (error) {
          if (!(error instanceof ConditionFailed)) throw error
        }
      }
      throw new StorageUnavailable(`${key} is replaced again and again while it is deleted`)
    },

    async deleteFolder(key) {
      await removals.remove(checkKey(key))
    },

    list: async (key, page = {}) => listNames(store, checkKey(key), page),

    async probe() {
      await store.list('', { byFolder: false, limit: 1 })
    },

    async probeWrite() {
      const key = `${DRAFTS}${randomUUID()}/probe`
      await store.put(key, [])
      await store.delete(key)
    },

    // What has been uploaded lies in as many folders as there are uploads.
    async countMaking() {
      return undefined
    },

    // Nobody knows.
    async space() {
      return undefined
    },

    tidy: createTidying(store, removals),
    idle: () => removals.ended()
  }
}
