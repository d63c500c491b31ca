import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { constants, createServer, type ServerHttp2Session } from 'node:http2'
import { setTimeout as pause } from 'node:timers/promises'
import type { TLSSocket } from 'node:tls'
import type { FastifyInstance } from 'fastify'
import { answerUnknownMethod } from './errors.ts'

/** Requests at a time on one connection: no fewer than clients that take HTTP/2 for granted count on. */
const MAX_STREAMS = 100

/** What a client may send ahead of our reading: of one upload, and on its way for all of a connection. HTTP/2's own 64 KiB
 *  would be all that moves in each round trip. Node takes what has come for read, as far as the connection is concerned: so
 *  who sends uploads that wait for their turn can make it keep as much for each of them. */
const STREAM_WINDOW = 256 * 1024
const SESSION_WINDOW = 4 * 1024 * 1024

/** Between telling a client that no more requests are taken and taking none: those already on their way are answered. */
const NOTICE_MS = 500

/** So often it is looked for connections that have no session any more; one that is found has as long to end by itself. */
const SWEEP_MS = 2000

/** Who answers no ping for so long, on a connection where nothing moved before, has left. */
const SILENT_MS = 10_000

/** Every stream that a client could have: said when it is to open no more of them. RFC 9113 section 6.8. */
const LAST_STREAM = 2 ** 31 - 1

export interface Http2Options {
  /** A connection without requests is closed after so long. */
  idleMs: number
  maxHeaderBytes: number
}

/**
 * Lets a server of HTTPS speak HTTP/2 with those clients that choose it (ALPN `h2`). Connections of the others are
 * its own as before, with all that it knows of HTTP/1.1: Node's servers for both do not close or limit these alike.
 */
export function serveHttp2(app: FastifyInstance, { idleMs, maxHeaderBytes }: Http2Options): void {
  const { server } = app
  const sockets = new Map<ServerHttp2Session, TLSSocket>()
  let isClosing = false

  const http2 = createServer({
    settings: {
      maxConcurrentStreams: MAX_STREAMS,
      initialWindowSize: STREAM_WINDOW,
      maxHeaderListSize: maxHeaderBytes
    }
  })
  // They look like those of HTTP/1.1 to all that handles them.
  const handle = app.routing as unknown as RequestListener
  const methods = new Set<string | undefined>(app.supportedMethods)
  const route = (incoming: unknown, answer: unknown): void => {
    const request = incoming as IncomingMessage
    // Of HTTP/1.1 the parser takes no others; the router takes them for its own mistake.
    if (!methods.has(request.method)) {
      answerUnknownMethod(answer as ServerResponse)
      return
    }
    request.headers.host ??= request.headers[':authority'] as string | undefined
    handle(request, answer as ServerResponse & { req: IncomingMessage })
  }
  http2.on('request', route)
  http2.on('checkContinue', route)
  let accepted: TLSSocket
  http2.on('session', (session) => {
    const socket = accepted
    sockets.set(session, socket)
    socket.once('close', () => sockets.delete(session))
    session.setLocalWindowSize(SESSION_WINDOW)
    session.setTimeout(idleMs, () => {
      // Requests that wait are answered yet, if there is still somebody to read it.
      const silent = setTimeout(() => socket.destroy(), SILENT_MS).unref()
      session.ping(() => clearTimeout(silent))
      session.close()
    })
    if (isClosing) session.close()
  })

  // Where a client breaks the rules and leaves at once, Node may end the session and forget its connection.
  let forgotten: TLSSocket[] = []
  const sweeping = setInterval(() => {
    for (const socket of forgotten) socket.destroy()
    forgotten = [...sockets].filter(([{ destroyed }]) => destroyed).map(([, socket]) => socket)
  }, SWEEP_MS).unref()
  server.once('close', () => clearInterval(sweeping))

  const ofHttp1 = server.listeners('secureConnection') as ((socket: TLSSocket) => void)[]
  server.removeAllListeners('secureConnection')
  server.on('secureConnection', (socket: TLSSocket) => {
    if (socket.alpnProtocol === 'h2') {
      accepted = socket
      http2.emit('connection', socket)
    } else for (const listener of ofHttp1) listener.call(server, socket)
  })

  app.addHook('preClose', async () => {
    isClosing = true
    const open = [...sockets.keys()].filter((session) => !session.destroyed)
    for (const session of open) session.goaway(constants.NGHTTP2_NO_ERROR, LAST_STREAM)
    const allLeave = Promise.all(
      open.map((session) => new Promise((resolve) => session.once('close', resolve)))
    )
    await Promise.race([allLeave, pause(NOTICE_MS, undefined, { ref: false })])
    for (const session of sockets.keys()) session.close()
  })
  // It knows those of HTTP/1.1 only.
  const closeThem = server.closeAllConnections.bind(server)
  server.closeAllConnections = () => {
    closeThem()
    for (const [session, socket] of sockets) {
      if (session.destroyed) socket.destroy()
      else session.destroy()
    }
  }
}
