import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { listOf } from './fake-lists.ts'
import { checkSignature } from './signed-urls.ts'

/** Of an object in the fake. */
export interface Kept {
  bytes: Buffer
  crc32c: string
  generation: number
  updated: Date
  contentType: string
  metadata: Record<string, string>
  /** Composed objects have no MD5. */
  isComposed: boolean
  kmsKeyName: string | undefined
}

/** What a request is answered with in place of what it asks for. */
export type Fault =
  | { status: number; body?: string; headers?: Record<string, string> }
  /** The connection breaks before the request is looked at, after it was done, or so many bytes into the answer. */
  | 'cut before'
  | 'cut after'
  | 'silence'
  | { cutAt: number; stays?: boolean }
  /** The connection breaks, and it is done when this resolves. */
  | { later: Promise<unknown> }

const isLater = (fault: Fault | undefined): fault is { later: Promise<unknown> } =>
  typeof fault === 'object' && 'later' in fault

export interface FakeRequest {
  method: string
  /** Without the query. */
  path: string
  query: URLSearchParams
  headers: IncomingMessage['headers']
  body: Buffer
}

export interface FakeGcs {
  url: string
  objects: Map<string, Kept>
  /** All that came, in their order. */
  requests: FakeRequest[]
  /** Asked before each request is answered. */
  fault: (request: FakeRequest) => Fault | undefined
  /** Awaited before each request is answered. */
  pause: () => Promise<void>
  /** Whether a header `authorization` will do. */
  admits: (authorization: string | undefined) => boolean
  /** In PEM form, of who signs addresses. */
  publicKey: string
  bucket: string
  close(): Promise<void>
}

const MAX_SOURCES = 32

const certificate = (name: string): string =>
  readFileSync(new URL(`../../kubernetes/tls/${name}`, import.meta.url), 'utf8')
/** For `kubernetes.default.svc`. */
const TLS = { cert: certificate('server.crt'), key: certificate('server.key') }
export const AUTHORITY = new URL('../../kubernetes/tls/ca.crt', import.meta.url).pathname

/**
 * One bucket of Google Cloud Storage, as the JSON API's reference describes it: as much of it as berth uses, in memory,
 * with both prefixes that clients know. Addresses signed by V4 are verified.
 */
