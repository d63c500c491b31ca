import {
  type ByteRange,
  checkKey,
  checkMark,
  ObjectNotFound,
  OffsetConflict,
  type StorageDriver
} from '../driver.ts'
import type { Budget } from './budget.ts'
import { type Poured, pour, readPieces } from './pouring.ts'
import { readObject } from './reading.ts'
import type { Removals } from './removals.ts'
import { createStates, dataKey, firstStateOf, folderOf, newWriter, partsOf, type State } from './states.ts'
import { ConditionFailed, type ObjectStore } from './store.ts'

/** A tail of more pieces is put together: each was an append of its own, and a commit reads them all. */
const TAIL_PIECES = 32

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

  /** The last state, if it has this size.
   *  @param known what this process knows of it. It may be out of date: then none can follow it */
  async function stateAt(key: string, size: number, known: State | undefined): Promise<State> {
    if (known?.size === size) return known
    const state = await newest(key)
    if (state === undefined) throw new ObjectNotFound(key)
    if (state.size !== size) throw new OffsetConflict(key, state.size)
    return state
  }

  /** @throws ObjectNotFound, of the whole: it is gone with its piece */
  async function* readPiece(key: string, name: string, range?: ByteRange): AsyncGenerator<Uint8Array> {
    try {
      yield* readObject(store, dataKey(key, name), range)
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

  /** The state behind this one, with what was poured. The rest of it is put. */
  async function next(key: string, by: string, state: State, poured: Poured): Promise<State> {
    const { size, sent, pieces, rest } = poured
    const last = { name: `${by}-${sent}`, size: rest.size }
    if (rest.size > 0) await store.put(dataKey(key, last.name), rest.bytes)
    return {
      ...{ ...state, turn: state.turn + 1, by, size: state.size + size },
      runs: sent === 0 ? state.runs : [...state.runs, [by, sent]],
      tail: rest.size === 0 ? pieces : [...pieces, last]
    }
  }

  /** What an object can be assembled of: a tail in several pieces is put together first. */
  async function assemble(key: string, state: State, to: string): Promise<void> {
    const at = (parts: readonly { name: string; size: number }[]) =>
      parts.map(({ name, size }) => ({ key: dataKey(key, name), size }))
    if (state.size === 0) return store.put(to, [])
    if (state.tail.length < 2) return store.assemble(to, at(partsOf(state)))
    const tail = budget.startPart(state.part)
    try {
      await readPieces(
        state.tail,
        (name) => readPiece(key, name),
        async (bytes) => tail.add(bytes)
      )
      tail.seal()
      if (state.runs.length === 0) return await store.put(to, tail.bytes)
      const joined = { name: `${newWriter()}-tail`, size: tail.size }
      await store.put(dataKey(key, joined.name), tail.bytes)
      await store.assemble(to, at(partsOf({ ...state, tail: [joined] })))
    } finally {
      tail.free()
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
      const first = { turn: 0, size: 0, mark: checkMark(mark), part: partSize, runs: [], tail: [], by }
      try {
        await states.create(key, first)
      } catch (error) {
        if (!(error instanceof ConditionFailed)) throw error
        throw new Error(`${key} is in the making already`, { cause: error })
      }
    },

    async append(key, offset, body, mark = () => '') {
      // Who knows no offset of its own is told it before its body is read, which it can send but once.
      const state = await stateAt(checkKey(key), offset, states.begun(key))
      const by = newWriter()
      const poured = await pour(body, {
        budget,
        partSize: state.part,
        send: (index, bytes) => store.put(dataKey(key, `${by}-${index}`), bytes),
        aside: {
          before: state.tail,
          most: TAIL_PIECES - 1,
          nameOf: (index) => `${by}-aside-${index}`,
          put: (name, bytes) => store.put(dataKey(key, name), bytes),
          get: (name) => readPiece(key, name)
        }
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
      for (const { name, size } of partsOf(state)) {
        const from = Math.max(0, start - position)
        const to = Math.min(size - 1, end - position)
        position += size
        if (from <= to) yield* readPiece(key, name, { start: from, end: to })
      }
    },

    async commit(key, size, to) {
      checkKey(to)
      const state = await stateAt(checkKey(key), size, states.known(key))
      try {
        await assemble(key, state, to)
      } catch (error) {
        throw error instanceof ObjectNotFound ? gone(key, error) : error
      }
      end(key)
    },

    async abandon(key, later = false) {
      if (later) return end(checkKey(key))
      const folder = folderOf(checkKey(key))
      states.forget(key)
      await removals.ended(folder)
      await removals.remove(folder, firstStateOf(folder))
    }
  }
}
