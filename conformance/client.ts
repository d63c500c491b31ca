import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage
} from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'

type Headers = Record<string, string>

export interface RequestOptions {
  headers?: Headers
  body?: Uint8Array
  /** The body travels in chunked coding, without a Content-Length. */
  chunked?: boolean
  /** The header promises so many bytes of which none is sent: what is answered before any body? */
  promised?: number
  /** Whether a redirect is followed; it is unless said otherwise. */
  follow?: boolean
}

export interface Answer {
  /** The request in one line, for messages. */
  sent: string
  /** Where the answer came from, after redirects. */
  url: URL
  status: number
  headers: IncomingHttpHeaders
  body: Buffer
}

export type Send = (method: string, url: URL, options?: RequestOptions) => Promise<Answer>

/** A request that no whole answer came to; its cause is the error of the connection. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer'
  readonly url: URL
  /**
   * `unreachable`: there was not even a connection. `silent`: nothing came before it closed, or not all in time.
   * `cut`: the answer began, and did not end as it should, or is no HTTP.
   */
  readonly kind: 'unreachable' | 'silent' | 'cut'

  constructor(message: string, url: URL, kind: NoAnswer['kind'], options?: ErrorOptions) {
    super(message, options)
    this.url = url
    this.kind = kind
  }
}

export interface ClientOptions {
  /** From the start of a request to the end of its answer. */
  timeoutMs: number
  /** Certificates (PEM) of those who may have signed the registry's; Node's own if not said. */
  ca?: string
  /** Believe any certificate. */
  insecure?: boolean
}

export interface Client {
  /** @throws NoAnswer */
  send: Send
  close(): void
}

const MAX_REDIRECTS = 5

/** Three times the longest manifest that a case sends. What is longer is no answer to any request of the suite. */
const MAX_BODY = 32 * 1024 * 1024

/** Plain requests over kept connections. It follows redirects, and leaves credentials behind on the way to another host. */
export function createClient({ timeoutMs, ca, insecure = false }: ClientOptions): Client {
  const agents = {
    'http:': new HttpAgent({ keepAlive: true }),
    'https:': new HttpsAgent({ keepAlive: true, rejectUnauthorized: !insecure, ...(ca && { ca }) })
  }

  function start(method: string, url: URL, headers: Headers, signal: AbortSignal): ClientRequest {
    if (url.protocol === 'https:')
      return httpsRequest(url, { method, headers, signal, agent: agents['https:'] })
    return httpRequest(url, { method, headers, signal, agent: agents['http:'] })
  }

  function once(method: string, url: URL, options: RequestOptions): Promise<Answer> {
    const sent = inOneLine(method, url, options)
    const headers = { ...options.headers, ...framing(method, options) }
    const signal = AbortSignal.timeout(timeoutMs)
    return new Promise((resolve, reject) => {
      const request = start(method, url, headers, signal)
      let connected = false
      request.on('socket', (socket) => {
        connected = !socket.connecting
        if (connected) return
        socket.once(url.protocol === 'https:' ? 'secureConnect' : 'connect', () => {
          connected = true
        })
      })
      request.on('error', (error: NodeJS.ErrnoException) => {
        if (request.reusedSocket && error.code === 'ECONNRESET') {
          resolve(once(method, url, options)) // an idle connection that the registry had closed
          return
        }
        const why = signal.aborted ? `no answer within ${timeoutMs} ms` : error.message || error.code
        const isNoHttp = error.code?.startsWith('HPE_') // of the parser
        const kind = isNoHttp ? 'cut' : connected ? 'silent' : 'unreachable'
        reject(new NoAnswer(`${sent}: ${why}`, url, kind, { cause: error }))
      })
      request.on('response', (response) => {
        gather(response).then(
          (body) => {
            if (options.promised !== undefined) request.destroy()
            resolve({ sent, url, status: response.statusCode ?? 0, headers: response.headers, body })
          },
          (error: Error) => {
            const isLate = signal.aborted
            const why = isLate
              ? `not all of the answer came within ${timeoutMs} ms`
              : brokenOff(response, error)
            reject(new NoAnswer(`${sent}: ${why}`, url, isLate ? 'silent' : 'cut', { cause: error }))
          }
        )
      })
      if (options.promised !== undefined) request.flushHeaders()
      else request.end(options.body)
    })
  }

  async function send(method: string, url: URL, options: RequestOptions = {}): Promise<Answer> {
    let answer = await once(method, url, options)
    for (let hops = 0; hops < MAX_REDIRECTS; hops += 1) {
      const target = options.follow === false ? undefined : redirectOf(method, answer)
      if (target === undefined) return answer
      const { authorization, ...others } = options.headers ?? {}
      const isSameHost = target.origin === url.origin && authorization !== undefined
      answer = await once(method, target, {
        ...options,
        headers: isSameHost ? { ...others, authorization } : others
      })
    }
    return answer
  }

  return {
    send,
    close() {
      for (const agent of Object.values(agents)) agent.destroy()
    }
  }
}

/** How long the body is, said by whoever sends one, and by methods of which registries expect one. */
function framing(method: string, { body, chunked, promised }: RequestOptions): Headers {
  if (chunked) return { 'transfer-encoding': 'chunked' }
  if (promised !== undefined) return { 'content-length': String(promised) }
  if (body === undefined && (method === 'GET' || method === 'HEAD')) return {}
  return { 'content-length': String(body?.length ?? 0) }
}

/** @throws RangeError when it is longer than any that the suite waits for */
async function gather(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of response) {
    chunks.push(chunk)
    length += chunk.length
    if (length > MAX_BODY) throw new RangeError(`over ${MAX_BODY} bytes`)
  }
  return Buffer.concat(chunks)
}

function brokenOff({ statusCode, headers }: IncomingMessage, error: Error): string {
  if (error instanceof RangeError) return `${statusCode} with a body without end (${error.message})`
  const length = headers['content-length']
  const promised = length === undefined ? '' : `, of ${length} bytes,`
  return `the answer${promised} broke off (${statusCode}, ${error.message})`
}

function redirectOf(method: string, { status, headers, url }: Answer): URL | undefined {
  const isFollowed =
    [307, 308].includes(status) || ([301, 302, 303].includes(status) && /^(GET|HEAD)$/.test(method))
  if (!isFollowed || headers.location === undefined) return undefined
  return URL.canParse(headers.location, url.href) ? new URL(headers.location, url) : undefined
}

const LONGEST_SHOWN = 160

/** The first digits of a digest say which it is: content is random. */
const LONG_HEX = /([0-9a-f]{12})[0-9a-f]{52,}/gi

function shorten(text: string): string {
  const brief = text.replace(LONG_HEX, '$1…')
  return brief.length <= LONGEST_SHOWN ? brief : `${brief.slice(0, LONGEST_SHOWN)}…`
}

function inOneLine(
  method: string,
  url: URL,
  { headers = {}, body, chunked, promised }: RequestOptions
): string {
  const said = Object.entries(headers)
    .filter(([name]) => name !== 'authorization')
    .map(([name, value]) => `${name}: ${shorten(value)}`)
  if (body !== undefined) said.push(`${body.length} bytes${chunked ? ' in chunked coding' : ''}`)
  if (promised !== undefined) said.push(`${promised} bytes promised, none sent`)
  const target = `${method} ${shorten(url.pathname + url.search)}`
  return said.length === 0 ? target : `${target} (${said.join('; ')})`
}
