import type { StorageUnavailable } from '../../storage/driver.ts'
import type { Siblings } from '../registry/siblings.ts'
import { withPatience } from './patience.ts'

export interface StorageHealth {
  /** What is wrong with the storage, in words for an administrator; undefined while it answers. */
  trouble(): string | undefined
  stop(): void
}

export interface StorageHealthOptions {
  /** Reads something from the storage. */
  probe(): Promise<unknown>
  /** How often it is read from, and how long an answer may take. */
  intervalMs: number
  /** So many failures in a row make it unhealthy; one success makes it healthy again. */
  threshold: number
  /** Whether this process is the one of its pod that probes. */
  leads: boolean
  siblings: Siblings
  logger: { info(text: string): void; error(text: string): void }
}

/** What the leading process tells of the storage, and is asked by those that start later. */
const TOLD = 'what is wrong with the storage'
const ASKED = 'is anything wrong with the storage'

/** For siblings: it is no matter of seconds. */
const PATIENCE_MS = 1000

/**
 * Knows whether the storage answers, by one read for all processes of a pod every so often. It is healthy until it has
 * failed `threshold` times: a slow start of a volume must not keep a pod from starting.
 */
export function watchStorage(options: StorageHealthOptions): StorageHealth {
  const { probe, intervalMs, threshold, leads, siblings, logger } = options
  let trouble = ''
  let failures = 0
  let isKnown = false
  const ask = withPatience(probe, intervalMs)

  async function look(): Promise<void> {
    const error = await ask().then(
      () => undefined,
      (error: Error & Pick<Partial<StorageUnavailable>, 'isGone'>) => error
    )
    failures = error === undefined ? 0 : failures + 1
    if (error !== undefined && failures < threshold && !error.isGone) return
    const problem = error?.message
    const before = trouble
    trouble = problem ?? ''
    if ((before === '') === (trouble === '') && isKnown) return
    isKnown = true
    if (trouble !== '') {
      logger.error(`the storage does not answer, so requests and /readyz get 503 until it does: ${trouble}`)
    } else if (before !== '') {
      logger.info('the storage answers again')
    }
    await siblings.ask(TOLD, trouble, PATIENCE_MS)
  }

  let timer: NodeJS.Timeout | undefined
  if (leads) {
    siblings.onQuestion(ASKED, () => trouble)
    const again = async (): Promise<void> => {
      await look()
      timer = setTimeout(again, intervalMs).unref()
    }
    timer = setTimeout(again, intervalMs).unref()
  } else {
    siblings.onQuestion(TOLD, (text) => {
      trouble = text
      return 'heard'
    })
    siblings.ask(ASKED, '', PATIENCE_MS).then(([text = '']) => {
      trouble = text
    })
  }

  return {
    trouble: () => (trouble === '' ? undefined : trouble),
    stop: () => clearTimeout(timer)
  }
}
