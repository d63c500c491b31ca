import { createHash, randomUUID } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { escaped, S3Error } from './errors.ts'
import { listKeys } from './listing.ts'
import { crc32Of } from './payload.ts'

export interface FakeObject {
  bytes: Buffer
  etag: string
  modified: Date
  /** What the call that made it said of encryption, class, ACL and type. */
  creation: Record<string, string>
}

interface Upload {
  key: string
  begun: Date
  creation: Record<string, string>
  parts: Map<number, { bytes: Buffer; etag: string }>
  /** Whether its parts must come with a CRC-32. */
  hasSums: boolean
}

interface Call {
  operation: string
  key: string
  query: URLSearchParams
  headers: IncomingHttpHeaders
  body: Buffer
  /** Of the bucket. */
  name: string
}

interface Answer {
  status?: number
  headers?: Record<string, string>
  xml?: string
  bytes?: Buffer
}

export interface FakeBucket {
  readonly objects: Map<string, FakeObject>
  readonly uploads: Map<string, Upload>
  call(call: Call): Answer
}

const MIN_PART = 5 << 20
const CREATION = /^(content-type|x-amz-(acl|storage-class|server-side-encryption.*))$/

const md5 = (bytes: Buffer): Buffer => createHash('md5').update(bytes).digest()
const tag = (name: string, text: string): string => `<${name}>${text}</${name}>`
const document = (name: string, ...parts: string[]): string =>
  `<?xml version="1.0" encoding="UTF-8"?><${name} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${parts.join('')}</${name}>`

const creationIn = (headers: IncomingHttpHeaders): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).flatMap(([k, v]) => (CREATION.test(k) ? [[k, String(v)]] : [])))

