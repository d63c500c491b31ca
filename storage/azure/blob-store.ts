import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import {
  type BlobRequestConditions,
  type BlockBlobClient,
  type HttpRequestBody,
  StorageSharedKeyCredential
} from '@azure/storage-blob'
import { ObjectNotFound, StorageUnavailable } from '../driver.ts'
import { putContested } from '../objects/contested.ts'
import type { Retrying } from '../objects/retry.ts'
import { ConditionFailed, type Found, type ObjectStore } from '../objects/store.ts'
import { assembleBlob, CONTENT_TYPE, type Source } from './assemble.ts'
import type { Client } from './client.ts'
import { createDeleteAll } from './deleting.ts'
import { faultOf, type Place, unavailable } from './faults.ts'
import { isFolder, listPage } from './listing.ts'
import { openBlob } from './reading.ts'
import type { Sign } from './signing.ts'
import { holdToken } from './token.ts'

/** For the service to begin reading a piece. */
const SOURCE_SECONDS = 3600
/** How often a blob of another type is made room for: who makes one is not at it again and again. */
const ROUNDS = 3
/** Up to this, what is put carries its MD5, which the service compares: links and manifests are what hurts most. What is
 *  longer is protected by TLS, as MD5 would cost as much again as the digest of what comes in. */
const MAX_HASHED = 1 << 20

/** Of a creation: there is a blob already, of whatever type. */
const EXISTS = new Set(['BlobAlreadyExists', 'ConditionNotMet', 'InvalidBlobType'])

type Conditions = Pick<BlobRequestConditions, 'ifMatch' | 'ifNoneMatch'>
const NEW: Conditions = { ifNoneMatch: '*' }

/** What a look at a blob tells. */
interface Looked {
  found: Found
  md5: Uint8Array | undefined
  type: string | undefined
}

export interface BlobStoreOptions {
  readonly client: Client
  readonly place: Place
  /** What names begin with. */
  readonly root: string
  readonly call: Retrying
  readonly sign: Sign
  /** Of an assembly that others disturb. */
  readonly tries: number
  readonly delayMs: number
}

/** The blobs of a container below a root. There are no `parts`: blocks that wait for their list belong to the target,
 *  where writers of one blob would take each other's away for as long as a client takes to send them. */
