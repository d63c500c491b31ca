import type { IncomingHttpHeaders } from 'node:http'
import { StorageUnavailable } from '../driver.ts'
import type { Parts } from '../objects/store.ts'
import { inParallel } from '../parallel.ts'
import { crcOf, sizeOf } from './bodies.ts'
import { type Calls, readNothing, readXml } from './calls.ts'
import type { Creation } from './creation.ts'
import type { Query } from './signing.ts'
import { listOf, textOf, toXml, type Xml } from './xml.ts'

/** S3's own limit of the parts of an object. */
export const MAX_PARTS = 10_000

/** What the store says of a part, and wants to hear again. */
export interface SentPart {
  ETag: string
  ChecksumCRC32?: string
}

/** A multipart upload, by the store's names. */
export interface Multipart {
  readonly id: string
  /** Sends a part, or has it copied, and keeps what the store said of it. */
  add(number: number, size: number, send: (query: PartQuery) => Promise<SentPart>): Promise<void>
  complete(): Promise<void>
  /** Never throws. */
  abort(): Promise<void>
}

/** Which part of which upload a call is about. */
interface PartQuery {
  readonly [name: string]: string | number
  readonly partNumber: number
  readonly uploadId: string
}

export interface MultipartOptions {
  readonly calls: Calls
  readonly creation: Creation
  /** Whether the store compares a CRC-32 with each part. */
  readonly isChecked: boolean
}

/** @param hasSums whether each part will come with its CRC-32 */
export async function beginMultipart(
  options: MultipartOptions,
  name: string,
  hasSums: boolean
): Promise<Multipart> {
  const { calls, creation } = options
  const { call } = calls
  const readUpload = readXml('InitiateMultipartUploadResult')
  const uploadId = await call({
    operation: 'CreateMultipartUpload',
    method: 'POST',
    name,
    query: { uploads: '' },
    headers: { ...creation, ...(hasSums && { 'x-amz-checksum-algorithm': 'CRC32' }) },
    read: async (...answer) => textOf(await readUpload(...answer), 'UploadId')
  })
  if (uploadId === undefined) throw new StorageUnavailable(`the store gave no id for the upload of ${name}`)
  const parts = new Map<number, { size: number; part: SentPart }>()

  /** It was complete, and only the answer was lost: the object is there, of so many parts. */
  async function isComplete(): Promise<boolean> {
    const head = await call<IncomingHttpHeaders>({
      operation: 'HeadObject',
      method: 'HEAD',
      name,
      read: async (answer) => {
        await readNothing(answer)
        return answer.headers
      },
      answers: ({ status }) => (status === 404 ? Promise.resolve({}) : undefined)
    })
    const size = [...parts.values()].reduce((sum, { size }) => sum + size, 0)
    // The ETag of what was made of parts says of how many.
    const count = /-(\d+)"?$/.exec(head.etag ?? '')?.[1]
    return head['content-length'] === String(size) && count === String(parts.size)
  }

  return {
    id: uploadId,

    async add(number, size, send) {
      const part = await send({ partNumber: number, uploadId })
      parts.set(number, { size, part })
    },

    async complete() {
      const Part = [...parts]
        .sort(([a], [b]) => a - b)
        .map(([number, { part }]) => ({ PartNumber: String(number), ...part }))
      await call<unknown>({
        operation: 'CompleteMultipartUpload',
        method: 'POST',
        name,
        query: { uploadId },
        headers: { 'content-type': 'application/xml' },
        body: [toXml('CompleteMultipartUpload', { Part })],
        read: readXml('CompleteMultipartUploadResult'),
        answers({ code, status }, tries) {
          // Where the answer to a first try was lost, later ones find no upload; radosgw then has an internal error.
          if (tries === 1 || (code !== 'NoSuchUpload' && status !== 500)) return undefined
          return isComplete().then((isDone) => {
            if (isDone) return
            const why = status === 500 ? `could not be joined by the store (${code})` : 'were removed'
            throw new StorageUnavailable(`the parts of ${name} ${why} before they became an object`)
          })
        }
      })
    },

    async abort() {
      try {
        await abortUpload(calls, name, uploadId)
      } catch {
        // The lifecycle rule removes it.
      }
    }
  }
}

export async function abortUpload({ call }: Calls, name: string, uploadId: string): Promise<void> {
  await call({
    operation: 'AbortMultipartUpload',
    method: 'DELETE',
    name,
    query: { uploadId },
    read: readNothing,
    answers: ({ code }) => (code === 'NoSuchUpload' ? Promise.resolve() : undefined)
  })
}

/** As the header has it. */
export const etagOf = (part: Xml): string => textOf(part, 'ETag') ?? ''

/** Parts with their bytes, as `objectStorage` sends them. */
export async function beginParts(options: MultipartOptions, name: string): Promise<Parts> {
  const { calls, isChecked } = options
  const multipart = await beginMultipart(options, name, isChecked)
  return {
    async put(number, body) {
      if (number > MAX_PARTS) {
        throw new StorageUnavailable(`${name} has more than ${MAX_PARTS} parts: raise storage.s3.chunksize`)
      }
      const sum = isChecked ? crcOf(body) : undefined
      await multipart.add(number, sizeOf(body), async (query) => {
        const etag = await calls.call({
          operation: 'UploadPart',
          method: 'PUT',
          name,
          query,
          ...(sum !== undefined && { headers: { 'x-amz-checksum-crc32': sum } }),
          body,
          read: async (answer) => {
            await readNothing(answer)
            return answer.headers.etag ?? ''
          }
        })
        return { ETag: etag, ...(sum !== undefined && { ChecksumCRC32: sum }) }
      })
    },
    complete: multipart.complete,
    abort: multipart.abort
  }
}

/** A page of the uploads that are under way; without any where the store does not know the call. */
export async function listUploads({ call }: Calls, query: Query): Promise<Xml> {
  return call<Xml>({
    operation: 'ListMultipartUploads',
    method: 'GET',
    query: { ...query, uploads: '' },
    read: readXml('ListMultipartUploadsResult'),
    answers: ({ status }) => (status === 405 || status === 501 ? Promise.resolve({}) : undefined)
  })
}

/** Uploads that were begun under one of the prefixes before a moment. Gives how many were ended. */
export async function abortOld(calls: Calls, prefixes: readonly string[], before: Date): Promise<number> {
  let count = 0
  for (const prefix of prefixes) {
    let from: Query | undefined = {}
    while (from !== undefined) {
      const page: Xml = await listUploads(calls, { prefix, ...from })
      // What has no date is none of the old.
      const old = listOf(page, 'Upload').filter(
        (upload) => Date.parse(textOf(upload, 'Initiated') ?? '') < before.getTime()
      )
      await inParallel(old, 10, async (upload) => {
        await abortUpload(calls, textOf(upload, 'Key') ?? '', textOf(upload, 'UploadId') ?? '')
        count++
      })
      const key = textOf(page, 'NextKeyMarker')
      const id = textOf(page, 'NextUploadIdMarker')
      // A store that says the same twice would keep us here for ever.
      const isMore: boolean =
        textOf(page, 'IsTruncated') === 'true' && key !== undefined && id !== from['upload-id-marker']
      from = isMore ? { 'key-marker': key, 'upload-id-marker': id } : undefined
    }
  }
  return count
}
