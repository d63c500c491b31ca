import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Logger } from '../logs.ts'
import { onceOver } from '../once-over.ts'
import { type LogParts, refusalFields, requestFields, STOPPED, statusOf } from './requests.ts'

/** Asked every few seconds, and of no interest while the answer is as it should be. */
const PROBES = new Set(['/', '/healthz', '/livez', '/readyz', '/extensions/v2/metrics'])

/** Writes one line for a request, when its answer has left or its client has. */
export function logRequest(
  logger: Logger,
  request: FastifyRequest,
  reply: FastifyReply,
  parts: LogParts
): void {
  const since = performance.now()
  const address = parts.addressOf(request)
  const { headers } = request
  const { socket } = request.raw
  const hasBody = headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined
  // With HTTP/2 the connection brings other requests too, and may not be asked when it is gone.
  const isAlone = request.raw.httpVersionMajor === 1
  const readBefore = hasBody && isAlone ? socket.bytesRead : 0

  parts.open.begin()
  onceOver(request, reply, () => {
    tell()
    parts.open.end()
  })

  function tell(): void {
    const { raw } = reply
    const isWhole = raw.writableEnded && raw.writableFinished
    const isCut = !isWhole && parts.open.isCut()
    const status = statusOf(raw, isCut)
    const isProbe = status < 400 && PROBES.has(request.originalUrl)
    const level = isProbe ? 'debug' : 'info'
    if (!logger.isWritten(level)) return
    const refusal = isCut ? STOPPED : parts.refusalOf(request)
    logger.access(level, 'response', {
      ...requestFields(request, address, parts.contentTypeOf(request)),
      'http.request.received': hasBody
        ? receivedOf(request, isAlone ? socket.bytesRead - readBefore : undefined)
        : undefined,
      'http.response.status': status,
      'http.response.written': raw.writableFinished ? lengthOf(request, reply) : parts.sentOf(reply),
      'http.response.duration': `${(performance.now() - since).toFixed(3)}ms`,
      'http.response.contenttype': reply.getHeader('content-type') as string | undefined,
      // The head has left, but not all that follows it.
      'http.response.aborted': isWhole ? undefined : true,
      'openshift.auth.user': parts.userOf?.(request)?.username,
      ...(refusal !== undefined && refusalFields(refusal))
    })
  }
}

/** Bytes of the body. @param brought by the connection after the head, which counts where the body broke off */
function receivedOf({ headers, raw }: FastifyRequest, brought: number | undefined): number | undefined {
  const { 'content-length': stated } = headers
  if (brought === undefined) return raw.readableEnded && stated !== undefined ? Number(stated) : undefined
  return stated === undefined ? brought : raw.complete ? Number(stated) : Math.min(brought, Number(stated))
}

function lengthOf({ method }: FastifyRequest, reply: FastifyReply): number {
  return method === 'HEAD' ? 0 : Number(reply.getHeader('content-length') ?? 0)
}
