import { randomUUID } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import {
  type Appended,
  type Body,
  ObjectNotFound,
  OffsetConflict,
  type StorageDriver
} from '../../storage/driver.ts'
import {
  type Algorithm,
  algorithmOf,
  createHasher,
  type Digest,
  type Hasher,
  isDigest
} from '../oci/digest.ts'
import { RegistryError } from '../oci/error.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { ByteRange } from '../oci/range.ts'
import { type Blobs, checkDigest } from './blobs.ts'
import { readSmall } from './bytes.ts'
import { blobKey, uploadDataKey, uploadKey, uploadStartedAtKey, uploadsKey } from './layout.ts'
import { type Passage, passOn } from './passage.ts'
import type { Repositories } from './repositories.ts'
import type { Siblings } from './siblings.ts'

declare const checked: unique symbol

/** A UUID, as distribution's purger expects it; only parseUploadId and `start` make one. */
export type UploadId = string & { readonly [checked]: 'upload' }

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** @throws RegistryError BLOB_UPLOAD_UNKNOWN, since what is no UUID cannot name an upload */
export function parseUploadId(text: string): UploadId {
  if (!UUID.test(text)) throw new RegistryError('BLOB_UPLOAD_UNKNOWN')
  return text as UploadId
}

/**
 * Pushing a blob in steps. An upload is known by its repository and UUID alone, so it goes on in any process
 * that shares the storage. Distribution spec: "Pushing blobs".
 *
 * Every method but `start` and `pushWhole` throws RegistryError BLOB_UPLOAD_UNKNOWN for an upload that the repository lacks.
 */
export interface Uploads {
  /** A blob in one request. @throws as `start`; RegistryError DIGEST_INVALID */
  pushWhole(name: RepositoryName, digest: Digest, body: Body): Promise<void>
  /** @param algorithm which digest the client announced, so that it can be computed on the way
   *  @throws RegistryError STORAGE_RESERVED while too little space is left for new ones */
  start(name: RepositoryName, algorithm: Algorithm): Promise<UploadId>
  /** The number of bytes stored so far. */
  size(name: RepositoryName, id: UploadId): Promise<number>
  /**
   * Appends a chunk and gives the new size. Without `range` it goes where the upload ends. A body that breaks
   * off keeps what came. @throws RegistryError RANGE_INVALID when it does not begin there; SIZE_INVALID when `range` is not the body's length
   */
  append(name: RepositoryName, id: UploadId, body: Body, range?: ByteRange): Promise<number>
  /**
   * Appends the last chunk, if there is one, and makes the whole a blob of the repository.
   * @throws as `append`; RegistryError DIGEST_INVALID, which ends the upload: its bytes are not what was meant
   */
  finish(
    name: RepositoryName,
    id: UploadId,
    digest: Digest,
    last?: { body: Body; range?: ByteRange | undefined }
  ): Promise<void>
  /** Ends the upload and frees what it holds. */
  cancel(name: RepositoryName, id: UploadId): Promise<void>
  /** Cancels what clients have abandoned, as far as `mayRemove` says so when it is asked with a name for the log: every upload to which nothing was added since this moment or, if it is
   *  distribution's, that was started before it. Gives how many. Lets storage tidy up after crashes as well. */
  purge(before: Date, mayRemove?: (name: string) => boolean): Promise<number>
}

interface Parts {
  storage: StorageDriver
  blobs: Blobs
  repositories: Pick<Repositories, 'folders'>
  siblings: Siblings
  /** Whether there is room for a new upload. @throws RegistryError STORAGE_RESERVED */
  requireSpace(): Promise<void>
}

/** The mark that storage keeps with an upload's size: the digest of its bytes so far, in a file name's letters. */
const toMark = (digest: Digest): string => digest.replace(':', '-')

function fromMark(mark: string): Digest | undefined {
  const text = mark.replace('-', ':')
  return isDigest(text) ? text : undefined
}

/** For a sibling that has to hash what other processes have stored of an upload: some 30 GiB. Then it is done here. */
const HASHING_MS = 30_000

