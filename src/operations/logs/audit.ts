import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Logger } from '../logs.ts'
import { onceOver } from '../once-over.ts'
import { operationOf } from '../operation-names.ts'
import { type LogParts, requestFields, STOPPED, statusOf, userFields } from './requests.ts'

/** A request that is audited. */
interface Audited {
  operation: string
  address: string | undefined
  /** The answer has left, or the client has. */
  isOver: boolean
  /** What is done is done: it goes on when the client leaves. */
  isAnswered: boolean
  isWritten: boolean
  /** By berth, which stops. */
  isCut: boolean
  /** What begins here ends here, whatever becomes of the client. */
  forget?: () => void
}

const reads = ({ method }: FastifyRequest): boolean => method === 'GET' || method === 'HEAD'

/**
 * Writes two lines for what is done to a repository, whatever the log's level: when the caller is known and let in, and
 * when it is over. What was refused before has the second only. None is ever lost: while the log is not read, what would
 * be audited waits before anything is done, even before its caller is looked at.
 *
 * Called before whatever may refuse a request adds its hooks.
 */
export function auditRequests(app: FastifyInstance, logger: Logger, parts: LogParts): void {
  const audits = new WeakMap<FastifyRequest, Audited>()

  function write(request: FastifyRequest, audited: Audited, status: string, error?: string): void {
    logger.audit(audited.operation, {
      'openshift.logger': 'audit',
      'openshift.request.status': status,
      'openshift.request.error': error,
      ...userFields(parts.userOf?.(request)),
      ...requestFields(request, audited.address, parts.contentTypeOf(request))
    })
  }

  function end(request: FastifyRequest, reply: FastifyReply, audited: Audited): void {
    const isRead = reads(request)
    if (!audited.isOver || (!isRead && !audited.isAnswered) || audited.isWritten) return
    audited.isWritten = true
    const problem = problemOf(request, reply, audited, isRead)
    write(request, audited, problem === undefined ? 'success' : 'error', problem)
    audited.forget?.()
  }

  function problemOf(
    request: FastifyRequest,
    reply: FastifyReply,
    { isCut }: Audited,
    isRead: boolean
  ): string | undefined {
    const refusal = parts.refusalOf(request)
    if (isCut && (isRead || refusal?.status === 499)) return `${STOPPED.code}: ${STOPPED.message}`
    if (refusal !== undefined) return `${refusal.code}: ${refusal.message}`
    if (!isRead || reply.raw.writableFinished) return undefined
    return statusOf(reply.raw, false) === 499 ? 'the client left' : 'the answer broke off'
  }

  /** A push or a deletion goes on when its client leaves, and its second line comes even if berth cannot wait for it. */
  function beginWrite(request: FastifyRequest, audited: Audited): void {
    parts.open.begin()
    const takeBack = parts.open.onGivenUp(() => {
      if (audited.isWritten) return
      audited.isWritten = true
      write(request, audited, 'error', `${STOPPED.code}: ${STOPPED.message}; it may be done all the same`)
    })
    audited.forget = () => {
      takeBack()
      parts.open.end()
    }
  }

  app.addHook('onRequest', (request, reply, done) => {
    const operation = operationOf(request)
    if (operation === undefined) return done()
    const address = parts.addressOf(request)
    const leave = logger.whenReady(() => {
      const audited = { operation, address, isOver: false, isAnswered: false, isWritten: false, isCut: false }
      audits.set(request, audited)
      parts.open.begin()
      onceOver(request, reply, () => {
        audited.isOver = true
        audited.isCut = !reply.raw.writableFinished && parts.open.isCut()
        end(request, reply, audited)
        parts.open.end()
      })
      done()
    })
    // Nothing was done, so there is nothing to tell of.
    if (leave !== undefined) onceOver(request, reply, leave)
  })

  app.addHook('preHandler', (request, _reply, done) => {
    const audited = audits.get(request)
    if (audited !== undefined && !audited.isWritten) {
      write(request, audited, 'begin')
      if (!reads(request)) beginWrite(request, audited)
    }
    done()
  })

  app.addHook('onSend', (request, reply, payload, done) => {
    const audited = audits.get(request)
    if (audited !== undefined) {
      audited.isAnswered = true
      end(request, reply, audited)
    }
    done(null, payload)
  })
}