export function createBucket(options: {
  ignoresConditions?: boolean
  lacksDeleteObjects?: boolean
  wantsContentMd5?: boolean
  smallParts?: boolean
}): FakeBucket {
  const objects = new Map<string, FakeObject>()
  const uploads = new Map<string, Upload>()

  function objectAt(key: string): FakeObject {
    const object = objects.get(key)
    if (object === undefined) throw new S3Error(404, 'NoSuchKey')
    return object
  }

  function uploadOf({ key, query }: Call): Upload {
    const upload = uploads.get(query.get('uploadId') ?? '')
    if (upload?.key !== key) throw new S3Error(404, 'NoSuchUpload')
    return upload
  }

  function store(key: string, bytes: Buffer, etag: string, creation: Record<string, string>): void {
    objects.set(key, { bytes, etag: `"${etag}"`, modified: new Date(), creation })
  }

  function checkConditions({ key, headers }: Call): void {
    if (options.ignoresConditions) return
    const object = objects.get(key)
    if (headers['if-none-match'] === '*' && object) throw new S3Error(412, 'PreconditionFailed')
    const wanted = headers['if-match']
    if (wanted !== undefined && object?.etag !== wanted) {
      throw object ? new S3Error(412, 'PreconditionFailed') : new S3Error(404, 'NoSuchKey')
    }
  }

  function sourceOf({ headers, name }: Call): Buffer {
    const [bucket, ...key] = decodeURIComponent(String(headers['x-amz-copy-source']))
      .replace(/^\//, '')
      .split('/')
    if (bucket !== name) throw new S3Error(404, 'NoSuchBucket')
    const { bytes } = objectAt(key.join('/'))
    const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(String(headers['x-amz-copy-source-range'] ?? '')) ?? []
    if (start === undefined) return bytes
    if (Number(end) >= bytes.length) throw new S3Error(416, 'InvalidRange')
    return bytes.subarray(Number(start), Number(end) + 1)
  }

  function putPart(call: Call, bytes: Buffer): string {
    const upload = uploadOf(call)
    const number = Number(call.query.get('partNumber'))
    if (!(number >= 1 && number <= 10_000)) throw new S3Error(400, 'InvalidArgument')
    if (upload.hasSums !== (call.headers['x-amz-checksum-crc32'] !== undefined)) {
      throw new S3Error(400, 'InvalidRequest', 'Checksum Type mismatch occurred')
    }
    const etag = `"${md5(bytes).toString('hex')}"`
    upload.parts.set(number, { bytes: Buffer.from(bytes), etag })
    return etag
  }

  function complete(call: Call): Answer {
    const upload = uploadOf(call)
    const text = call.body.toString()
    const named = [...text.matchAll(/<Part>(.*?)<\/Part>/gs)].map(([, part = '']) => ({
      number: Number(/<PartNumber>(\d+)</.exec(part)?.[1]),
      etag: /<ETag>(.*?)</.exec(part)?.[1]?.replaceAll(/&quot;|&#34;/g, '"'),
      sum: /<ChecksumCRC32>(.*?)</.exec(part)?.[1]
    }))
    if (named.length === 0) throw new S3Error(400, 'MalformedXML')
    const parts = named.map(({ number, etag, sum }, i) => {
      const part = upload.parts.get(number)
      if (i > 0 && number <= (named[i - 1]?.number ?? 0)) throw new S3Error(400, 'InvalidPartOrder')
      if (part === undefined || etag !== part.etag) throw new S3Error(400, 'InvalidPart')
      if (upload.hasSums && sum !== crc32Of(part.bytes))
        throw new S3Error(400, 'InvalidPart', 'another checksum')
      if (i < named.length - 1 && part.bytes.length < MIN_PART && !options.smallParts) {
        throw new S3Error(400, 'EntityTooSmall')
      }
      return part.bytes
    })
    checkConditions(call)
    const etag = `${md5(Buffer.concat(parts.map(md5))).toString('hex')}-${parts.length}`
    store(call.key, Buffer.concat(parts), etag, upload.creation)
    uploads.delete(call.query.get('uploadId') ?? '')
    return { xml: document('CompleteMultipartUploadResult', tag('ETag', `"${etag}"`)) }
  }

  function get(call: Call): Answer {
    const object = objectAt(call.key)
    checkConditions(call)
    const size = object.bytes.length
    const headers: Record<string, string> = {
      etag: object.etag,
      'last-modified': object.modified.toUTCString(),
      'content-type':
        call.query.get('response-content-type') ?? object.creation['content-type'] ?? 'binary/octet-stream'
    }
    const cache = call.query.get('response-cache-control')
    if (cache !== null) headers['cache-control'] = cache
    const [, start, end] = /^bytes=(\d+)-(\d*)$/.exec(call.headers.range ?? '') ?? []
    if (start === undefined)
      return { headers: { ...headers, 'content-length': String(size) }, bytes: object.bytes }
    if (Number(start) >= size) throw new S3Error(416, 'InvalidRange')
    const last = Math.min(end ? Number(end) : size - 1, size - 1)
    const bytes = object.bytes.subarray(Number(start), last + 1)
    return { status: 206, headers: { ...headers, 'content-range': `bytes ${start}-${last}/${size}` }, bytes }
  }

  function deleteMany(call: Call): Answer {
    if (options.lacksDeleteObjects) throw new S3Error(501, 'NotImplemented')
    const { headers } = call
    const hasSum = headers['content-md5'] ?? (!options.wantsContentMd5 && headers['x-amz-checksum-crc32'])
    if (!hasSum)
      throw new S3Error(400, 'InvalidRequest', 'Missing required header for this request: Content-MD5')
    const keys = [...call.body.toString().matchAll(/<Key>(.*?)<\/Key>/g)].map(([, key = '']) => key)
    if (keys.length > 1000) throw new S3Error(400, 'MalformedXML')
    for (const key of keys) objects.delete(key)
    return { xml: document('DeleteResult') }
  }

  function listUploads({ query }: Call): Answer {
    const all = [...uploads].filter(([, { key }]) => key.startsWith(query.get('prefix') ?? ''))
    const uploadTags = all.map(([id, { key, begun }]) =>
      tag('Upload', tag('Key', escaped(key)) + tag('UploadId', id) + tag('Initiated', begun.toISOString()))
    )
    return { xml: document('ListMultipartUploadsResult', tag('IsTruncated', 'false'), ...uploadTags) }
  }

  const calls: Record<string, (call: Call) => Answer> = {
    HeadBucket: () => ({}),
    HeadObject: get,
    GetObject: get,
    PutObject(call) {
      checkConditions(call)
      const etag = md5(call.body).toString('hex')
      store(call.key, call.body, etag, creationIn(call.headers))
      return { headers: { etag: `"${etag}"` } }
    },
    CopyObject(call) {
      const bytes = sourceOf(call)
      if (bytes.length > 5 * 2 ** 30) throw new S3Error(400, 'InvalidRequest')
      store(call.key, bytes, md5(bytes).toString('hex'), creationIn(call.headers))
      return { xml: document('CopyObjectResult', tag('ETag', '"x"')) }
    },
    CreateMultipartUpload({ key, headers }) {
      const id = randomUUID()
      const hasSums = headers['x-amz-checksum-algorithm'] === 'CRC32'
      uploads.set(id, { key, begun: new Date(), creation: creationIn(headers), parts: new Map(), hasSums })
      return { xml: document('InitiateMultipartUploadResult', tag('UploadId', id)) }
    },
    UploadPart: (call) => ({ headers: { etag: putPart(call, call.body) } }),
    UploadPartCopy: (call) => ({
      xml: document('CopyPartResult', tag('ETag', putPart(call, sourceOf(call))))
    }),
    CompleteMultipartUpload: complete,
    AbortMultipartUpload(call) {
      uploadOf(call)
      uploads.delete(call.query.get('uploadId') ?? '')
      return { status: 204 }
    },
    ListMultipartUploads: listUploads,
    DeleteObject(call) {
      checkConditions(call)
      objects.delete(call.key)
      return { status: 204 }
    },
    DeleteObjects: deleteMany,
    ListObjectsV2: ({ query }) => ({ xml: listKeys(objects, query) })
  }
  return {
    objects,
    uploads,
    call(call) {
      const run = calls[call.operation]
      if (run === undefined) throw new S3Error(501, 'NotImplemented')
      return run(call)
    }
  }
}
