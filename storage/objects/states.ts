import { hash, randomBytes } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { ObjectNotFound, StorageUnavailable } from '../driver.ts'
import type { Piece } from './pouring.ts'
import { readObject } from './reading.ts'
import { ConditionFailed, type ObjectStore } from './store.ts'

/** What lies where of that which is no object of the registry, or not yet. */
export const UPLOADS = '@uploads/'
export const DRAFTS = '@drafts/'

/** How many objects in the making are remembered, and for how long. */
const REMEMBERED = 10_000
const REMEMBERED_MS = 3_600_000

/** Who has seen the first state less than this ago does not look whether it is still there. */
const SURE_MS = 5000

/** How often to look again when what is listed is gone by the time it is read. */
const LOOKS = 3

/**
 * An object in the making is a row of states below `@uploads/<hash of its key>/s/`, each a small object that is created
 * once and never changed. The last one counts, as long as the first one is there. To add is to create the next, which
 * succeeds for one only; so no lock is needed, and whoever is late learns it. The bytes lie below `d/`, under names that
 * nobody else uses.
 */
export interface State {
  turn: number
  size: number
  mark: string
  /** All parts are so long. */
  part: number
  /** Writers in their order, and how many parts each has put. */
  runs: readonly (readonly [writer: string, count: number])[]
  /** What is behind those, less than a part, in pieces. Whoever fills the part brings them together. */
  tail: readonly Piece[]
  /** Who created it. */
  by: string
}

export const folderOf = (key: string): string => `${UPLOADS}${hash('sha256', key).slice(0, 32)}`
export const dataKey = (key: string, name: string): string => `${folderOf(key)}/d/${name}`
export const newWriter = (): string => randomBytes(8).toString('hex')
export const firstStateOf = (folder: string): string => `${folder}/s/${'0'.repeat(8)}`

const stateKey = (key: string, turn: number): string => `${folderOf(key)}/s/${String(turn).padStart(8, '0')}`

/** The objects that hold the bytes, by name and in their order. */
export function partsOf({ runs, part, tail }: State): Piece[] {
  const names = runs.flatMap(([writer, count]) => Array.from({ length: count }, (_, i) => `${writer}-${i}`))
  return [...names.map((name) => ({ name, size: part })), ...tail]
}

/** The state under this key; undefined where there is none. */
export async function readState(store: ObjectStore, key: string): Promise<State | undefined> {
  const chunks: Buffer[] = []
  try {
    for await (const chunk of readObject(store, key)) chunks.push(Buffer.from(chunk))
  } catch (error) {
    if (error instanceof ObjectNotFound) return undefined
    throw error
  }
  return { ...JSON.parse(Buffer.concat(chunks).toString()), turn: turnOf(key) }
}

const turnOf = (key: string): number => Number(key.slice(-8))

export interface States {
  /** What this process knows of it, if anything. Another may have gone on since. */
  known(key: string): State | undefined
  /** The first, just created here: another would hardly have had the time. */
  begun(key: string): State | undefined
  /** The last one: a list, and a read where it is not known. Undefined when nothing is in the making. */
  newest(key: string): Promise<State | undefined>
  /** @throws ConditionFailed when there is one with its turn; ObjectNotFound when the first is gone */
  create(key: string, state: State): Promise<void>
  forget(key: string): void
}

export function createStates(store: ObjectStore, now: () => number): States {
  const remembered = new LRUCache<string, { state: State; seen: number }>({
    max: REMEMBERED,
    ttl: REMEMBERED_MS
  })

  /** The key of the last, if the first is there. */
  async function look(key: string): Promise<string | undefined> {
    const prefix = `${folderOf(key)}/s/`
    let last: string | undefined
    let from: string | undefined
    do {
      const page = await store.list(prefix, { byFolder: false, from })
      if (last === undefined && page.objects[0]?.key !== firstStateOf(folderOf(key))) return undefined
      last = page.objects.at(-1)?.key ?? last
      from = page.next
    } while (from !== undefined)
    return last
  }

  return {
    known: (key) => remembered.get(key)?.state,

    begun(key) {
      const { state, seen } = remembered.get(key) ?? { seen: 0 }
      return state?.turn === 0 && now() - seen < SURE_MS ? state : undefined
    },

    async newest(key) {
      for (let looks = 1; looks <= LOOKS; looks++) {
        const seen = now()
        const last = await look(key)
        const known = remembered.get(key)?.state
        remembered.delete(key)
        if (last === undefined) return undefined
        const state = known?.turn === turnOf(last) ? known : await readState(store, last)
        if (state === undefined) continue
        remembered.set(key, { state, seen })
        return state
      }
      throw new StorageUnavailable(`what is in the making at ${key} is listed, but not there`)
    },

    async create(key, state) {
      const at = stateKey(key, state.turn)
      const { turn, ...rest } = state
      const begun = now()
      const isSure = turn === 0 || begun - (remembered.get(key)?.seen ?? 0) < SURE_MS
      try {
        await store.put(at, [Buffer.from(JSON.stringify(rest))], { isNew: true })
      } catch (error) {
        // It may be ours: then only the answer was lost, and the call was made again.
        const isOurs = error instanceof ConditionFailed && (await readState(store, at))?.by === state.by
        if (!isOurs) throw error
      }
      // All may have ended meanwhile. Whoever ends it removes the first state first, and then those that are there:
      // this one too, if the first is still there now.
      if (!isSure && (await store.head(firstStateOf(folderOf(key)))) === undefined)
        throw new ObjectNotFound(key)
      remembered.set(key, { state, seen: begun })
    },

    forget: (key) => remembered.delete(key)
  }
}
