import { randomUUID } from 'node:crypto'
import { type ByteRange, ObjectNotFound, StorageUnavailable } from '../driver.ts'
import { readObject } from '../objects/reading.ts'
import { ConditionFailed, type Found, type ObjectStore, type Opened } from '../objects/store.ts'
import type { S3Options } from '../options.ts'
import { createAssembly } from './assembly.ts'
import { crcOf, sizeOf } from './bodies.ts'
import { type Calls, readNothing, readXml } from './calls.ts'
import type { Connection } from './client.ts'
import { CONTENT_TYPE, creationOf } from './creation.ts'
import { createDeletes } from './deletes.ts'
import { keysBelow } from './keys.ts'
import { abortOld, beginParts, type MultipartOptions } from './multipart.ts'
import { listOf, textOf } from './xml.ts'

/** Which conditions the store heeds. Some ignore them without a word. */
export interface Conditions {
  /** `If-None-Match: *` of a put. */
  create: boolean
  /** `If-Match` of a delete. */
  remove: boolean
}

/** Below the root, where multipart uploads can be ours or those of CNCF distribution. */
const OURS = ['docker/registry/', '@']

/** A bucket that was seen so lately is not looked for when an object is missing. */
const SEEN_MS = 10_000

/** The store tells when parts were begun, not when the last came. No body takes longer than this. */
const PARTS_MS = 24 * 3_600_000

/** What the store is to say to who comes with a signed URL. */
const SIGNED = { 'response-cache-control': 'private, no-store', 'response-content-type': CONTENT_TYPE }

const NOTHING = async (): Promise<undefined> => undefined

