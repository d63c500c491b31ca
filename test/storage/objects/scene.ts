import { StorageUnavailable } from '../../../storage/driver.ts'
import { type ObjectStorage, objectStorage } from '../../../storage/objects/object-storage.ts'
import { pieces } from '../bodies.ts'
import { MIB } from './driver-contract.ts'
import { type Call, type MemoryStore, memoryStore, type Verdict } from './memory-store.ts'

export const PART = MIB
export const DOWN = new StorageUnavailable('the store is down')

/** A driver over a store whose calls can be made to fail. */
export interface Scene {
  storage: ObjectStorage
  store: MemoryStore
  warnings: string[]
  /** What is to become of the calls that follow; of all without an argument. */
  judge(by?: (call: Call) => Verdict): void
  another(): ObjectStorage
}

export function scene(hasParts = true): Scene {
  let judging: ((call: Call) => Verdict) | undefined
  const store = memoryStore({ hasParts, judge: (call) => judging?.(call) })
  const warnings: string[] = []
  const log = { warn: (text: string) => warnings.push(text) }
  const open = (mine: MemoryStore) => objectStorage(mine, { chunkSize: PART, memory: 8 * MIB, log })
  return {
    ...{ store, warnings, storage: open(store) },
    judge: (by) => {
      judging = by
    },
    another: () => open(store.sharing())
  }
}

export const isState = ({ operation, key }: Call): boolean => operation === 'put' && key.includes('/s/')
export const isData = ({ operation, key }: Call): boolean => operation === 'put' && key.includes('/d/')

export async function* slowly(whole: Buffer): AsyncGenerator<Uint8Array> {
  yield* pieces(whole, 65_536)
}
