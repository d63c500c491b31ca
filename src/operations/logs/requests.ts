import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Fields } from './format.ts'
import type { OpenRequests } from './open-requests.ts'

/** What fastify's logger of a request calls its id, and all lines do. */
export const REQUEST_ID = 'http.request.id'

/** One that a line takes as it is. */
const SOUND_ID = /^[\w.-]{1,128}$/

/** By which a request is found again in the log: its client's, or its proxy's, if that one is sound. */
export function requestIdOf({ headers }: Pick<IncomingMessage, 'headers'>): string {
  const given = headers['x-request-id']
  return typeof given === 'string' && SOUND_ID.test(given) ? given : randomUUID()
}

/** What the log needs to know of a refusal. */
export interface Refusal {
  status?: number
  code: string
  message: string
  details: readonly string[]
  /** What its client was told; `inItsOwnWords`: the details in place of the message. */
  entry: { message: string; inItsOwnWords?: true }
}

export interface Person {
  username: string
  uid: string
}

/** What is known of a request elsewhere. */
export interface LogParts {
  /** Why it was refused, if it was. */
  refusalOf(request: FastifyRequest): Refusal | undefined
  /** Where it came from, whatever proxies stand between; undefined for a connection that is gone. */
  addressOf(request: FastifyRequest): string | undefined
  /** Of what type its body is said to be. */
  contentTypeOf(request: FastifyRequest): string | undefined
  /** How much of a body has left that is sent piece by piece. */
  sentOf(reply: FastifyReply): number | undefined
  /** Those whose last line is still to come. */
  open: OpenRequests
  /** Who sent it; undefined where that is not known. Absent where nobody need log in. */
  userOf?: ((request: FastifyRequest) => Person | undefined) | undefined
}

/**
 * What a line says of a request, without query, credentials and fragment: they may hold secrets.
 * @param address where it came from, as it was when it came
 */
export function requestFields(
  request: FastifyRequest,
  address: string | undefined,
  contentType: string | undefined
): Fields {
  const { host, referer, 'user-agent': agent } = request.headers
  return {
    'http.request.method': request.method,
    'http.request.uri': pathOf(request.originalUrl),
    'http.request.host': host?.slice(host.lastIndexOf('@') + 1),
    'http.request.remoteaddr': address,
    [REQUEST_ID]: request.id,
    'http.request.contenttype': contentType,
    'http.request.referer': referer === undefined ? undefined : withoutSecrets(referer),
    'http.request.useragent': agent
  }
}

/** @param refusal why the request was refused */
export function refusalFields({ code, details, entry: { message, inItsOwnWords } }: Refusal): Fields {
  const detail = details.length === 0 ? undefined : details.slice(0, 3).join(', ')
  if (detail !== undefined && inItsOwnWords) return { 'err.code': code, 'err.message': detail }
  return { 'err.code': code, 'err.message': message, 'err.detail': detail }
}

export const userFields = (person: Person | undefined): Fields =>
  person === undefined
    ? {}
    : { 'openshift.auth.user': person.username, 'openshift.auth.userid': person.uid || undefined }

const CUT = 'berth stopped before the request was over'

/** What a request's line and its audit's say when it was berth that ended it, not its client. */
export const STOPPED: Refusal = {
  code: 'UNAVAILABLE',
  message: CUT,
  details: [],
  entry: { message: CUT }
}

/** 499: the client left before the answer; 503: berth stopped before it. */
export const statusOf = (raw: ServerResponse, isCut: boolean): number =>
  raw.headersSent ? raw.statusCode : isCut ? 503 : 499

const ABSOLUTE = /^[a-z][a-z\d+.-]*:\/\/[^/?#]*/i

function pathOf(url: string): string {
  const path = url.startsWith('/') && url[1] !== '/' ? url : url.replace(ABSOLUTE, '')
  return withoutSecrets(path)
}

function withoutSecrets(url: string): string {
  const end = url.search(/[?#]/)
  const rest = end === -1 ? url : url.slice(0, end)
  return rest.includes('@') ? rest.replace(/\/\/[^/]*@/, '//') : rest
}