export async function startFakeGcs(bucket = 'images', { isEncrypted = false } = {}): Promise<FakeGcs> {
  let clock = Date.now() * 1000
  const objects = new Map<string, Kept>()
  const server = isEncrypted ? createSecureServer(TLS) : createServer()
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    serve(request, response).catch((error: unknown) => {
      if (!response.headersSent) response.writeHead(500)
      response.end(String(error))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo

  const fake: FakeGcs = {
    url: `http${isEncrypted ? 's' : ''}://127.0.0.1:${port}`,
    objects,
    requests: [],
    fault: () => undefined,
    pause: async () => undefined,
    admits: () => true,
    publicKey: '',
    bucket,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
  }

  async function serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(incoming.url ?? '', fake.url)
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk)
    const { method = '', headers } = incoming
    const request = {
      method,
      path: url.pathname,
      query: url.searchParams,
      headers,
      body: Buffer.concat(chunks)
    }
    fake.requests.push(request)
    const fault = fake.fault(request)
    await fake.pause()
    if (fault === 'silence') return
    if (fault === 'cut before') return void incoming.socket.destroy()
    if (isLater(fault)) {
      incoming.socket.destroy()
      await fault.later
      return void answerOf(request)
    }
    if (fault !== undefined && fault !== 'cut after' && 'status' in fault) {
      return void response.writeHead(fault.status, fault.headers).end(fault.body)
    }
    const answer = answerOf(request)
    if (fault === 'cut after') return void incoming.socket.destroy()
    response.writeHead(answer.status, { 'content-length': answer.body.length, ...answer.headers })
    if (fault !== undefined) {
      const { cutAt, stays } = fault
      response.write(answer.body.subarray(0, cutAt), () => stays || incoming.socket.destroy())
    } else response.end(answer.body)
  }

  interface Answer {
    status: number
    headers?: Record<string, string>
    body: Buffer
  }

  const json = (value: unknown, status = 200): Answer => ({
    status,
    headers: { 'content-type': 'application/json; charset=UTF-8' },
    body: Buffer.from(JSON.stringify(value))
  })
  const refuse = (code: number, message: string, reason: string): Answer =>
    json({ error: { code, message, errors: [{ message, domain: 'global', reason }] } }, code)
  const noObject = (name: string): Answer => refuse(404, `No such object: ${bucket}/${name}`, 'notFound')
  const noMatch = (): Answer =>
    refuse(412, 'At least one of the pre-conditions you specified did not hold.', 'conditionNotMet')

  function answerOf(request: FakeRequest): Answer {
    const { method, query, body } = request
    const path = request.path.replace(/^(\/upload)?\/storage\/v1(?=\/b\/)/, '$1')
    const [, isUpload, name] = /^(\/upload)?\/b\/([^/]+)\/o/.exec(path) ?? []
    if (name === undefined) return signedRead(request)
    if (!fake.admits(request.headers.authorization)) return refuse(401, 'Invalid Credentials', 'authError')
    if (decodeURIComponent(name) !== bucket) {
      return refuse(404, 'The specified bucket does not exist.', 'notFound')
    }
    const rest = path.slice(path.indexOf('/o') + 2)
    if (isUpload) return insert(request)
    if (rest === '') return json(listOf(objects, query))
    const composed = /^\/(.*)\/compose$/.exec(rest)
    if (composed && method === 'POST') {
      return compose(decodeURIComponent(composed[1] ?? ''), query, JSON.parse(body.toString()))
    }
    const key = decodeURIComponent(rest.slice(1))
    if (method === 'GET' && query.get('alt') === 'media') return read(key, request)
    if (method === 'GET') {
      const object = objects.get(key)
      return object ? json(resourceOf(key, object)) : noObject(key)
    }
    if (method !== 'DELETE') return refuse(405, 'Method not allowed', 'methodNotAllowed')
    if (!objects.has(key)) return noObject(key)
    if (!matches(key, query)) return noMatch()
    objects.delete(key)
    return { status: 204, body: Buffer.alloc(0) }
  }

  function matches(name: string, query: URLSearchParams): boolean {
    const wanted = query.get('ifGenerationMatch')
    return wanted === null || Number(wanted) === (objects.get(name)?.generation ?? 0)
  }

  function keep(name: string, kept: Omit<Kept, 'generation' | 'updated' | 'crc32c'>): Answer {
    clock = Math.max(clock + 1, Date.now() * 1000)
    const object = { ...kept, crc32c: crc32cOf(kept.bytes), generation: clock, updated: new Date() }
    objects.set(name, object)
    return json(resourceOf(name, object))
  }

  /** Multipart: a part in JSON about the object, and one with its bytes. */
  function insert({ query, headers, body }: FakeRequest): Answer {
    const boundary = /boundary=(\S+)/.exec(headers['content-type'] ?? '')?.[1]
    if (query.get('uploadType') !== 'multipart' || boundary === undefined) {
      return refuse(400, 'this fake knows multipart uploads only', 'invalid')
    }
    const start = body.indexOf('\r\n\r\n') + 4
    const between = body.indexOf(`\r\n--${boundary}\r\n`, start)
    const resource = JSON.parse(body.subarray(start, between).toString())
    const bytes = body.subarray(body.indexOf('\r\n\r\n', between + 2) + 4, -`\r\n--${boundary}--\r\n`.length)
    const name = resource.name ?? query.get('name')
    if (resource.md5Hash !== undefined && resource.md5Hash !== md5Of(bytes)) {
      return refuse(400, `Provided MD5 hash doesn't match calculated MD5 hash.`, 'invalid')
    }
    const sum = crc32cOf(bytes)
    if (resource.crc32c !== undefined && resource.crc32c !== sum) {
      return refuse(400, `Provided CRC32C doesn't match calculated CRC32C.`, 'invalid')
    }
    if (!matches(name, query)) return noMatch()
    return keep(name, {
      bytes: Buffer.from(bytes),
      contentType: resource.contentType ?? 'application/octet-stream',
      metadata: resource.metadata ?? {},
      isComposed: false,
      kmsKeyName: query.get('kmsKeyName') ?? undefined
    })
  }

  function compose(
    name: string,
    query: URLSearchParams,
    request: { sourceObjects: { name: string }[]; destination?: { contentType?: string } }
  ): Answer {
    const sources = request.sourceObjects.map((source) => source.name)
    if (sources.length === 0 || sources.length > MAX_SOURCES) {
      return refuse(
        400,
        `The number of source components provided (${sources.length}) exceeds the maximum (32)`,
        'invalid'
      )
    }
    const missing = sources.find((source) => !objects.has(source))
    if (missing !== undefined)
      return refuse(404, `Object ${bucket}/${missing} (generation: 0) not found.`, 'notFound')
    if (!matches(name, query)) return noMatch()
    return keep(name, {
      bytes: Buffer.concat(sources.map((source) => objects.get(source)?.bytes ?? Buffer.alloc(0))),
      contentType: request.destination?.contentType ?? '',
      metadata: {},
      isComposed: true,
      kmsKeyName: query.get('kmsKeyName') ?? undefined
    })
  }

  /** Media: refusals are plain text. */
  function read(name: string, { query, headers }: Pick<FakeRequest, 'query' | 'headers'>): Answer {
    const object = objects.get(name)
    if (object === undefined) return { status: 404, body: Buffer.from(`No such object: ${bucket}/${name}`) }
    if (!matches(name, query)) return noMatch()
    const { bytes } = object
    const common = {
      'content-type': query.get('response-content-type') ?? object.contentType,
      'x-goog-generation': String(object.generation),
      'x-goog-hash': `crc32c=${object.crc32c}`,
      'x-goog-stored-content-length': String(bytes.length)
    }
    const range = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '')
    if (range === null) return { status: 200, headers: common, body: bytes }
    const start = Number(range[1])
    if (start >= bytes.length)
      return { status: 416, body: Buffer.from('The requested range cannot be satisfied.') }
    const end = Math.min(range[2] === '' ? Number.POSITIVE_INFINITY : Number(range[2]), bytes.length - 1)
    const headersOfRange = { ...common, 'content-range': `bytes ${start}-${end}/${bytes.length}` }
    return { status: 206, headers: headersOfRange, body: bytes.subarray(start, end + 1) }
  }

  function signedRead(request: FakeRequest): Answer {
    const why = checkSignature(request, fake.publicKey, new URL(fake.url).hostname)
    if (why !== undefined) return { status: 403, body: Buffer.from(why) }
    const name = decodeURIComponent(request.path.slice(`/${bucket}/`.length))
    return read(name, request)
  }

  function resourceOf(name: string, object: Kept) {
    return {
      kind: 'storage#object',
      bucket,
      name,
      size: String(object.bytes.length),
      generation: String(object.generation),
      updated: object.updated.toISOString(),
      contentType: object.contentType,
      metadata: object.metadata,
      crc32c: object.crc32c,
      ...(!object.isComposed && { md5Hash: md5Of(object.bytes) })
    }
  }

  return fake
}

const md5Of = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('base64')

const TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let sum = byte
  for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? (sum >>> 1) ^ 0x82f63b78 : sum >>> 1
  return sum
})

/** Byte by byte, so that it shares no fault with ours. */
export function crc32cOf(bytes: Uint8Array): string {
  let sum = -1
  for (const byte of bytes) sum = TABLE[(sum ^ byte) & 0xff]! ^ (sum >>> 8)
  const encoded = Buffer.alloc(4)
  encoded.writeInt32BE(~sum)
  return encoded.toString('base64')
}
