import type { Siblings } from '../registry/siblings.ts'
import type { Logger } from './logs.ts'
import { showSpace, showWritable } from './metrics/counts.ts'
import type { Recorder } from './metrics/recorder.ts'
import { keepReserve } from './reserve.ts'
import { watchWritable } from './writable.ts'
import { type WatchedWrites, watchWrites } from './writes.ts'

export interface GuardOptions {
  /** The part of the storage that new uploads leave free, 0 to 0.5. */
  reserve: number
  /** How often a storage that takes no writes is tried again. */
  intervalMs: number
  leads: boolean
  siblings: Siblings
  isReadOnly(): boolean
  /** Whether nothing may be written any more, by whomever. */
  isQuiet(): boolean
  logger: Logger
  recorder: Recorder | undefined
}

export interface Guarded extends WatchedWrites {
  /** For who begins an upload. @throws RegistryError STORAGE_RESERVED */
  requireSpace(): Promise<void>
  stop(): void
}

/** Watches over what is written: whether there is room for more, and whether the storage takes it at all. */
export function guardStorage(opened: WatchedWrites['storage'], options: GuardOptions): Guarded {
  const { recorder, reserve: part } = options
  const onSpace = recorder && showSpace(recorder)
  const reserve = keepReserve({ ...options, space: opened.space, part, onSpace })
  const onChange = recorder && showWritable(recorder)
  const watched = watchWrites(opened, { onFault: () => writable.onFault(), isClosed: options.isQuiet })
  const writable = watchWritable({ ...options, probe: watched.storage.probeWrite, onChange })
  return {
    ...watched,
    requireSpace: reserve.require,
    stop() {
      reserve.stop()
      writable.stop()
    }
  }
}
