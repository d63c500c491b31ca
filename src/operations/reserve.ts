import { RegistryError } from '../oci/error.ts'
import type { Siblings } from '../registry/siblings.ts'
import { withPatience } from './patience.ts'

/** In bytes. */
interface Space {
  free: number
  size: number
}

export interface ReserveOptions {
  /** How much room the storage has; undefined where nothing limits it. */
  space(): Promise<Space | undefined>
  /** The part of it that new uploads leave free, 0 to 0.5. */
  part: number
  /** Whether this process is the one of its pod that looks all the time, and tells. */
  leads: boolean
  siblings: Siblings
  /** While it is nothing new can come anyway, and nobody need be told. */
  isReadOnly(): boolean
  logger: { info(text: string): void; warn(text: string): void }
  /** Told by the process that leads, every so often. Without it nobody wants to know. */
  onSpace?: ((space: Space) => void) | undefined
  /** Milliseconds. */
  now?: () => number
}

export interface Reserve {
  /** For who begins an upload. @throws RegistryError STORAGE_RESERVED while less is free than is to be left */
  require(): Promise<void>
  stop(): void
}

/** What was seen counts for so long: a push of many small blobs asks once. */
const FRESH_MS = 1000
const EVERY_MS = 10_000

/** An upload must not hang because a look does. */
const LOOK_MS = 1000

/** It ends when so much more is free than must be: uploads that come and go must not make it begin again and again. */
const ENOUGH = 1.1

const ASKED = 'how many uploads were refused for want of space'
/** For siblings. */
const PATIENCE_MS = 1000

const SETTING = 'storage.filesystem.reserve (REGISTRY_STORAGE_FILESYSTEM_RESERVE)'

/**
 * Leaves the last part of the storage to what is under way, to manifests and to deletions, which write as well: a disk
 * that is full to the last byte lets nothing end. What cannot be looked at is no reason to refuse.
 */
export function keepReserve(options: ReserveOptions): Reserve {
  const { space, part, leads, siblings, isReadOnly, logger, onSpace, now = () => performance.now() } = options
  const ask = withPatience(space, LOOK_MS)
  let isShort = false
  let isTold = false
  let refused = 0
  let lookedAt = Number.NEGATIVE_INFINITY
  let looking: Promise<void> | undefined

  async function look(): Promise<void> {
    lookedAt = now()
    const found = await ask().catch(() => undefined)
    const wanted = found === undefined ? 0 : found.size * part * (isShort ? ENOUGH : 1)
    isShort = found !== undefined && found.free < wanted
    if (!leads || found === undefined) return
    onSpace?.(found)
    if (isShort === isTold || isReadOnly()) return
    isTold = isShort
    if (isShort) tellOfLack(found)
    else tellOfSpace(found)
  }

  function tellOfLack({ free, size }: Space): void {
    logger.warn(
      `of the storage's ${amount(size)} only ${amount(free)} are free, less than ${Number((part * 100).toFixed(3))} %: ` +
        `new uploads get 507 until ${amount(size * part * ENOUGH)} are; all else goes on. Free some space or enlarge ` +
        `the volume; ${SETTING} says how much is to be left`
    )
  }

  async function tellOfSpace({ free }: Space): Promise<void> {
    const others = await siblings.ask(ASKED, '', PATIENCE_MS)
    const all = others.reduce((sum, count) => sum + Number(count), takeRefused())
    logger.info(
      `${amount(free)} of the storage are free: new uploads are taken again; ${all} ${all === 1 ? 'was' : 'were'} refused`
    )
  }

  function takeRefused(): number {
    const count = refused
    refused = 0
    return count
  }

  /** Who comes meanwhile waits for the same look. */
  function lookOnce(): Promise<void> {
    looking ??= look().finally(() => {
      looking = undefined
    })
    return looking
  }

  let timer: NodeJS.Timeout | undefined
  if (!leads) siblings.onQuestion(ASKED, () => String(takeRefused()))
  else if (part > 0 || onSpace !== undefined) {
    timer = setInterval(lookOnce, EVERY_MS).unref()
    lookOnce()
  }

  return {
    async require() {
      if (part === 0) return
      if (looking !== undefined || now() - lookedAt >= FRESH_MS) await lookOnce()
      if (!isShort) return
      refused++
      throw new RegistryError('STORAGE_RESERVED')
    },

    stop: () => clearInterval(timer)
  }
}

const UNITS = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB']

function amount(bytes: number): string {
  const power = Math.max(0, Math.min(UNITS.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10) - 1))
  return `${(bytes / 1024 ** (power + 1)).toFixed(1)} ${UNITS[power]}`
}
