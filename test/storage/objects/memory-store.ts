import { ObjectNotFound } from '../../../storage/driver.ts'
import {
  ConditionFailed,
  type Found,
  type Listed,
  type ObjectStore,
  type Opened
} from '../../../storage/objects/store.ts'

const CHUNK = 64 * 1024

type Operation =
  | Exclude<keyof ObjectStore, 'parts' | 'sign'>
  | 'startParts'
  | 'putPart'
  | 'complete'
  | 'abort'

export interface Call {
  operation: Operation
  /** The key or the prefix it is about. */
  key: string
  /** Which call it is, from 1 on. */
  number: number
}

/**
 * What becomes of a call that is not just done. One that is refused throws without the deed; one whose answer is lost,
 * with it. `forget` is no answer ever and no deed, as if the process had died. Of a `cut` read only so many bytes come:
 * then it ends, or breaks.
 */
export type Verdict =
  | { refuse: Error }
  | { lose: Error }
  | 'forget'
  | { after: Promise<unknown> }
  | { cut: number; isSilent?: boolean }
  | undefined

export interface MemoryStoreOptions {
  /** Asked before each call. */
  judge?: (call: Call) => Verdict
  /** At most so many entries in a page of a list. */
  pageSize?: number
  hasParts?: boolean
  /** Whether a list can begin after a key. */
  hasAfter?: boolean
  /** Whether what is to be deleted may have to be some version. */
  hasConditions?: boolean
  now?: () => Date
}

interface Entry {
  bytes: Buffer
  version: string
  modified: Date
}

export interface MemoryStore extends ObjectStore {
  /** All calls so far. Who counts empties it. */
  calls: Call[]
  keys(): string[]
  /** How many bytes all objects hold. */
  size(): number
  /** Parts that were begun, and neither completed nor aborted. */
  pendingParts(): number
  /** The same objects, called by another process. */
  sharing(options?: MemoryStoreOptions): MemoryStore
}

interface Shared {
  objects: Map<string, Entry>
  pending: Map<symbol, Date>
  versions: number
}