/** @param conditions may be changed later, as they become known */
export function createStore(
  connection: Connection,
  calls: Calls,
  options: S3Options,
  conditions: Conditions
): ObjectStore & Required<Pick<ObjectStore, 'parts' | 'abortParts'>> {
  const { call } = calls
  const keys = keysBelow(options.rootdirectory)
  const creation = creationOf(options)
  const { isAmazon } = connection.endpoint
  const multipart: MultipartOptions = { calls, creation, isChecked: isAmazon }
  const deleteNames = createDeletes(calls)
  const newDraft = (): string => keys.of(`@drafts/${randomUUID()}/0`)
  const assemble = createAssembly(options.bucket, multipart, options, { newDraft, removeDrafts: deleteNames })
  const readPage = readXml('ListBucketResult')

  /** HEAD has no body, and does not say whether it is the bucket that is missing. */
  async function checkBucket(): Promise<void> {
    if (performance.now() - calls.lastSeen() < SEEN_MS) return
    await call({ operation: 'HeadBucket', method: 'HEAD', read: readNothing })
  }

  async function head(key: string): Promise<Found | undefined> {
    return call<Found | undefined>({
      operation: 'HeadObject',
      method: 'HEAD',
      name: keys.of(key),
      async read(answer) {
        await readNothing(answer)
        const { headers } = answer
        const modified = new Date(headers['last-modified'] ?? 0)
        return { key, size: Number(headers['content-length'] ?? 0), modified, version: headers.etag ?? '' }
      },
      answers: ({ status }) => (status === 404 ? checkBucket().then(NOTHING) : undefined)
    })
  }

  async function get(key: string, range?: ByteRange, version?: string): Promise<Opened | undefined> {
    return call<Opened | undefined>({
      operation: 'GetObject',
      method: 'GET',
      name: keys.of(key),
      headers: {
        ...(range !== undefined && { range: `bytes=${range.start}-${range.end}` }),
        ...(version !== undefined && { 'if-match': version })
      },
      async read(answer) {
        const { 'content-range': place = '', 'content-length': length, etag = '' } = answer.headers
        const [, start = 0, size = Number(length)] = (/(\d+)-\d+\/(\d+)$/.exec(place) ?? []).map(Number)
        // Some proxies leave out ranges, or lengths: what comes then would be taken for other bytes.
        if (Number.isNaN(size) || start !== (range?.start ?? 0)) {
          answer.destroy()
          throw new Error(`of ${key} the store does not send what was asked for, or not how long it is`)
        }
        return { size, version: etag, chunks: answer }
      },
      answers({ status, code }) {
        if (code === 'NoSuchKey') return NOTHING()
        if (status === 412) return Promise.reject(new ConditionFailed(key))
        if (status === 416) return Promise.reject(new RangeError(`${key} ends before ${range?.start}`))
        return undefined
      }
    })
  }

  /** A condition failed, after an earlier try whose answer was lost: perhaps it was that which made the object. */
  async function wasOurs(key: string, bytes: readonly Uint8Array[]): Promise<boolean> {
    if ((await head(key))?.size !== sizeOf(bytes)) return false
    const chunks: Uint8Array[] = []
    try {
      for await (const chunk of readObject({ get, head }, key)) chunks.push(Buffer.from(chunk))
    } catch (error) {
      if (error instanceof ObjectNotFound) return false
      throw error
    }
    return Buffer.concat(chunks).equals(Buffer.concat(bytes))
  }

  return {
    head,

    get,

    async put(key, bytes, { isNew } = { isNew: false }) {
      if (isNew && !conditions.create && (await head(key)) !== undefined) throw new ConditionFailed(key)
      await call({
        operation: 'PutObject',
        method: 'PUT',
        name: keys.of(key),
        headers: {
          ...creation,
          ...(isAmazon && { 'x-amz-checksum-crc32': crcOf(bytes) }),
          ...(isNew && conditions.create && { 'if-none-match': '*' })
        },
        body: bytes,
        read: readNothing,
        answers({ status }, tries) {
          if (status !== 412) return undefined
          return (tries > 1 ? wasOurs(key, bytes) : Promise.resolve(false)).then((isOurs) => {
            if (!isOurs) throw new ConditionFailed(key)
          })
        }
      })
    },

    assemble(target, pieces) {
      return assemble(
        keys.of(target),
        pieces.map((piece) => ({ ...piece, name: keys.of(piece.key) }))
      )
    },

    parts: async (key) => beginParts(multipart, keys.of(key)),

    async delete(key, version) {
      if (version !== undefined && !conditions.remove) {
        if ((await head(key))?.version !== version) throw new ConditionFailed(key)
      }
      await call({
        operation: 'DeleteObject',
        method: 'DELETE',
        name: keys.of(key),
        ...(version !== undefined && conditions.remove && { headers: { 'if-match': version } }),
        read: readNothing,
        answers({ status, code }, tries) {
          if (status !== 412 && code !== 'NoSuchKey') return undefined
          // A try whose answer was lost may have removed it.
          const isDone = code === 'NoSuchKey' && (version === undefined || tries > 1)
          return isDone ? Promise.resolve() : Promise.reject(new ConditionFailed(key))
        }
      })
    },

    deleteAll: async (all) => deleteNames(all.map(keys.of)),

    async list(prefix, { byFolder, after, limit, from }) {
      const page = await call({
        operation: 'ListObjectsV2',
        method: 'GET',
        query: {
          'list-type': 2,
          prefix: keys.of(prefix),
          delimiter: byFolder ? '/' : undefined,
          'start-after': after === undefined ? undefined : keys.of(after),
          'max-keys': limit,
          'continuation-token': from
        },
        read: readPage
      })
      const objects = listOf(page, 'Contents').flatMap((found) => {
        const key = keys.from(textOf(found, 'Key') ?? '')
        // Some tools leave an empty object where they show a folder.
        if (key === undefined || (byFolder && (key === prefix || key.endsWith('/')))) return []
        const modified = new Date(textOf(found, 'LastModified') ?? 0)
        return [{ key, size: Number(textOf(found, 'Size') ?? 0), modified }]
      })
      const folders = listOf(page, 'CommonPrefixes').flatMap((folder) => {
        const key = keys.from(textOf(folder, 'Prefix') ?? '')?.slice(0, -1)
        return key === undefined || key === '' || key.endsWith('/') ? [] : [key]
      })
      const isMore = textOf(page, 'IsTruncated') === 'true'
      const next = textOf(page, 'NextContinuationToken')
      // Nobody may take a part of a list for the whole: what is not in it is garbage to some.
      if (isMore && (next === undefined || next === from)) {
        throw new StorageUnavailable(
          `the store does not say how the list of ${prefix} goes on: it must know ListObjectsV2`
        )
      }
      return { objects, folders, next: isMore ? next : undefined }
    },

    abortParts: async (before) =>
      abortOld(calls, OURS.map(keys.of), new Date(Math.min(before.getTime(), Date.now() - PARTS_MS))),

    sign: async (key, seconds) => calls.sign(keys.of(key), SIGNED, seconds)
  }
}
