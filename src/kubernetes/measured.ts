import { ApiForbidden, type ApiServer } from './api-server.ts'

/** How a call ended: with an answer, with 403 for the registry's own account, or with nothing to rely on. */
export type Outcome = 'answered' | 'forbidden' | 'unavailable'

/** Told of each call when it has ended. */
export type OnCall = (
  call: 'TokenReview' | 'SelfSubjectReview' | 'SubjectAccessReview' | 'Namespace',
  outcome: Outcome,
  seconds: number
) => void

/** The same API server, every call to which is told of. */
export function measuredApiServer(api: ApiServer, onCall: OnCall): ApiServer {
  async function measured<T>(call: Parameters<OnCall>[0], answer: Promise<T>): Promise<T> {
    const since = performance.now()
    const tell = (outcome: Outcome): void => onCall(call, outcome, (performance.now() - since) / 1000)
    try {
      const value = await answer
      tell('answered')
      return value
    } catch (error) {
      tell(error instanceof ApiForbidden ? 'forbidden' : 'unavailable')
      throw error
    }
  }
  return {
    url: api.url,
    reviewToken: (...args) => measured('TokenReview', api.reviewToken(...args)),
    reviewSelf: (...args) => measured('SelfSubjectReview', api.reviewSelf(...args)),
    reviewAccess: (...args) => measured('SubjectAccessReview', api.reviewAccess(...args)),
    namespaceUid: (...args) => measured('Namespace', api.namespaceUid(...args)),
    close: api.close
  }
}
