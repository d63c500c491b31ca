import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import type { Test } from 'tap'
import { operationOf } from '../../../integration/support/s3-operations.ts'
import { createBucket, type FakeBucket } from './bucket.ts'
import { escaped, S3Error } from './errors.ts'
import { checkPayload } from './payload.ts'
import { type Account, checkSignature } from './signature.ts'

/** A request as the tests look at it. */
export interface Seen {
  operation: string
  key: string
  query: URLSearchParams
  headers: IncomingMessage['headers']
  size: number
}

/** How a request goes wrong: an answer in place of the store's, a connection that breaks before or after the call was
 *  carried out, in the middle of the body, no answer at all, nothing after the middle of the body, or an error document that comes with
 *  200. */
export type Mishap =
  | S3Error
  | { cut: 'before' | 'after' | 'body' }
  | { silent: true }
  | { stalls: true }
  | { answer: { status: number; headers?: Record<string, string>; body: string } }
  | undefined

export interface FakeOptions {
  bucket?: string
  account?: Account
  /** Stores that are only alike S3: what they do not do. */
  ignoresConditions?: boolean
  lacksDeleteObjects?: boolean
  wantsContentMd5?: boolean
  /** Parts but the last may be smaller than 5 MiB. */
  smallParts?: boolean
  /** It speaks HTTPS, with the certificate of the tests' authority. */
  isEncrypted?: boolean
  now?: () => number
}

export interface FakeS3 {
  readonly url: string
  readonly bucket: FakeBucket
  readonly seen: Seen[]
  /** May be changed while it runs. */
  account: Account
  /** Asked before each call. */
  mishap: (seen: Seen) => Mishap
  isBucketThere: boolean
}

export const ACCOUNT = { accessKeyId: 'TESTKEY', secretAccessKey: 'TESTSECRET' }

const folder = new URL('../../../kubernetes/tls/', import.meta.url)
export const TLS = {
  cert: new URL('server.crt', folder),
  key: new URL('server.key', folder),
  ca: new URL('ca.crt', folder)
}

const HEADERS = { 'x-amz-request-id': 'fake', server: 'fake' }

/** A server that does what S3 documents, of what berth uses, for one bucket; it ends with the test. */
export async function startFakeS3(t: Test, options: FakeOptions = {}): Promise<FakeS3> {
  const { bucket: name = 'images', now = Date.now } = options
  const bucket = createBucket(options)
  const fake: Omit<FakeS3, 'url'> & { url: string } = {
    url: '',
    bucket,
    seen: [],
    account: options.account ?? ACCOUNT,
    mishap: () => undefined,
    isBucketThere: true
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const raw = await buffer(request)
    const url = new URL(request.url ?? '/', `http://${request.headers.host}`)
    const [, first = '', ...rest] = url.pathname.split('/').map(decodeURIComponent)
    const isInHost = url.hostname.startsWith(`${name}.`)
    const key = (isInHost ? [first, ...rest] : rest).join('/')
    const method = request.method ?? ''
    const query = url.searchParams
    const operation = operationOf(method, key, query, request.headers)
    const seen = { operation, key, query, headers: request.headers, size: raw.length }
    fake.seen.push(seen)
    checkSignature(request, url, fake.account, now())
    if (!fake.isBucketThere || (!isInHost && first !== name)) throw new S3Error(404, 'NoSuchBucket')
    const mishap = fake.mishap(seen)
    if (mishap instanceof S3Error) throw mishap
    if (mishap && 'answer' in mishap) {
      response
        .writeHead(mishap.answer.status, { ...HEADERS, ...mishap.answer.headers })
        .end(mishap.answer.body)
      return
    }
    if (mishap && 'silent' in mishap) return
    const cut = mishap && 'cut' in mishap ? mishap.cut : undefined
    if (cut === 'before') return void request.socket.destroy()
    const body = checkPayload(raw, request.headers)
    const answer = bucket.call({ operation, key, query, headers: request.headers, body, name })
    if (cut === 'after') return void request.socket.destroy()
    const bytes = answer.bytes ?? Buffer.from(answer.xml ?? '')
    const headers = { ...HEADERS, date: new Date(now()).toUTCString(), ...answer.headers }
    response.writeHead(answer.status ?? 200, {
      'content-length': bytes.length,
      ...(answer.xml !== undefined && { 'content-type': 'application/xml' }),
      ...headers
    })
    if (method === 'HEAD') return void response.end()
    if (mishap && 'stalls' in mishap) return void response.write(bytes.subarray(0, bytes.length / 2))
    if (cut === 'body') {
      response.write(bytes.subarray(0, bytes.length / 2), () => request.socket.destroy())
      return
    }
    response.end(bytes)
  }

  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    handle(request, response).catch((error: unknown) => {
      if (response.headersSent || response.destroyed) return void response.destroy()
      const { status, code, message } =
        error instanceof S3Error ? error : new S3Error(500, 'InternalError', String(error))
      const xml = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${escaped(message)}</Message></Error>`
      const date = new Date(now()).toUTCString()
      response.writeHead(status, { ...HEADERS, date, 'content-type': 'application/xml' })
      response.end(request.method === 'HEAD' ? undefined : xml)
    })
  }
  const settings = { keepAliveTimeout: 60_000 }
  const server = options.isEncrypted
    ? createSecureServer({ ...settings, cert: readFileSync(TLS.cert), key: readFileSync(TLS.key) }, answer)
    : createServer(settings, answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  fake.url = `${options.isEncrypted ? 'https' : 'http'}://127.0.0.1:${(server.address() as AddressInfo).port}`
  return fake
}
