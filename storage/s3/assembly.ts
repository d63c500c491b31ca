import { ObjectNotFound } from '../driver.ts'
import type { Piece } from '../objects/store.ts'
import type { S3Options } from '../options.ts'
import { createLimit, inParallel } from '../parallel.ts'
import { readXml } from './calls.ts'
import { beginMultipart, etagOf, MAX_PARTS, type MultipartOptions } from './multipart.ts'
import { encodedPath } from './signing.ts'
import type { Xml } from './xml.ts'

/** S3's own limit of a part that is not the last. */
const MIN_PART = 5 << 20

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

/** Its key is for messages. */
interface NamedPiece extends Piece {
  name: string
}

interface Drafts {
  /** The name of an object that is not there. */
  newDraft(): string
  removeDrafts(names: readonly string[]): Promise<void>
  /** S3's own limit of the parts of an object. */
  maxParts?: number
}

/** Joins objects of a bucket within the store, by its names. */
export function createAssembly(
  bucket: string,
  options: MultipartOptions,
  copying: CopyOptions,
  { newDraft, removeDrafts, maxParts = MAX_PARTS }: Drafts
): (target: string, pieces: readonly NamedPiece[]) => Promise<void> {
  const { calls, creation } = options
  const { multipartcopychunksize, multipartcopymaxconcurrency, multipartcopythresholdsize } = copying
  const limit = createLimit(multipartcopymaxconcurrency)
  const from = (name: string) => ({ 'x-amz-copy-source': `${bucket}/${encodedPath(name)}` })
  const orGone =
    (key: string) =>
    ({ code }: { code: string }) =>
      code === 'NoSuchKey' ? Promise.reject(new ObjectNotFound(key)) : undefined

  async function copyWhole(target: string, { key, name }: { key: string; name: string }): Promise<void> {
    await limit(async () => {
      return calls.call<unknown>({
        operation: 'CopyObject',
        method: 'PUT',
        name: target,
        // What the creation says counts, and nothing of the piece.
        headers: { ...creation, ...from(name), 'x-amz-metadata-directive': 'REPLACE' },
        read: readXml('CopyObjectResult'),
        answers: orGone(key)
      })
    })
  }

  async function join(target: string, sources: readonly (Source & { key: string })[]): Promise<void> {
    const multipart = await beginMultipart(options, target, false)
    try {
      await inParallel(sources, multipartcopymaxconcurrency, async ({ key, name, size, range }, index) => {
        await multipart.add(index + 1, size, async (query) => {
          const part = await limit(async () => {
            return calls.call<Xml>({
              operation: 'UploadPartCopy',
              method: 'PUT',
              name: target,
              query,
              headers: { ...from(name), ...(range !== undefined && { 'x-amz-copy-source-range': range }) },
              read: readXml('CopyPartResult'),
              answers: orGone(key)
            })
          })
          return { ETag: etagOf(part) }
        })
      })
      await multipart.complete()
    } catch (error) {
      await multipart.abort()
      throw error
    }
  }

  async function assemble(target: string, pieces: readonly NamedPiece[]): Promise<void> {
    const [first] = pieces
    if (pieces.length === 1 && first && first.size <= multipartcopythresholdsize)
      return copyWhole(target, first)
    const partSize = Math.max(multipartcopychunksize, Math.ceil(sizeOf(pieces) / 9_000))
    return join(
      target,
      pieces.flatMap((piece) => (pieces.length === 1 ? cut(piece, partSize) : [piece]))
    )
  }

  return async (target, pieces) => {
    if (pieces.length <= maxParts) return assemble(target, pieces)
    // More than one object can have parts: what is made of some of them is joined in turn.
    const drafts: NamedPiece[] = []
    try {
      for (let start = 0; start < pieces.length; start += maxParts) {
        const group = pieces.slice(start, start + maxParts)
        const name = newDraft()
        drafts.push({ key: name, name, size: sizeOf(group) })
        await assemble(name, group)
      }
      const partSize = Math.max(multipartcopychunksize, Math.ceil(sizeOf(pieces) / 9_000))
      await join(
        target,
        drafts.flatMap((draft) => cut(draft, partSize))
      )
    } finally {
      await removeDrafts(drafts.map(({ name }) => name))
    }
  }
}

const sizeOf = (pieces: readonly Piece[]): number => pieces.reduce((sum, { size }) => sum + size, 0)

/** In ranges of at most so many bytes, of which none but the last of a small object is too small for S3. */
function cut<T extends Source>(source: T, most: number): (T & { range: string })[] {
  const equal = Math.ceil(source.size / Math.ceil(source.size / most))
  const partSize = Math.max(equal, Math.min(most, MIN_PART))
  const count = Math.ceil(source.size / partSize)
  return Array.from({ length: count }, (_, i) => {
    const start = i * partSize
    const end = Math.min(start + partSize, source.size) - 1
    return { ...source, size: end - start + 1, range: `bytes=${start}-${end}` }
  })
}