export function createUploads({ storage, blobs, repositories, siblings, requireSpace }: Parts): Uploads {
  // Node cannot store a running hash, so the process that has it goes on with it, whoever stores the bytes: what it
  // missed it reads from storage, once it is asked. Only when it is gone are bytes hashed twice.
  const running = new LRUCache<UploadId, Hasher>({ max: 10_000 })

  async function find(name: RepositoryName, id: UploadId): Promise<Appended> {
    const state = await storage.appended(uploadDataKey(name, id))
    if (state === undefined) throw new RegistryError('BLOB_UPLOAD_UNKNOWN')
    return state
  }

  /** The hash of the first `size` bytes, if this process has that of some of them. */
  async function hasherAt(
    name: RepositoryName,
    id: UploadId,
    size: number,
    algorithm?: Algorithm
  ): Promise<Hasher | undefined> {
    const hasher = running.get(id)?.copy()
    if (hasher === undefined || hasher.size === 0 || hasher.size > size) return undefined
    if (algorithm !== undefined && algorithm !== hasher.algorithm) return undefined
    if (hasher.size < size) await readInto(hasher, name, id, size)
    return hasher
  }

  async function readInto(hasher: Hasher, name: RepositoryName, id: UploadId, size: number): Promise<void> {
    const range = { start: hasher.size, end: size - 1 }
    for await (const chunk of storage.readAppended(uploadDataKey(name, id), range)) hasher.update(chunk)
    if (hasher.size !== size) throw new Error(`upload ${id} of ${name} has fewer bytes than its ${size}`)
  }

  siblings.onQuestion('digest of an upload', async (question) => {
    const [name, id, size, algorithm] = JSON.parse(question)
    return (await hasherAt(name, id, size, algorithm))?.digest()
  })

  async function append(
    name: RepositoryName,
    id: UploadId,
    body: Body,
    range: ByteRange | undefined
  ): Promise<number> {
    const known = running.get(id)?.copy()
    if (known !== undefined && (range === undefined || range.start === known.size)) {
      const passage = passOn(body, range, known)
      try {
        return await appendAt(name, id, known.size, passage)
      } catch (error) {
        // Another process has gone on with it since: storage has said so before it took a byte.
        const isElsewhere = error instanceof OffsetConflict || error instanceof ObjectNotFound
        if (passage.isBegun() || !isElsewhere) throw error
      }
    }
    const state = await find(name, id)
    if (range !== undefined && range.start !== state.size) throw notAt(state.size)
    return appendAt(name, id, state.size, passOn(body, range, await hasherFor(name, id, state)))
  }

  async function hasherFor(name: RepositoryName, id: UploadId, state: Appended): Promise<Hasher | undefined> {
    if (state.size > 0) return hasherAt(name, id, state.size)
    const digest = fromMark(state.mark)
    return createHasher(digest === undefined ? 'sha256' : algorithmOf(digest))
  }

  async function appendAt(
    name: RepositoryName,
    id: UploadId,
    offset: number,
    { chunks, hasher, isItsOwn }: Passage
  ): Promise<number> {
    let stored: number | undefined
    const mark = (size: number): string => {
      stored = size
      return hasher?.size === size ? toMark(hasher.digest()) : ''
    }
    const isStored = (): void => {
      if (hasher?.size === stored) running.set(id, hasher)
    }
    try {
      const size = await storage.append(uploadDataKey(name, id), offset, chunks, mark)
      isStored()
      return size
    } catch (error) {
      if (isItsOwn(error)) isStored()
      throw error
    }
  }

  function commit(name: RepositoryName, id: UploadId, size: number, digest: Digest): Promise<void> {
    return blobs.stored(digest, async () => {
      await storage.commit(uploadDataKey(name, id), size, blobKey(digest))
      return size
    })
  }

  /** Makes it a blob if this process knows its digest to be this one, and no other has gone on with it since. */
  async function commitKnown(name: RepositoryName, id: UploadId, digest: Digest): Promise<boolean> {
    const hasher = running.get(id)
    if (hasher?.algorithm !== algorithmOf(digest) || hasher.digest() !== digest) return false
    try {
      await commit(name, id, hasher.size, digest)
      return true
    } catch (error) {
      if (error instanceof OffsetConflict || error instanceof ObjectNotFound) return false
      throw error
    }
  }

  async function digestOfUpload(
    name: RepositoryName,
    id: UploadId,
    state: Appended,
    wanted: Digest
  ): Promise<Digest> {
    const known = fromMark(state.mark)
    if (known !== undefined && algorithmOf(known) === algorithmOf(wanted)) return known
    const algorithm = algorithmOf(wanted)
    const here = await hasherAt(name, id, state.size, algorithm)
    if (here !== undefined) return here.digest()
    const question = JSON.stringify([name, id, state.size, algorithm])
    const [there] = await siblings.ask('digest of an upload', question, HASHING_MS)
    if (there !== undefined && isDigest(there)) return there
    const hasher = createHasher(algorithm)
    await readInto(hasher, name, id, state.size)
    return hasher.digest()
  }

  /** An upload without its start time is what a cancellation that broke off has left. */
  async function isOlder(name: RepositoryName, id: UploadId, before: Date): Promise<boolean> {
    const text = await readSmall(storage, uploadStartedAtKey(name, id), 64)
    return text === undefined || Date.parse(text.toString()) < before.getTime()
  }

  /** @param later the blob is stored, and nobody waits for what the upload has left */
  async function end(name: RepositoryName, id: UploadId, later = false): Promise<void> {
    running.delete(id)
    await storage.abandon(uploadDataKey(name, id), later)
  }

  return {
    async pushWhole(name, digest, body) {
      await requireSpace()
      await blobs.write(name, digest, body)
    },

    async start(name, algorithm) {
      await requireSpace()
      const id = randomUUID() as UploadId
      const hasher = createHasher(algorithm)
      await storage.begin(uploadDataKey(name, id), toMark(hasher.digest()))
      running.set(id, hasher)
      return id
    },

    async size(name, id) {
      return (await find(name, id)).size
    },

    append: (name, id, body, range) => translate(append(name, id, body, range)),

    async finish(name, id, digest, last) {
      try {
        if (last !== undefined && (await find(name, id)).size === 0) {
          if (last.range !== undefined && last.range.start !== 0) throw notAt(0)
          const { chunks } = passOn(last.body, last.range)
          await blobs.write(name, digest, chunks)
          await end(name, id, true)
          return
        }
        if (last !== undefined) await translate(append(name, id, last.body, last.range))
        if (!(await commitKnown(name, id, digest))) {
          const state = await find(name, id)
          checkDigest(digest, await digestOfUpload(name, id, state, digest))
          await translate(commit(name, id, state.size, digest))
        }
        running.delete(id)
        await blobs.link(name, digest)
      } catch (error) {
        if (error instanceof RegistryError && error.name === 'DIGEST_INVALID') await end(name, id)
        throw error
      }
    },

    async cancel(name, id) {
      await find(name, id)
      await end(name, id)
      await storage.deleteFolder(uploadKey(name, id))
    },

    async purge(before, mayRemove = () => true) {
      let count = await storage.tidy(before, mayRemove)
      for await (const name of repositories.folders()) {
        for (const id of await storage.list(uploadsKey(name))) {
          if (!UUID.test(id) || !(await isOlder(name, id as UploadId, before))) continue
          if (!mayRemove(uploadKey(name, id))) continue
          await storage.deleteFolder(uploadKey(name, id))
          count++
        }
      }
      return count
    }
  }
}

function notAt(size: number): RegistryError {
  return new RegistryError(
    'RANGE_INVALID',
    `the upload holds ${size} bytes: the next chunk must start at ${size}`
  )
}

/** What the driver says of an object in the making, in the words of the specification. */
async function translate<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    if (error instanceof OffsetConflict) throw notAt(error.size)
    if (error instanceof ObjectNotFound) {
      throw new RegistryError('BLOB_UPLOAD_UNKNOWN', undefined, { cause: error })
    }
    throw error
  }
}
