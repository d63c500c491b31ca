import { createHash } from 'node:crypto'
import {
  Agent,
  type ClientRequest,
  request as httpRequest,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders
} from 'node:http'
import {
  Agent as SecureAgent,
  type AgentOptions as SecureOptions,
  request as secureRequest
} from 'node:https'
import type { Socket } from 'node:net'

export interface Reply {
  status: number
  headers: IncomingHttpHeaders
  body: Buffer
}

/** A reply whose body was hashed and counted while it came, and not kept. */
export interface Pulled {
  status: number
  headers: IncomingHttpHeaders
  size: number
  digest: string
}

export interface RequestOptions {
  headers?: OutgoingHttpHeaders
  /** Pieces of unstated total length travel in chunked coding unless a content-length is given. */
  body?: Uint8Array | AsyncIterable<Uint8Array>
}

/** The connection broke before the answer had come. */
export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost'
  /** This end of it; undefined when it never came about. */
  readonly localPort: number | undefined
  constructor(localPort: number | undefined, cause: unknown) {
    super((cause as Error).message, { cause })
    this.localPort = localPort
  }
}

/** Plain requests to one server over kept connections, with no retries and no timeouts of its own. */
export interface Client {
  request(method: string, path: string, options?: RequestOptions): Promise<Reply>
  /** GET, for bodies of any size. */
  pull(path: string, headers?: OutgoingHttpHeaders): Promise<Pulled>
  /** Ends all its connections; requests under way reject. Later ones get a new connection. */
  close(): void
}

export interface ClientOptions {
  /** Whether connections are used again; they are if not said. */
  keepAlive?: boolean
  /** With https: whom to trust. */
  tls?: SecureOptions
  /** Sent with every request. */
  headers?: () => OutgoingHttpHeaders
  /** Told of each connection once requests can go over it. */
  onConnect?: (socket: Socket) => void
}

/** @param url without a path; with https it speaks TLS */
export function createClient(url: string, options: ClientOptions = {}): Client {
  const { keepAlive = true, tls, headers: own, onConnect } = options
  const isSecure = url.startsWith('https:')
  const agent = isSecure ? new SecureAgent({ keepAlive, ...tls }) : new Agent({ keepAlive })
  const start = isSecure ? secureRequest : httpRequest

  async function send<T>(
    method: string,
    path: string,
    { headers, body }: RequestOptions,
    receive: (reply: AsyncIterable<Buffer>, status: number, headers: IncomingHttpHeaders) => Promise<T>
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const outgoing = start(url + path, { method, agent, headers: { ...own?.(), ...headers } })
      let answered = false
      let localPort: number | undefined
      const lost = (error: unknown): void => reject(new ConnectionLost(localPort, error))
      outgoing.once('socket', (socket) => {
        localPort = socket.localPort
        if (!socket.connecting) return
        socket.once('connect', () => {
          localPort = socket.localPort
        })
        socket.once(isSecure ? 'secureConnect' : 'connect', () => onConnect?.(socket))
      })
      outgoing.on('response', (reply) => {
        answered = true
        receive(reply, reply.statusCode ?? 0, reply.headers).then(resolve, lost)
      })
      // After an early answer the server may stop reading: what we fail to send is then no failure.
      outgoing.on('error', (error) => answered || lost(error))
      if (body === undefined || body instanceof Uint8Array) {
        outgoing.end(body)
      } else {
        writeAll(outgoing, body).catch((error) => {
          outgoing.destroy()
          if (!answered) reject(error)
        })
      }
    })
  }

  return {
    request: (method, path, options = {}) =>
      send(method, path, options, async (reply, status, headers) => {
        const chunks: Buffer[] = []
        for await (const chunk of reply) chunks.push(chunk)
        return { status, headers, body: Buffer.concat(chunks) }
      }),
    pull: (path, headers = {}) =>
      send('GET', path, { headers }, async (reply, status, headers) => {
        const hash = createHash('sha256')
        let size = 0
        for await (const chunk of reply) {
          hash.update(chunk)
          size += chunk.length
        }
        return { status, headers, size, digest: `sha256:${hash.digest('hex')}` }
      }),
    close: () => agent.destroy()
  }
}

async function writeAll(outgoing: ClientRequest, body: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const piece of body) {
    if (outgoing.destroyed) return
    if (outgoing.write(piece)) continue
    await new Promise<void>((resolve) => {
      const go = (): void => {
        outgoing.off('drain', go).off('close', go)
        resolve()
      }
      outgoing.on('drain', go).on('close', go)
    })
  }
  outgoing.end()
}

export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}
