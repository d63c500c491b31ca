import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandInput,
  type ListMultipartUploadsCommandOutput,
  UploadPartCommand
} from '@aws-sdk/client-s3'
import { StorageUnavailable } from '../driver.ts'
import type { Parts } from '../objects/store.ts'
import { inParallel } from '../parallel.ts'
import { bodyOf, crcOf, sizeOf } from './bodies.ts'
import type { Calls } from './calls.ts'
import type { Creation } from './creation.ts'

/** S3's own limit of the parts of an object. */
export const MAX_PARTS = 10_000

/** A multipart upload, by the store's names. */
export interface Multipart {
  readonly id: string
  /** Sends a part, or has it copied, and keeps what the store said of it. */
  add(number: number, size: number, send: (id: string) => Promise<CompletedPart>): Promise<void>
  complete(): Promise<void>
  /** Never throws. */
  abort(): Promise<void>
}

export interface MultipartOptions {
  readonly calls: Calls
  readonly bucket: string
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
  const { calls, bucket, creation } = options
  const begin = {
    Bucket: bucket,
    Key: name,
    ...creation,
    ...(hasSums && { ChecksumAlgorithm: 'CRC32' as const })
  }
  const { UploadId: id } = await calls.call('CreateMultipartUpload', async (client, abortSignal) => {
    return client.send(new CreateMultipartUploadCommand(begin), { abortSignal })
  })
  if (id === undefined) throw new StorageUnavailable(`the store gave no id for the upload of ${name}`)
  const upload = { Bucket: bucket, Key: name, UploadId: id }
  const parts = new Map<number, { size: number; part: CompletedPart }>()

  /** It was complete, and only the answer was lost: the object is there, of so many parts. */
  async function isComplete(): Promise<boolean> {
    const head = await calls.call(
      'HeadObject',
      async (client, abortSignal) => {
        return client.send(new HeadObjectCommand({ Bucket: bucket, Key: name }), { abortSignal })
      },
      ({ status }) => (status === 404 ? Promise.resolve(undefined) : undefined)
    )
    const size = [...parts.values()].reduce((sum, { size }) => sum + size, 0)
    // The ETag of what was made of parts says of how many.
    const count = /-(\d+)"?$/.exec(head?.ETag ?? '')?.[1]
    return head?.ContentLength === size && count === String(parts.size)
  }

  return {
    id,

    async add(number, size, send) {
      const part = await send(id)
      parts.set(number, { size, part: { ...part, PartNumber: number } })
    },

    async complete() {
      const Parts = [...parts].sort(([a], [b]) => a - b).map(([, { part }]) => part)
      const input = { ...upload, MultipartUpload: { Parts } }
      await calls.call<unknown>(
        'CompleteMultipartUpload',
        async (client, abortSignal) =>
          client.send(new CompleteMultipartUploadCommand(input), { abortSignal }),
        ({ code, status }, tries) => {
          // Where the answer to a first try was lost, later ones find no upload; radosgw then has an internal error.
          if (tries === 1 || (code !== 'NoSuchUpload' && status !== 500)) return undefined
          return isComplete().then((isDone) => {
            if (!isDone)
              throw new StorageUnavailable(`the parts of ${name} were removed before they became an object`)
          })
        }
      )
    },

    async abort() {
      try {
        await calls.call<unknown>(
          'AbortMultipartUpload',
          async (client, abortSignal) =>
            client.send(new AbortMultipartUploadCommand(upload), { abortSignal }),
          ({ code }) => (code === 'NoSuchUpload' ? Promise.resolve() : undefined)
        )
      } catch {
        // The lifecycle rule removes it.
      }
    }
  }
}

/** Parts with their bytes, as `objectStorage` sends them. */
export async function beginParts(options: MultipartOptions, name: string): Promise<Parts> {
  const { calls, bucket, isChecked } = options
  const multipart = await beginMultipart(options, name, isChecked)
  return {
    async put(PartNumber, bytes) {
      if (PartNumber > MAX_PARTS) {
        throw new StorageUnavailable(`${name} has more than ${MAX_PARTS} parts: raise storage.s3.chunksize`)
      }
      const ChecksumCRC32 = isChecked ? crcOf(bytes) : undefined
      const size = sizeOf(bytes)
      await multipart.add(PartNumber, size, async (UploadId) => {
        const input = { Bucket: bucket, Key: name, UploadId, PartNumber, ChecksumCRC32 }
        const { ETag } = await calls.call(
          'UploadPart',
          async (client, abortSignal) =>
            client.send(new UploadPartCommand({ ...input, ...bodyOf(bytes) }), { abortSignal }),
          undefined,
          size
        )
        return { ETag, ...(isChecked && { ChecksumCRC32 }) }
      })
    },
    complete: multipart.complete,
    abort: multipart.abort
  }
}

interface Markers {
  KeyMarker?: string | undefined
  UploadIdMarker?: string | undefined
}

/** A page of the uploads that are under way; without any where the store does not know the call. */
export async function listUploads(
  calls: Calls,
  input: ListMultipartUploadsCommandInput
): Promise<Partial<ListMultipartUploadsCommandOutput>> {
  return calls.call<Partial<ListMultipartUploadsCommandOutput>>(
    'ListMultipartUploads',
    async (client, abortSignal) => client.send(new ListMultipartUploadsCommand(input), { abortSignal }),
    ({ status }) => (status === 405 || status === 501 ? Promise.resolve({}) : undefined)
  )
}

/** Uploads that were begun under one of the prefixes before a moment. Gives how many were ended. */
export async function abortOld(
  { calls, bucket }: MultipartOptions,
  prefixes: readonly string[],
  before: Date
): Promise<number> {
  let count = 0
  for (const Prefix of prefixes) {
    let from: Markers | undefined = {}
    while (from !== undefined) {
      const input = { Bucket: bucket, Prefix, ...from }
      const page = await listUploads(calls, input)
      const old = (page.Uploads ?? []).filter(
        ({ Initiated }) => Initiated !== undefined && Initiated < before
      )
      await inParallel(old, 10, async ({ Key, UploadId }) => {
        await calls.call<unknown>(
          'AbortMultipartUpload',
          async (client, abortSignal) => {
            return client.send(new AbortMultipartUploadCommand({ Bucket: bucket, Key, UploadId }), {
              abortSignal
            })
          },
          ({ code }) => (code === 'NoSuchUpload' ? Promise.resolve() : undefined)
        )
        count++
      })
      const { NextKeyMarker, NextUploadIdMarker } = page
      // A store that says the same twice would keep us here for ever.
      const isMore: boolean =
        page.IsTruncated === true && NextKeyMarker !== undefined && NextUploadIdMarker !== from.UploadIdMarker
      from = isMore ? { KeyMarker: NextKeyMarker, UploadIdMarker: NextUploadIdMarker } : undefined
    }
  }
  return count
}
