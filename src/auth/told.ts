import { ApiForbidden, ApiUnavailable } from '../kubernetes/api-server.ts'
import { LineError } from '../kubernetes/line.ts'
import { RegistryError } from '../oci/error.ts'

/**
 * What the API server does not answer is neither allowed nor refused.
 * @param except what the caller has an answer to
 * @throws RegistryError API_UNAVAILABLE in place of ApiUnavailable and ApiForbidden
 */
export type Told = <T>(answer: Promise<T>, except?: typeof ApiForbidden) => Promise<T>

/** While it lasts, trouble is told of so often. */
const AGAIN_MS = 60_000

/** Tells the administrator when the API server stops answering, and when it answers again, not each time it is asked. */
export function createTold({
  logger,
  now = Date.now
}: {
  logger: { info(text: string): void; warn(text: string): void }
  now?: () => number
}): Told {
  let failures = 0
  let saidAt = Number.NEGATIVE_INFINITY

  function fails({ message }: Error): void {
    failures++
    if (now() - saidAt < AGAIN_MS) return
    logger.warn(failures === 1 ? message : `${message} (${failures} times since it last answered)`)
    saidAt = now()
  }

  function answers(): void {
    if (failures > 0) logger.info(`the API server answers again, after ${failures} calls that failed`)
    failures = 0
    saidAt = Number.NEGATIVE_INFINITY
  }

  return async (answer, except) => {
    try {
      const value = await answer
      answers()
      return value
    } catch (cause) {
      const isSilence =
        cause instanceof ApiUnavailable || cause instanceof ApiForbidden || cause instanceof LineError
      if (!isSilence || (except !== undefined && cause instanceof except)) throw cause
      fails(cause)
      throw new RegistryError('API_UNAVAILABLE', undefined, { cause })
    }
  }
}