/** A store like S3, in memory, whose calls can be made to fail. */
export function memoryStore(
  options: MemoryStoreOptions = {},
  shared: Shared = { objects: new Map(), pending: new Map(), versions: 0 }
): MemoryStore {
  const { judge, pageSize = 1000, hasParts = true, hasAfter = true, hasConditions = true } = options
  const { now = () => new Date() } = options
  const { objects, pending } = shared
  const calls: Call[] = []

  async function call<T>(operation: Operation, key: string, deed: (verdict: Verdict) => T): Promise<T> {
    const call = { operation, key, number: calls.length + 1 }
    calls.push(call)
    const verdict = judge?.(call)
    // Calls overtake each other on their way.
    await new Promise(setImmediate)
    if (verdict === 'forget') return new Promise(() => {})
    if (verdict !== undefined && 'refuse' in verdict) throw verdict.refuse
    if (verdict !== undefined && 'after' in verdict) await verdict.after
    const result = deed(verdict)
    if (verdict !== undefined && 'lose' in verdict) throw verdict.lose
    return result
  }

  function set(key: string, pieces: readonly Uint8Array[]): void {
    objects.set(key, {
      bytes: Buffer.concat(pieces),
      version: `v${++shared.versions}`,
      modified: now()
    })
  }

  function keysBelow(prefix: string): string[] {
    return [...objects.keys()].filter((key) => key.startsWith(prefix)).sort()
  }

  function checkVersion(key: string, version: string | undefined): void {
    if (version !== undefined && objects.get(key)?.version !== version) throw new ConditionFailed(key)
  }

  const found = (key: string, { bytes, modified, version }: Entry): Found => {
    return { key, size: bytes.length, modified, version }
  }

  return {
    calls,
    keys: () => keysBelow(''),
    size: () => objects.values().reduce((sum, { bytes }) => sum + bytes.length, 0),
    pendingParts: () => pending.size,
    sharing: (others = options) => memoryStore(others, shared),

    head: async (key) =>
      call('head', key, () => {
        const entry = objects.get(key)
        return entry && found(key, entry)
      }),

    get: async (key, range, version) =>
      call('get', key, (verdict): Opened | undefined => {
        const entry = objects.get(key)
        if (entry === undefined) return undefined
        checkVersion(key, version)
        const { bytes } = entry
        if (range !== undefined && range.start >= bytes.length) throw new RangeError(`${key} is shorter`)
        const wanted = range === undefined ? bytes : bytes.subarray(range.start, range.end + 1)
        const isCut = verdict !== undefined && verdict !== 'forget' && 'cut' in verdict
        const chunks = isCut ? cutOff(wanted, verdict.cut, verdict.isSilent ?? false) : copies(wanted)
        return { size: bytes.length, version: entry.version, chunks }
      }),

    put: async (key, pieces, { isNew } = { isNew: false }) =>
      call('put', key, () => {
        if (isNew && objects.has(key)) throw new ConditionFailed(key)
        set(key, pieces)
      }),

    assemble: async (target, pieces) =>
      call('assemble', target, () => {
        const contents = pieces.map(({ key, size }, i) => {
          const entry = objects.get(key)
          if (entry === undefined) throw new ObjectNotFound(key)
          if (entry.bytes.length !== size)
            throw new Error(`${key} has ${entry.bytes.length} bytes, not ${size}`)
          if (i < pieces.length - 1 && size !== pieces[0]?.size) throw new Error('not equally long')
          return entry.bytes
        })
        set(target, contents)
      }),

    ...(hasParts && {
      parts: async (key) =>
        call('startParts', key, () => {
          const id = Symbol()
          const parts: Buffer[] = []
          pending.set(id, now())
          return {
            put: async (number, bytes) =>
              call('putPart', key, () => {
                parts[number - 1] = Buffer.concat(bytes)
              }),
            complete: async () =>
              call('complete', key, () => {
                if (!pending.delete(id)) throw new Error('no such parts')
                for (const part of parts.slice(0, -1)) {
                  if (part.length !== parts[0]?.length) throw new Error('not equally long')
                }
                set(key, parts)
              }),
            async abort() {
              await call('abort', key, () => pending.delete(id)).catch(() => {})
            }
          }
        })
    }),

    delete: async (key, version) =>
      call('delete', key, () => {
        if (hasConditions) checkVersion(key, version)
        objects.delete(key)
      }),

    deleteAll: async (keys) => {
      for (let start = 0; start < keys.length; start += 1000) {
        await call('deleteAll', keys[start] ?? '', () => {
          for (const key of keys.slice(start, start + 1000)) objects.delete(key)
        })
      }
    },

    list: async (prefix, { byFolder, after, limit = 1000, from }) =>
      call('list', prefix, (): Listed => {
        const start = from ?? (hasAfter ? after : undefined) ?? ''
        const entries = new Map<string, Found | undefined>()
        for (const key of keysBelow(prefix)) {
          const slash = byFolder ? key.indexOf('/', prefix.length) : -1
          const at = slash < 0 ? key : key.slice(0, slash + 1)
          // S3 gives a folder if any of its keys comes after where the list begins.
          if ((from === undefined ? key : at) <= start) continue
          const entry = objects.get(key)
          entries.set(at, slash < 0 && entry ? found(key, entry) : undefined)
        }
        const most = Math.min(limit, pageSize)
        const page = [...entries].slice(0, most)
        return {
          objects: page.flatMap(([, entry]) => (entry ? [entry] : [])),
          folders: page.flatMap(([at, entry]) => (entry ? [] : [at.slice(0, -1)])),
          next: entries.size > most ? page.at(-1)?.[0] : undefined
        }
      }),

    abortParts: async (before) =>
      call('abortParts', '', () => {
        const old = [...pending].filter(([, begun]) => begun < before)
        for (const [id] of old) pending.delete(id)
        return old.length
      })
  }
}

/** In chunks of their own, so that whoever overwrites one harms nobody. */
async function* copies(bytes: Buffer): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += CHUNK) {
    const chunk = Buffer.from(bytes.subarray(start, start + CHUNK))
    yield chunk
    if (chunk.length > 0) chunk.fill(0)
  }
}

async function* cutOff(bytes: Buffer, count: number, isSilent: boolean): AsyncGenerator<Uint8Array> {
  yield* copies(bytes.subarray(0, count))
  if (!isSilent) throw Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
}
