import { type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { RegistryError } from '../oci/error.ts'

/** Where it is told that a connection came to nothing before there was a request. */
export interface ConnectionLog {
  warn(what: { err: string }, text: string): void
  debug(text: string): void
}

/** Of the parser, and of OpenSSL by way of Node. */
type ConnectionError = NodeJS.ErrnoException & { reason?: string; rawPacket?: unknown }

/** Node keeps these for itself. */
type Internal = Socket & {
  _httpMessage?: ServerResponse | null
  _parent?: Socket | null
  _rejectUnauthorized?: boolean
}

/** With this a client begins that speaks TLS. RFC 8446 section 5.1. */
const HANDSHAKE = 22

/** In the words of Go's servers, by which those who run them know it. */
const TO_HTTP = 'Client sent an HTTP request to an HTTPS server.\n'

export const NO_CERTIFICATE = 'it shows no client certificate (http.tls.clientauth)'
const TOO_OLD = 'it knows no version of TLS that is new enough (http.tls.minversion)'

const TLS_REASONS: Readonly<Record<string, string>> = {
  ERR_SSL_HTTP_REQUEST: 'it speaks plain HTTP, and this port HTTPS',
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: NO_CERTIFICATE,
  ERR_SSL_UNSUPPORTED_PROTOCOL: TOO_OLD,
  ERR_SSL_VERSION_TOO_LOW: TOO_OLD,
  ERR_SSL_NO_SHARED_CIPHER: 'it knows none of the cipher suites (http.tls.ciphersuites)'
}

/**
 * Answers what is not HTTP, or too much of it, before there is a request: the parser has given the connection up, or
 * TLS has. Node's own answer has no body that tells why.
 */
export function answerBadConnection(error: ConnectionError, socket: Socket, log?: ConnectionLog): void {
  const { code = '' } = error
  const { _httpMessage: current, _parent: plain } = socket as Internal
  const reason = isOfTls(error, socket) ? tlsReason(error, socket as TLSSocket) : httpReason(error)
  // Of a request there is a line of its own.
  if (!current) tellRefused(socket, reason, log)
  if (code === 'ERR_SSL_HTTP_REQUEST') {
    plain?.end(
      `HTTP/1.0 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: ${TO_HTTP.length}\r\n\r\n${TO_HTTP}`
    )
  }
  // An answer that is under way must not be mixed with this one.
  if (code === 'ECONNRESET' || !socket.writable || current?.headersSent) {
    socket.destroy()
    return
  }
  const status = code === 'HPE_HEADER_OVERFLOW' ? 431 : code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400
  const detail = status === 431 ? 'the headers are longer than 64 KiB' : 'not a valid HTTP request'
  const body = JSON.stringify(new RegistryError('REQUEST_INVALID', detail))
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nconnection: close\r\n` +
      `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  )
}

/** @param reason undefined: as happens with every probe that only connects */
export function tellRefused(
  socket: Socket,
  reason: string | undefined,
  log: ConnectionLog | undefined
): void {
  const address = socket.remoteAddress ?? (socket as Internal)._parent?.remoteAddress
  const from = `a connection${address === undefined ? '' : ` from ${address}`}`
  if (reason === undefined) {
    log?.debug(`${from} ended before there was a request`)
    return
  }
  const text = `${from} was refused: ${reason}`
  // As an error, of which those that differ in a number only are counted together.
  log?.warn({ err: text }, text)
}

const isOfTls = ({ code = '' }: ConnectionError, socket: Socket): boolean =>
  code.startsWith('ERR_SSL_') || isTurnedAway(socket)

/** Node ends such a connection without a word of why. */
const isTurnedAway = (socket: Socket): boolean =>
  (socket as Internal)._rejectUnauthorized === true && (socket as TLSSocket).authorizationError != null

function tlsReason({ code = '', reason = code }: ConnectionError, socket: TLSSocket): string {
  if (TLS_REASONS[code] !== undefined) return TLS_REASONS[code]
  if (isTurnedAway(socket)) return certificateReason(socket)
  return `TLS failed: ${reason}${code.includes('ALERT') ? ', says the client' : ''}`
}

/** Of a client certificate that does not do. */
export const certificateReason = ({ authorizationError }: TLSSocket): string =>
  `none of http.tls.clientcas vouches for its certificate (${authorizationError})`

function httpReason({ code, reason, rawPacket }: ConnectionError): string | undefined {
  if (code === 'ECONNRESET' || code === 'ERR_HTTP_REQUEST_TIMEOUT') return undefined
  if (code === 'HPE_HEADER_OVERFLOW') return 'its headers are longer than 64 KiB'
  if ((rawPacket as Buffer | undefined)?.[0] === HANDSHAKE) return 'it speaks TLS, and this port plain HTTP'
  return `it sent no valid HTTP request${reason === undefined ? '' : ` (${reason})`}`
}
