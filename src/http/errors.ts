import type { ServerResponse } from 'node:http'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { RegistryError } from '../oci/error.ts'
import { ObjectNotFound, StorageFull, StorageUnavailable } from '../registry/registry.ts'
import { streamOf } from './protocol.ts'

/** What a handler may have said of content that is not sent after all. */
const CONTENT_HEADERS = ['accept-ranges', 'cache-control', 'content-length', 'docker-content-digest', 'etag']

/** Seconds after which a client may try again when the storage does not answer. */
const RETRY_AFTER = '5'

const refusals = new WeakMap<FastifyRequest, RegistryError>()

/** Why a request was refused, for the log. */
export function refusalOf(request: FastifyRequest): RegistryError | undefined {
  return refusals.get(request)
}

/** The one place where what was thrown becomes an answer. Distribution spec: "Error Codes". */
export function sendError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const refusal = toRegistryError(error)
  const { status } = refusal
  refusals.set(request, refusal)
  if (status === 500) request.log.error(error, 'a fault of berth: please report it')
  // What is refused on purpose was told of when it began, and who has left is not answered.
  else if (status > 500 && refusal !== error && !reply.raw.destroyed) {
    request.log.error(error, (error as Error).message)
  }
  if (status === 503 || (status === 429 && !reply.hasHeader('retry-after'))) {
    reply.header('retry-after', RETRY_AFTER)
  }
  for (const header of CONTENT_HEADERS) reply.removeHeader(header)
  if (status !== 416) reply.removeHeader('content-range')
  // A buffer, since fastify adds a charset to the content type of text.
  return reply
    .code(status)
    .type('application/json')
    .send(Buffer.from(JSON.stringify(refusal)))
}

function toRegistryError(error: unknown): RegistryError {
  if (error instanceof RegistryError) return error
  // A blob that was there a moment ago: a garbage collector or another process has taken it.
  if (error instanceof ObjectNotFound) return new RegistryError('BLOB_UNKNOWN', undefined, { cause: error })
  if (error instanceof StorageFull) return new RegistryError('STORAGE_FULL', undefined, { cause: error })
  if (error instanceof StorageUnavailable)
    return new RegistryError('UNAVAILABLE', undefined, { cause: error })
  const { statusCode = 500, code, message } = error as Partial<FastifyError>
  if (code === 'FST_ERR_BAD_URL') {
    return new RegistryError('REQUEST_INVALID', 'the path is not valid percent-encoding')
  }
  if (statusCode < 500) return new RegistryError('REQUEST_INVALID', message)
  return new RegistryError('UNKNOWN', undefined, { cause: error })
}

/** Answers a method that the router has never heard of, which only HTTP/2 lets through. */
export function answerUnknownMethod(answer: ServerResponse): void {
  const refusal = new RegistryError('METHOD_NOT_ALLOWED')
  answer.once('finish', () => streamOf(answer)?.close()) // whatever of a body is still to come
  answer.writeHead(refusal.status, { 'content-type': 'application/json' }).end(JSON.stringify(refusal))
}
