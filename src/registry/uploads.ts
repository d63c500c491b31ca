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
 * Every method but `start` throws RegistryError BLOB_UPLOAD_UNKNOWN for an upload that the repository lacks.
 */
export interface Uploads {
  /** @param algorithm which digest the client announced, so that it can be computed on the way */
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
  /** Cancels what clients have abandoned: every upload that was started before this moment. Gives how many.
   *  Lets storage tidy up after crashes as well. */
  purge(before: Date): Promise<number>
}

interface Parts {
  storage: StorageDriver
  blobs: Blobs
  repositories: Pick<Repositories, 'folders'>
  siblings: Siblings
  now: () => Date
}

/** The mark that storage keeps with an upload's size: the digest of its bytes so far, in a file name's letters. */
const toMark = (digest: Digest): string => digest.replace(':', '-')

function fromMark(mark: string): Digest | undefined {
  const text = mark.replace('-', ':')
  return isDigest(text) ? text : undefined
}

/** For a sibling that has to hash what other processes have stored of an upload: half a terabyte on a slow machine. */
const HASHING_MS = 600_000

/** For an upload of which nothing has come yet. */
function newHasher({ mark }: Appended): Hasher {
  const digest = fromMark(mark)
  return createHasher(digest === undefined ? 'sha256' : algorithmOf(digest))
}

export function createUploads({ storage, blobs, repositories, siblings, now }: Parts): Uploads {
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
    if (hasher === undefined || hasher.size > size) return undefined
    if (algorithm !== undefined && algorithm !== hasher.algorithm) return undefined
    if (hasher.size < size) await readInto(hasher, name, id, size)
    return hasher
  }

  async function readInto(hasher: Hasher, name: RepositoryName, id: UploadId, size: number): Promise<void> {
    const range = { start: hasher.size, end: size - 1 }
    for await (const chunk of storage.readAppended(uploadDataKey(name, id), range)) hasher.update(chunk)
  }

  siblings.onQuestion('digest of an upload', async (question) => {
    const [name, id, size, algorithm] = JSON.parse(question)
    return (await hasherAt(name, id, size, algorithm))?.digest()
  })

  async function append(
    name: RepositoryName,
    id: UploadId,
    state: Appended,
    body: Body,
    range: ByteRange | undefined
  ): Promise<number> {
    if (range !== undefined && range.start !== state.size) throw notAt(state.size)
    const hasher = state.size === 0 ? newHasher(state) : await hasherAt(name, id, state.size)
    const chunks = hashed(range === undefined ? body : exactly(body, range), hasher)
    const mark = (size: number): string => {
      if (hasher?.size !== size) return ''
      running.set(id, hasher)
      return toMark(hasher.digest())
    }
    return translate(storage.append(uploadDataKey(name, id), state.size, chunks, mark))
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

  async function end(name: RepositoryName, id: UploadId): Promise<void> {
    running.delete(id)
    await storage.deleteFolder(uploadKey(name, id))
  }

  return {
    async start(name, algorithm) {
      const id = randomUUID() as UploadId
      const startedAt = `${now().toISOString().slice(0, 19)}Z`
      await storage.write(uploadStartedAtKey(name, id), [Buffer.from(startedAt)])
      await storage.begin(uploadDataKey(name, id), toMark(createHasher(algorithm).digest()))
      return id
    },

    async size(name, id) {
      return (await find(name, id)).size
    },

    async append(name, id, body, range) {
      return append(name, id, await find(name, id), body, range)
    },

    async finish(name, id, digest, last) {
      let state = await find(name, id)
      try {
        if (last !== undefined && state.size === 0) {
          if (last.range !== undefined && last.range.start !== 0) throw notAt(0)
          const body = last.range === undefined ? last.body : exactly(last.body, last.range)
          await blobs.write(name, digest, body)
        } else {
          if (last !== undefined) {
            await append(name, id, state, last.body, last.range)
            state = await find(name, id)
          }
          checkDigest(digest, await digestOfUpload(name, id, state, digest))
          await translate(storage.commit(uploadDataKey(name, id), state.size, blobKey(digest)))
          await blobs.link(name, digest)
        }
      } catch (error) {
        if (error instanceof RegistryError && error.name === 'DIGEST_INVALID') await end(name, id)
        throw error
      }
      await end(name, id)
    },

    async cancel(name, id) {
      await find(name, id)
      await end(name, id)
    },

    async purge(before) {
      let count = 0
      for await (const name of repositories.folders()) {
        for (const id of await storage.list(uploadsKey(name))) {
          if (!UUID.test(id) || !(await isOlder(name, id as UploadId, before))) continue
          await end(name, id as UploadId)
          count++
        }
      }
      await storage.tidy?.()
      return count
    }
  }
}

async function* hashed(body: Body, hasher: Hasher | undefined): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    hasher?.update(chunk)
    yield chunk
  }
}

/** Passes on a body that must be as long as its range says. @throws RegistryError SIZE_INVALID */
async function* exactly(body: Body, { start, end }: ByteRange): AsyncGenerator<Uint8Array> {
  const stated = end - start + 1
  let size = 0
  for await (const chunk of body) {
    size += chunk.length
    if (size > stated) break
    yield chunk
  }
  if (size === stated) return
  const sent = size > stated ? `more than ${stated}` : String(size)
  throw new RegistryError('SIZE_INVALID', `Content-Range states ${stated} bytes, but ${sent} were sent`)
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
