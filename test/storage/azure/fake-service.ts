import { createHash, randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { batchAnswer, namesInBatch } from './fake-batch.ts'
import { answerList } from './fake-list.ts'
import { isSigned } from './fake-signatures.ts'

export const ACCOUNT = 'fake'
export const ACCOUNT_KEY = Buffer.from('the key of an account').toString('base64')

export interface Blob {
  data: Buffer
  type: 'BlockBlob' | 'AppendBlob'
  etag: string
  md5: string
  modified: Date
  metadata: Record<string, string>
  /** Committed, by their ids. */
  blocks: Map<string, Buffer>
}

/** A request, as what a fault is planted by sees it. */
export interface Seen {
  /** As the SDK names it: `PutBlob`, `GetBlob`, … */
  operation: string
  name: string
  headers: IncomingMessage['headers']
  url: URL
  /** The how manieth of its operation, from 1 on. */
  count: number
}

export interface Planted {
  /** 0: the connection is cut. */
  status: number
  code?: string
  headers?: Record<string, string>
  /** The request is done all the same. */
  isDone?: boolean
  /** The body of the answer breaks off after so many bytes. */
  cutAfter?: number
  /** First. */
  wait?: Promise<unknown>
  /** The connection is cut, and the request is done when this resolves. */
  later?: Promise<unknown>
}

export interface FakeService {
  url: string
  containers: Map<string, Map<string, Blob>>
  /** What was asked, in order. */
  operations: string[]
  seen: Seen[]
  /** Asked before each request. */
  fault?: ((request: Seen) => Planted | undefined) | undefined
  createContainer(): string
}

interface Answer {
  status: number
  headers?: Record<string, string | number>
  body?: Buffer | string
}

/** A request that cannot be fulfilled. */
class Refusal extends Error {
  readonly status: number
  readonly code: string
  constructor(status: number, code: string) {
    super(code)
    this.status = status
    this.code = code
  }
}

/** So much of Azure Blob Storage as berth uses, in memory, with faults on demand. Where Azurite is at hand, it is the judge.
 *  @param tls for tokens, which the SDK sends over nothing else */
export async function startFakeService(t: Test, tls?: { key: string; cert: string }): Promise<FakeService> {
  const containers = new Map<string, Map<string, Blob>>()
  const uncommitted = new Map<string, Map<string, Buffer>>()
  const counts = new Map<string, number>()
  const service: FakeService = {
    url: '',
    containers,
    operations: [],
    seen: [],
    createContainer() {
      const name = randomUUID()
      containers.set(name, new Map())
      return name
    }
  }

  const listener: RequestListener = (request, response) => {
    serve(request, response).catch((error: unknown) => response.destroy(error as Error))
  }
  const server = tls ? createSecureServer(tls, listener) : createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const scheme = tls ? 'https' : 'http'
  service.url = `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}/${ACCOUNT}`
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return service

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '', service.url)
    const [, container = '', name = ''] =
      /^\/fake\/?([^/]*)\/?(.*)$/s.exec(decodeURIComponent(url.pathname)) ?? []
    const operation = operationOf(request, url, name)
    const count = (counts.get(operation) ?? 0) + 1
    counts.set(operation, count)
    const seen = { operation, name, headers: request.headers, url, count }
    service.operations.push(operation)
    service.seen.push(seen)
    const planted = service.fault?.(seen)
    await planted?.wait
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    if (planted?.later !== undefined) {
      response.destroy()
      await planted.later
    } else if (planted?.status === 0 && !planted.isDone) return void response.destroy()
    let answer: Answer
    try {
      if (planted?.code !== undefined && !planted.isDone) throw new Refusal(planted.status, planted.code)
      answer = await answerTo(seen, request, container, Buffer.concat(chunks))
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      answer = refusal(error)
    }
    if (planted?.isDone) {
      if (planted.status === 0) return void response.destroy()
      answer = refusal(new Refusal(planted.status, planted.code ?? 'Planted'))
    }
    send(response, request, answer, planted)
  }

  async function answerTo(
    seen: Seen,
    { headers }: IncomingMessage,
    containerName: string,
    body: Buffer
  ): Promise<Answer> {
    const { operation, name, url } = seen
    if (operation === 'GetUserDelegationKey') return delegationKey(body)
    const blobs = containers.get(containerName)
    if (blobs === undefined) throw new Refusal(404, 'ContainerNotFound')
    const isAllowed = url.searchParams.has('sig')
      ? isSigned(url, service.url, containerName, name)
      : /^(SharedKey fake:|Bearer )/.test(headers.authorization ?? '')
    if (!isAllowed) throw new Refusal(403, 'AuthenticationFailed')
    const path = `${containerName}/${name}`
    const former = blobs.get(name)

    /** Checks what a write asks for. */
    const check = (): void => {
      const { 'if-none-match': none, 'if-match': match } = headers
      if (none === '*' && former !== undefined) throw new Refusal(409, 'BlobAlreadyExists')
      if (match !== undefined && former?.etag !== match) throw new Refusal(412, 'ConditionNotMet')
      if (former !== undefined && former.type !== 'BlockBlob') throw new Refusal(409, 'InvalidBlobType')
    }
    const store = (data: Buffer, blocks = new Map<string, Buffer>()): Answer => {
      check()
      uncommitted.delete(path)
      blobs.set(name, newBlob(data, { blocks }))
      return { status: 201, headers: { etag: blobs.get(name)?.etag ?? '' } }
    }

    switch (operation) {
      case 'ListBlobs':
        return { status: 200, headers: { 'content-type': 'application/xml' }, body: answerList(blobs, url) }
      case 'GetBlob':
      case 'GetBlobProperties':
        return read(former, headers)
      case 'PutBlob':
        if (headers['content-md5'] !== undefined && headers['content-md5'] !== md5(body)) {
          throw new Refusal(400, 'Md5Mismatch')
        }
        return store(body)
      case 'CopyBlobFromUrl': {
        const answer = store(source(headers))
        return { ...answer, status: 202, headers: { ...answer.headers, 'x-ms-copy-status': 'success' } }
      }
      case 'PutBlockFromUrl': {
        const blocks = uncommitted.get(path) ?? new Map<string, Buffer>()
        uncommitted.set(path, blocks)
        blocks.set(url.searchParams.get('blockid') ?? '', source(headers))
        return { status: 201 }
      }
      case 'PutBlockList': {
        const ids = [...body.toString().matchAll(/<Latest>([^<]*)<\/Latest>/g)].map(([, id = '']) => id)
        const blocks = new Map<string, Buffer>()
        for (const id of ids) {
          const block = uncommitted.get(path)?.get(id) ?? former?.blocks.get(id)
          if (block === undefined) throw new Refusal(400, 'InvalidBlockList')
          blocks.set(id, block)
        }
        return store(Buffer.concat([...blocks.values()]), blocks)
      }
      case 'DeleteBlob':
        if (former === undefined) throw new Refusal(404, 'BlobNotFound')
        if (headers['if-match'] !== undefined && headers['if-match'] !== former.etag) {
          throw new Refusal(412, 'ConditionNotMet')
        }
        blobs.delete(name)
        uncommitted.delete(path)
        return { status: 202 }
      case 'BlobBatch':
        return batchAnswer(
          namesInBatch(body).map((path) => {
            const isThere = blobs.delete(path.replace(`/${ACCOUNT}/${containerName}/`, ''))
            return isThere ? { status: 202 } : { status: 404, code: 'BlobNotFound' }
          })
        )
      default:
        throw new Refusal(501, 'NotImplemented')
    }
  }

  /** The bytes that a copy asks for, as the service would fetch them. */
  function source(headers: IncomingMessage['headers']): Buffer {
    const url = new URL(String(headers['x-ms-copy-source']))
    const [, container = '', name = ''] =
      /^\/fake\/([^/]*)\/(.*)$/s.exec(decodeURIComponent(url.pathname)) ?? []
    const isAllowed = headers['x-ms-copy-source-authorization'] || isSigned(url, service.url, container, name)
    if (!isAllowed) throw new Refusal(403, 'CannotVerifyCopySource')
    const blob = containers.get(container)?.get(name)
    if (blob === undefined) throw new Refusal(404, 'CannotVerifyCopySource')
    const [, start, end] = /bytes=(\d+)-(\d+)/.exec(String(headers['x-ms-source-range'] ?? '')) ?? []
    return start === undefined ? blob.data : blob.data.subarray(Number(start), Number(end) + 1)
  }
}