export function blobStore(options: BlobStoreOptions): ObjectStore {
  const { client, place, root, call, sign, tries, delayMs } = options
  const { container, credential } = client
  const blobAt = (key: string): BlockBlobClient => container.getBlockBlobClient(root + key)
  const token = credential instanceof StorageSharedKeyCredential ? undefined : holdToken(credential)

  async function sourceAt(key: string): Promise<Source> {
    if (token === undefined) return { url: await sign(root + key, SOURCE_SECONDS) }
    // Signing for an identity takes a role more than reading does.
    return { url: blobAt(key).url, authorization: { scheme: 'Bearer', value: await token() } }
  }

  async function guarded<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      const isSaid =
        error instanceof StorageUnavailable ||
        error instanceof ObjectNotFound ||
        error instanceof ConditionFailed ||
        error instanceof RangeError
      throw isSaid ? error : unavailable(error, place)
    }
  }

  async function look(key: string): Promise<Looked | undefined> {
    try {
      const answer = await call('GetBlobProperties', (abortSignal) =>
        blobAt(key).getProperties({ abortSignal })
      )
      if (isFolder(answer.metadata)) return undefined
      const { contentLength: size = 0, lastModified: modified = new Date(0) } = answer
      const { etag: version, contentMD5: md5, blobType: type } = answer
      return { found: { key, size, modified, version }, md5, type }
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
  }

  /** A blob cannot change its type, so that what is an append blob, as distribution writes them, goes first: only that. */
  async function removeOther(key: string): Promise<void> {
    const there = await look(key)
    if (there === undefined || there.type === 'BlockBlob') return
    try {
      await remove(key, there.found.version)
    } catch (error) {
      // Somebody else has removed or replaced it.
      if (!(error instanceof ConditionFailed)) throw error
    }
  }

  /** @throws ConditionFailed */
  async function put(
    key: string,
    bytes: readonly Uint8Array[],
    conditions: Conditions = {},
    round = 1
  ): Promise<void> {
    const isNew = conditions.ifNoneMatch !== undefined
    const size = bytes.reduce((sum, { length }) => sum + length, 0)
    const md5 = isNew || size <= MAX_HASHED ? md5Of(bytes) : undefined
    let attempts = 0
    try {
      await call('PutBlob', (abortSignal) => {
        attempts++
        return blobAt(key).upload(bodyOf(bytes), size, {
          abortSignal,
          blobHTTPHeaders: { blobContentType: CONTENT_TYPE },
          ...(md5 && { transactionalContentMD5: md5 }),
          conditions
        })
      })
    } catch (error) {
      const { code } = faultOf(error)
      if (isNew && EXISTS.has(code)) {
        // The answer to the first try may have been lost: then it is ours that is there.
        if (attempts > 1 && isSame((await look(key))?.md5, md5)) return
        throw new ConditionFailed(key, { cause: error })
      }
      if (conditions.ifMatch !== undefined && (code === 'ConditionNotMet' || isMissing(error)))
        throw new ConditionFailed(key, { cause: error })
      if (code !== 'InvalidBlobType' || round === ROUNDS) throw error
      await removeOther(key)
      await put(key, bytes, conditions, round + 1)
    }
  }

  /** For who replaces just what is there now. */
  async function conditionsNow(key: string): Promise<Conditions> {
    const version = (await look(key))?.found.version
    return version === undefined ? NEW : { ifMatch: version }
  }

  async function remove(key: string, version?: string): Promise<void> {
    let attempts = 0
    try {
      await call('DeleteBlob', (abortSignal) => {
        attempts++
        return blobAt(key).delete({
          abortSignal,
          deleteSnapshots: 'include',
          ...(version !== undefined && { conditions: { ifMatch: version } })
        })
      })
    } catch (error) {
      // Of a version, somebody else may have been first; unless it was our first try, the answer to which was lost.
      if (isMissing(error) && (version === undefined || attempts > 1)) return
      const isAnother = isMissing(error) || faultOf(error).code === 'ConditionNotMet'
      throw version !== undefined && isAnother ? new ConditionFailed(key, { cause: error }) : error
    }
  }

  const deleteAll = createDeleteAll({ container, blobAt, call, remove })

  return {
    head: (key) => guarded(async () => (await look(key))?.found),

    get: (key, range, version) =>
      guarded(async () => {
        try {
          return await openBlob(call, blobAt(key), range, version)
        } catch (error) {
          if (isMissing(error)) return undefined
          const { code, status } = faultOf(error)
          if (status === 416)
            throw new RangeError(`${key} ends before byte ${range?.start}`, { cause: error })
          if (version !== undefined && code === 'ConditionNotMet')
            throw new ConditionFailed(key, { cause: error })
          throw error
        }
      }),

    put: (key, bytes, { isNew = false, isContested = false } = {}) =>
      guarded(() =>
        isContested
          ? putContested(
              () => conditionsNow(key),
              (conditions) => put(key, bytes, conditions)
            )
          : put(key, bytes, isNew ? NEW : {})
      ),
    assemble: (target, pieces) =>
      guarded(() => assembleBlob({ call, blobAt, sourceAt, removeOther, tries, delayMs }, target, pieces)),
    delete: (key, version) => guarded(() => remove(key, version)),
    deleteAll: (keys) => guarded(() => deleteAll(keys)),
    list: (prefix, listed) => guarded(() => listPage({ container, root, call }, prefix, listed)),
    sign: (key, seconds) => guarded(() => sign(root + key, seconds))
  }
}

/** Without a copy, and to be read anew with each try. */
function bodyOf(bytes: readonly Uint8Array[]): HttpRequestBody {
  if (bytes.length > 1) return () => Readable.from(bytes)
  const [piece = new Uint8Array()] = bytes
  return Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength)
}

function md5Of(bytes: readonly Uint8Array[]): Uint8Array {
  const hash = createHash('md5')
  for (const piece of bytes) hash.update(piece)
  return hash.digest()
}

const isSame = (one: Uint8Array | undefined, other: Uint8Array | undefined): boolean =>
  one !== undefined && other !== undefined && Buffer.compare(one, other) === 0

/** Only the blob: a missing container or account is never "not found". */
const isMissing = (error: unknown): boolean => {
  const { status, code } = faultOf(error)
  return status === 404 && code === 'BlobNotFound'
}
