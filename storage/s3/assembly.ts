import { CopyObjectCommand, UploadPartCopyCommand } from '@aws-sdk/client-s3'
import { ObjectNotFound, StorageUnavailable } from '../driver.ts'
import type { Piece } from '../objects/store.ts'
import type { S3Options } from '../options.ts'
import { beginMultipart, type MultipartOptions } from './multipart.ts'
import { createLimit, inParallel } from './parallel.ts'

/** S3's own limits. */
const MAX_PARTS = 10_000
const MAX_PART = 5 * 2 ** 30

type CopyOptions = Pick<
  S3Options,
  'multipartcopychunksize' | 'multipartcopymaxconcurrency' | 'multipartcopythresholdsize'
>

/** Part of an object that becomes a part of another; the whole without a range. */
interface Source {
  name: string
  size: number
  range?: string
}

/** Joins objects within the store, by its names; the pieces' keys are for messages. */
export function createAssembly(
  options: MultipartOptions,
  copying: CopyOptions
): (target: string, pieces: readonly (Piece & { name: string })[]) => Promise<void> {
  const { calls, bucket, creation } = options
  const { multipartcopychunksize, multipartcopymaxconcurrency, multipartcopythresholdsize } = copying
  const limit = createLimit(multipartcopymaxconcurrency)
  const pathOf = (name: string): string => `${bucket}/${encodeURIComponent(name).replaceAll('%2F', '/')}`
  const orGone =
    (key: string) =>
    ({ code }: { code: string }) =>
      code === 'NoSuchKey' ? Promise.reject(new ObjectNotFound(key)) : undefined

  async function copyWhole(target: string, { key, name }: { key: string; name: string }): Promise<void> {
    const input = {
      Bucket: bucket,
      Key: target,
      CopySource: pathOf(name),
      MetadataDirective: 'REPLACE' as const, // what the creation says counts, and nothing of the piece
      ...creation
    }
    await limit(async () => {
      return calls.call<unknown>(
        'CopyObject',
        async (client, abortSignal) => client.send(new CopyObjectCommand(input), { abortSignal }),
        orGone(key)
      )
    })
  }

  async function join(target: string, sources: readonly (Source & { key: string })[]): Promise<void> {
    const multipart = await beginMultipart(options, target, false)
    try {
      await inParallel(sources, multipartcopymaxconcurrency, async ({ key, name, size, range }, index) => {
        const PartNumber = index + 1
        await multipart.add(PartNumber, size, async (UploadId) => {
          const CopySource = pathOf(name)
          const input = {
            Bucket: bucket,
            Key: target,
            UploadId,
            PartNumber,
            CopySource,
            CopySourceRange: range
          }
          const { CopyPartResult } = await limit(async () => {
            return calls.call(
              'UploadPartCopy',
              async (client, abortSignal) => client.send(new UploadPartCopyCommand(input), { abortSignal }),
              orGone(key)
            )
          })
          return { ETag: CopyPartResult?.ETag }
        })
      })
      await multipart.complete()
    } catch (error) {
      await multipart.abort()
      throw error
    }
  }

  return async (target, pieces) => {
    const [first] = pieces
    if (pieces.length === 1 && first && first.size <= multipartcopythresholdsize)
      return copyWhole(target, first)
    const total = pieces.reduce((sum, { size }) => sum + size, 0)
    const partSize = Math.max(multipartcopychunksize, Math.ceil(total / 9_000))
    const sources = pieces.flatMap((piece) =>
      pieces.length === 1 || piece.size > MAX_PART ? cut(piece, partSize) : [piece]
    )
    if (sources.length > MAX_PARTS) {
      throw new StorageUnavailable(
        `${target} has ${sources.length} parts, and S3 takes at most ${MAX_PARTS}: raise storage.s3.chunksize`
      )
    }
    return join(target, sources)
  }
}

function cut<T extends Source>(source: T, partSize: number): (T & { range: string })[] {
  const count = Math.ceil(source.size / partSize)
  return Array.from({ length: count }, (_, i) => {
    const start = i * partSize
    const end = Math.min(start + partSize, source.size) - 1
    return { ...source, size: end - start + 1, range: `bytes=${start}-${end}` }
  })
}