export function newBlob(data: Buffer, options: Partial<Blob> = {}): Blob {
  const etag = `"0x${randomUUID().slice(0, 8)}"`
  return {
    data,
    type: 'BlockBlob',
    etag,
    md5: md5(data),
    modified: new Date(),
    metadata: {},
    blocks: new Map(),
    ...options
  }
}

const md5 = (data: Buffer): string => createHash('md5').update(data).digest('base64')

function operationOf({ method, headers }: IncomingMessage, { searchParams }: URL, name: string): string {
  const comp = searchParams.get('comp')
  if (comp === 'userdelegationkey') return 'GetUserDelegationKey'
  if (comp === 'batch') return 'BlobBatch'
  if (comp === 'list' && name === '') return 'ListBlobs'
  if (comp === 'blocklist') return 'PutBlockList'
  if (comp === 'block') return 'PutBlockFromUrl'
  if (method === 'PUT') return headers['x-ms-copy-source'] === undefined ? 'PutBlob' : 'CopyBlobFromUrl'
  return { GET: 'GetBlob', HEAD: 'GetBlobProperties', DELETE: 'DeleteBlob' }[method ?? ''] ?? 'Unknown'
}

function read(blob: Blob | undefined, headers: IncomingMessage['headers']): Answer {
  if (blob === undefined) throw new Refusal(404, 'BlobNotFound')
  const { data, etag, modified, metadata, type } = blob
  if (headers['if-match'] !== undefined && headers['if-match'] !== etag)
    throw new Refusal(412, 'ConditionNotMet')
  const [, first, last] =
    /bytes=(\d+)-(\d*)/.exec(headers['x-ms-range']?.toString() ?? headers.range ?? '') ?? []
  const start = Number(first ?? 0)
  const end = Math.min(last ? Number(last) : data.length, data.length - 1)
  if (first !== undefined && start >= data.length) throw new Refusal(416, 'InvalidRange')
  const body = data.subarray(start, end + 1)
  return {
    status: first === undefined ? 200 : 206,
    headers: {
      etag,
      'last-modified': modified.toUTCString(),
      'content-type': 'application/octet-stream',
      'content-length': body.length,
      'x-ms-blob-type': type,
      ...(first === undefined
        ? { 'content-md5': blob.md5 }
        : { 'content-range': `bytes ${start}-${end}/${data.length}` }),
      ...Object.fromEntries(Object.entries(metadata).map(([key, value]) => [`x-ms-meta-${key}`, value]))
    },
    body
  }
}

