import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Test } from 'tap'

/**
 * Certificates good for a hundred years, made once with openssl: `server` (localhost, 127.0.0.1, ::1) and `client`
 * (admin) signed by `ca`, `other-server` by `other-ca`. The authorities' keys are gone.
 */
export function pem(name: string): string {
  return readFileSync(pemPath(name), 'utf8')
}

export function pemPath(name: string): string {
  return new URL(`tls/${name}`, import.meta.url).pathname
}

/** A request that the server took in. */
export interface Seen<Kind> {
  kind: Kind | undefined
  method: string
  path: string
  headers: IncomingHttpHeaders
  // biome-ignore lint/suspicious/noExplicitAny: a test reaches into it
  body: any
  /** Common name of the client certificate that was shown. */
  certificate: string | undefined
}

/** What goes wrong, instead of an answer. The oldest fault that matches is taken. */
export interface Fault<Kind> {
  /** All kinds unless said. */
  on?: Kind
  /** How often, for ever unless said. */
  times?: number
  /** 500 unless said. */
  status?: number
  headers?: Record<string, string>
  /** Sent as it is. A Status with the status code unless said. */
  body?: string | Buffer
  /** Takes the request in and says nothing; `half`: sends half an answer first. */
  hang?: true | 'half'
  /** Closes the connection instead of answering. */
  cut?: true
  /** Answers as if nothing were wrong, but not before this is settled. */
  until?: Promise<unknown>
}

/** A server of JSON over TLS, which fails when told to. */
export interface FaultyServer<Kind> {
  /** With 127.0.0.1, or the host given. */
  readonly url: string
  /** All that came since the start, in order. */
  readonly requests: Seen<Kind>[]
  /** How many were under way at once, at most. */
  mostAtOnce(): number
  /** How many connections were made since the start. */
  connections(): number
  /** @returns ends it */
  fault(fault: Fault<Kind>): () => void
  stop(): Promise<void>
  /** On the same port. */
  start(): Promise<void>
  /** From the next connection on: `server` or `other-server`. */
  useCertificate(name: string): void
}

export interface FaultyServerParts<Kind> {
  host: string
  kindOf(path: string): Kind | undefined
  /** @returns status code and body */
  respond(seen: Seen<Kind>): [number, object]
}

/** What the API server answers in place of an object: Kubernetes API "Status". */
export function failure(code: number, reason: string, message: string, details = {}): [number, object] {
  return [code, { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message, details }]
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
  return chunks.length === 0 ? undefined : JSON.parse(Buffer.concat(chunks).toString())
}

function certificateOf(socket: TLSSocket): string | undefined {
  return socket.authorized ? String(socket.getPeerCertificate().subject.CN) : undefined
}

const tls = (name: string) => ({ cert: pem(`${name}.crt`), key: pem(`${name}.key`), ca: pem('ca.crt') })

/** It ends with the test. */
export async function faultyServer<Kind>(
  t: Test,
  { host, kindOf, respond }: FaultyServerParts<Kind>
): Promise<FaultyServer<Kind>> {
  const faults = new Set<Fault<Kind>>()
  const requests: Seen<Kind>[] = []
  let running = 0
  let mostAtOnce = 0

  function takeFault(kind: Kind | undefined): Fault<Kind> | undefined {
    for (const fault of faults) {
      if (fault.on !== undefined && fault.on !== kind) continue
      if (fault.times !== undefined && --fault.times <= 0) faults.delete(fault)
      return fault
    }
    return undefined
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? ''
    const kind = kindOf(path)
    const socket = request.socket as TLSSocket
    const seen: Seen<Kind> = {
      kind,
      method: request.method ?? '',
      path,
      headers: request.headers,
      body: await bodyOf(request),
      certificate: certificateOf(socket)
    }
    requests.push(seen)
    const fault = takeFault(kind)
    if (fault?.cut) {
      socket.destroy()
      return
    }
    if (fault?.hang) {
      if (fault.hang === 'half') response.writeHead(201).write('{"status":')
      return
    }
    await fault?.until
    const isWell = fault === undefined || fault.until !== undefined
    const [code, body] = isWell ? respond(seen) : failure(fault.status ?? 500, 'Broken', 'told to be broken')
    response.writeHead(code, { 'content-type': 'application/json', ...fault?.headers })
    response.end(fault?.body ?? JSON.stringify(body))
  }

  const server = createServer(
    { ...tls('server'), requestCert: true, rejectUnauthorized: false },
    (request, response) => {
      mostAtOnce = Math.max(mostAtOnce, ++running)
      response.on('close', () => running--)
      answer(request, response).catch((error) => response.destroy(error))
    }
  )
  let connections = 0
  server.on('secureConnection', () => connections++)
  const listen = async (port: number): Promise<void> => {
    server.listen(port, host)
    await once(server, 'listening')
  }
  const stop = async (): Promise<void> => {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    server.closeAllConnections()
    await closed
  }
  await listen(0)
  t.teardown(stop)
  const { port } = server.address() as AddressInfo

  return {
    url: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    requests,
    mostAtOnce: () => mostAtOnce,
    connections: () => connections,
    fault(fault) {
      const own = { ...fault }
      faults.add(own)
      return () => void faults.delete(own)
    },
    stop,
    start: () => listen(port),
    useCertificate: (name) => server.setSecureContext(tls(name))
  }
}
