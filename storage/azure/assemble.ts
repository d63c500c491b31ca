import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { BlockBlobClient, HttpAuthorization } from '@azure/storage-blob'
import { ObjectNotFound, StorageUnavailable } from '../driver.ts'
import type { Retrying } from '../objects/retry.ts'
import type { Piece } from '../objects/store.ts'
import { inParallel } from '../parallel.ts'
import { faultOf } from './faults.ts'

/** Of a copy that is done when it is answered. Put Block From URL takes 4000 MiB, Copy Blob From URL this much. */
const MAX_COPY = 256 << 20
const MAX_BLOCKS = 50_000
/** At once for one target. The bytes stay within the service. */
const AT_ONCE = 16

/** Where the service is to read a blob, and how it may. */
export interface Source {
  readonly url: string
  readonly authorization?: HttpAuthorization | undefined
}

export interface AssembleOptions {
  readonly call: Retrying
  blobAt(key: string): BlockBlobClient
  /** Asked before each try. */
  sourceAt(key: string): Promise<Source>
  /** Removes what is there, if it is of another type than those that are assembled. */
  removeOther(key: string): Promise<void>
  /** How often it is tried anew when others have taken the blocks away, and how long it waits first. */
  readonly tries: number
  readonly delayMs: number
}

/**
 * Makes one blob of several, within the service: one call for one piece, else one for each and one more. Nothing is seen
 * of it before the last.
 *
 * Blocks that wait for their list belong to the target, not to who sent them: when somebody else commits a list for
 * the same target (or puts or deletes it), ours are discarded, and our list is refused with InvalidBlockList. That tells that the target was
 * written while we were at it. An object of our size being there, ours counts as done and replaced at once: to everybody
 * else both orders look the same, as both writers were still waiting for their answers. If there is none, or
 * one of another size, the pieces are still there, and all is done again.
 * @throws ObjectNotFound for a piece that is not there
 */
export async function assembleBlob(
  options: AssembleOptions,
  target: string,
  pieces: readonly Piece[]
): Promise<void> {
  const { call, blobAt, removeOther, tries, delayMs } = options
  if (pieces.length > MAX_BLOCKS) {
    throw new StorageUnavailable(
      `${target} has ${pieces.length} pieces, and Azure makes a blob of ${MAX_BLOCKS} at most`
    )
  }
  const blob = blobAt(target)
  const size = pieces.reduce((sum, piece) => sum + piece.size, 0)
  for (let round = 1; ; round++) {
    try {
      await (pieces.length === 1 && size <= MAX_COPY
        ? copy(options, blob, pieces)
        : joinBlocks(options, blob, pieces))
      return
    } catch (error) {
      const { code } = faultOf(error)
      if (round >= tries) throw error
      if (code === 'InvalidBlobType') {
        await removeOther(target)
      } else if (code === 'InvalidBlockList') {
        if ((await sizeOf(call, blob)) === size) return
        await delay(delayMs * round * (0.5 + Math.random()))
      } else throw error
    }
  }
}

async function copy(
  { call, sourceAt }: AssembleOptions,
  target: BlockBlobClient,
  pieces: readonly Piece[]
): Promise<void> {
  for (const { key } of pieces) {
    await fromPiece(key, async () => {
      await call('CopyBlobFromUrl', async (abortSignal) => {
        const { url, authorization } = await sourceAt(key)
        await target.syncCopyFromURL(url, {
          abortSignal,
          ...(authorization && { sourceAuthorization: authorization })
        })
      })
    })
  }
}

async function joinBlocks(
  { call, sourceAt }: AssembleOptions,
  target: BlockBlobClient,
  pieces: readonly Piece[]
): Promise<void> {
  // All ids of a blob are equally long, whoever made them, and ours are nobody else's.
  const writer = randomBytes(12).toString('hex')
  const ids = pieces.map((_, i) => Buffer.from(`${writer}-${String(i).padStart(5, '0')}`).toString('base64'))
  await inParallel(pieces, AT_ONCE, async ({ key, size }, i) =>
    fromPiece(key, async () => {
      await call('PutBlockFromUrl', async (abortSignal) => {
        const { url, authorization } = await sourceAt(key)
        await target.stageBlockFromURL(ids[i] as string, url, 0, size, {
          abortSignal,
          ...(authorization && { sourceAuthorization: authorization })
        })
      })
    })
  )
  // An answer that was lost does no harm: blocks of ours that were committed are found among the committed.
  await call('PutBlockList', (abortSignal) =>
    target.commitBlockList(ids, { abortSignal, blobHTTPHeaders: { blobContentType: CONTENT_TYPE } })
  )
}

export const CONTENT_TYPE = 'application/octet-stream'

/** The service reads a piece as any reader does, and says 404 of what is not there. */
async function fromPiece(key: string, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    const { status, code } = faultOf(error)
    const isMissing = status === 404 && (code === 'CannotVerifyCopySource' || code === 'BlobNotFound')
    if (isMissing) throw new ObjectNotFound(key, { cause: error })
    throw error
  }
}

async function sizeOf(call: Retrying, blob: BlockBlobClient): Promise<number | undefined> {
  try {
    const { contentLength } = await call('GetBlobProperties', (abortSignal) =>
      blob.getProperties({ abortSignal })
    )
    return contentLength
  } catch (error) {
    if (faultOf(error).code === 'BlobNotFound') return undefined
    throw error
  }
}
