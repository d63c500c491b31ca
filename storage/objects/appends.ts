import {
  type ByteRange,
  checkKey,
  checkMark,
  ObjectNotFound,
  OffsetConflict,
  type StorageDriver
} from '../driver.ts'
import type { Budget } from './budget.ts'
import { type Poured, pour } from './pouring.ts'
import { readObject } from './reading.ts'
import type { Removals } from './removals.ts'
import { createStates, dataKey, firstStateOf, folderOf, newWriter, piecesOf, type State } from './states.ts'
import { ConditionFailed, type ObjectStore } from './store.ts'

type Method = 'begin' | 'append' | 'appended' | 'readAppended' | 'commit' | 'abandon'

interface Appending {
  store: ObjectStore
  budget: Budget
  partSize: number
  removals: Removals
  now: () => number
}

/** The part of the driver that deals with objects in the making. How they are kept: states.ts. */
export function createAppends(parts: Appending): Pick<StorageDriver, Method> {
  const { store, budget, partSize, removals, now } = parts
  const states = createStates(store, now)

  async function newest(key: string): Promise<State | undefined> {
    return removals.isEnding(folderOf(key)) ? undefined : states.newest(key)
  }

  /** The last state, if it has this size. What this process knows may be out of date: then none can follow it. */
  async function stateAt(key: string, size: number): Promise<State> {
    const known = states.known(key)
    if (known?.size === size) return known
    const state = await newest(key)
    if (state === undefined) throw new ObjectNotFound(key)
    if (state.size !== size) throw new OffsetConflict(key, state.size)
    return state
  }

  /** @throws ObjectNotFound, of the whole: it is gone with its piece */
  async function* readPiece(key: string, piece: string, range?: ByteRange): AsyncGenerator<Uint8Array> {
    try {
      yield* readObject(store, piece, range)
    } catch (error) {
      throw error instanceof ObjectNotFound ? gone(key, error) : error
    }
  }

  function gone(key: string, cause: unknown): ObjectNotFound {
    states.forget(key)
    return new ObjectNotFound(key, { cause })
  }

  async function follow(key: string, next: State): Promise<void> {
    try {
      await states.create(key, next)
    } catch (error) {
      states.forget(key)
      if (error instanceof ObjectNotFound) end(key)
      if (!(error instanceof ConditionFailed)) throw error
      const state = await newest(key)
      throw state === undefined ? new ObjectNotFound(key) : new OffsetConflict(key, state.size)
    }
  }

  /** The state behind this one, with what was poured. The rest of it is put as the new tail. */
  async function next(key: string, by: string, state: State, poured: Poured): Promise<State> {
    const { size, sent, rest } = poured
    const turn = state.turn + 1
    if (size === 0) return { ...state, turn, by }
    const name = `${by}-${sent}`
    if (rest.size > 0) await store.put(dataKey(key, name), rest.bytes)
    return {
      ...{ ...state, turn, by, size: state.size + size },
      runs: sent === 0 ? state.runs : [...state.runs, [by, sent]],
      tail: rest.size === 0 ? undefined : { name, size: rest.size }
    }
  }

  function end(key: string): void {
    states.forget(key)
    removals.removeLater(folderOf(key), firstStateOf(folderOf(key)))
  }

  return {
    async begin(key, mark = '') {
      await removals.ended(folderOf(checkKey(key)))
      const by = newWriter()
      const first = { turn: 0, size: 0, mark: checkMark(mark), part: partSize, runs: [], by }
      try {
        await states.create(key, first)
      } catch (error) {
        if (!(error instanceof ConditionFailed)) throw error
        throw new Error(`${key} is in the making already`, { cause: error })
      }
    },

    async append(key, offset, body, mark = () => '') {
      const state = await stateAt(checkKey(key), offset)
      const by = newWriter()
      const { tail } = state
      const poured = await pour(body, {
        budget,
        partSize: state.part,
        send: (index, bytes) => store.put(dataKey(key, `${by}-${index}`), bytes),
        aside: {
          put: (index, bytes) => store.put(dataKey(key, `${by}-aside-${index}`), bytes),
          get: (index) => readPiece(key, dataKey(key, `${by}-aside-${index}`))
        },
        ...(tail && { before: () => readPiece(key, dataKey(key, tail.name)) })
      })
      try {
        const following = await next(key, by, state, poured)
        await follow(key, { ...following, mark: checkMark(mark(following.size)) })
      } finally {
        poured.rest.free()
      }
      if (poured.broken !== undefined) throw poured.broken.error
      return offset + poured.size
    },

    async appended(key) {
      const state = await newest(checkKey(key))
      return state && { size: state.size, mark: state.mark }
    },

    async *readAppended(key, range) {
      const state = await newest(checkKey(key))
      if (state === undefined) throw new ObjectNotFound(key)
      const { start, end } = range ?? { start: 0, end: state.size }
      if (start < 0 || start > state.size) throw new RangeError(`${key} holds ${state.size} bytes`)
      let position = 0
      for (const piece of piecesOf(key, state)) {
        const from = Math.max(0, start - position)
        const to = Math.min(piece.size - 1, end - position)
        position += piece.size
        if (from <= to) yield* readPiece(key, piece.key, { start: from, end: to })
      }
    },

    async commit(key, size, to) {
      checkKey(to)
      const pieces = piecesOf(key, await stateAt(checkKey(key), size))
      try {
        await (pieces.length === 0 ? store.put(to, []) : store.assemble(to, pieces))
      } catch (error) {
        throw error instanceof ObjectNotFound ? gone(key, error) : error
      }
      end(key)
    },

    async abandon(key) {
      const folder = folderOf(checkKey(key))
      states.forget(key)
      await removals.ended(folder)
      await removals.remove(folder, firstStateOf(folder))
    }
  }
}