function delegationKey(asked: Buffer): Answer {
  const [, start = '', expiry = ''] =
    /<Start>(.*)<\/Start>.*<Expiry>(.*)<\/Expiry>/s.exec(asked.toString()) ?? []
  const body = `<?xml version="1.0" encoding="utf-8"?><UserDelegationKey><SignedOid>oid</SignedOid><SignedTid>tid</SignedTid><SignedStart>${start}</SignedStart><SignedExpiry>${expiry}</SignedExpiry><SignedService>b</SignedService><SignedVersion>2020-12-06</SignedVersion><Value>${ACCOUNT_KEY}</Value></UserDelegationKey>`
  return { status: 200, headers: { 'content-type': 'application/xml' }, body }
}

function refusal({ status, code }: Refusal): Answer {
  const body = `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>${code}.\nRequestId:1</Message></Error>`
  return { status, headers: { 'x-ms-error-code': code, 'content-type': 'application/xml' }, body }
}

function send(
  response: ServerResponse,
  { method }: IncomingMessage,
  { status, headers = {}, body = '' }: Answer,
  planted: Planted | undefined
): void {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body
  response.writeHead(status, {
    'content-length': bytes.length,
    'x-ms-version': '2026-10-06',
    ...headers,
    ...planted?.headers
  })
  if (method === 'HEAD') return void response.end()
  if (planted?.cutAfter === undefined) return void response.end(bytes)
  response.write(bytes.subarray(0, planted.cutAfter), () => setImmediate(() => response.destroy()))
}
