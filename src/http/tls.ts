import type { SecureContextOptions, Server, TLSSocket, TlsOptions } from 'node:tls'
import type { FastifyInstance } from 'fastify'
import { type ConnectionLog, certificateReason, NO_CERTIFICATE, tellRefused } from './bad-connections.ts'
import type { Http2Options } from './http2.ts'

/** What is asked of clients' certificates, in distribution's words. */
export type ClientAuth =
  | 'request-client-cert'
  | 'require-any-client-cert'
  | 'verify-client-cert-if-given'
  | 'require-and-verify-client-cert'

export interface Tls extends SecureContextOptions {
  /** Undefined: clients are asked for no certificates. */
  clientauth?: ClientAuth | undefined
  /** Whether HTTP/2 is offered beside HTTP/1.1. */
  http2?: boolean | undefined
}

/** What node:tls takes for it. */
export function tlsOptions({ clientauth, http2, ...context }: Tls): TlsOptions {
  return {
    ...context,
    ...(http2 && { ALPNProtocols: ['h2', 'http/1.1'] }),
    ...(clientauth !== undefined && {
      requestCert: true,
      rejectUnauthorized: clientauth === 'require-and-verify-client-cert'
    })
  }
}

/** Prepares a server of HTTPS for what node:https does not do by itself. */
export async function prepareTls(
  app: FastifyInstance,
  { clientauth, http2 }: Tls,
  options: Http2Options & { log?: ConnectionLog | undefined }
): Promise<void> {
  if (http2) {
    const { serveHttp2 } = await import('./http2.ts')
    serveHttp2(app, options)
  }
  if (clientauth === 'require-and-verify-client-cert') {
    // Whom Node turns away is gone when that is told of: a socket remembers an address that was asked for.
    app.server.on('connection', (socket) => Reflect.get(socket, 'remoteAddress'))
  }
  if (clientauth === 'require-any-client-cert' || clientauth === 'verify-client-cert-if-given') {
    const server = app.server as unknown as Server
    server.prependListener('secureConnection', (socket) => {
      if (isLetIn(socket, clientauth)) return
      const isGiven = Object.keys(socket.getPeerCertificate()).length > 0
      tellRefused(socket, isGiven ? certificateReason(socket) : NO_CERTIFICATE, options.log)
      socket.destroy()
    })
  }
}

function isLetIn(socket: TLSSocket, mode: ClientAuth): boolean {
  const isGiven = Object.keys(socket.getPeerCertificate()).length > 0
  return mode === 'require-any-client-cert' ? isGiven : !isGiven || socket.authorized
}
