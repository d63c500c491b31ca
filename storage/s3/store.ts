import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand
} from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import type { ByteRange } from '../driver.ts'
import { endWhenSilent, SILENCE_MS } from '../objects/silence.ts'
import { ConditionFailed, type ObjectStore, type Opened } from '../objects/store.ts'
import type { S3Options } from '../options.ts'
import { createAssembly } from './assembly.ts'
import { bodyOf, crcOf, sizeOf } from './bodies.ts'
import type { Calls } from './calls.ts'
import type { Connection } from './client.ts'
import { CONTENT_TYPE, creationOf } from './creation.ts'
import { createDeletes } from './deletes.ts'
import { keysBelow } from './keys.ts'
import { abortOld, beginParts, type MultipartOptions } from './multipart.ts'

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

const NOTHING = async (): Promise<undefined> => undefined

/** @param conditions may be changed later, as they become known
 *  @param silenceMs as `endWhenSilent` has it */
export function createStore(
  connection: Connection,
  calls: Calls,
  options: S3Options,
  conditions: Conditions,
  silenceMs = SILENCE_MS
): ObjectStore & Required<Pick<ObjectStore, 'parts' | 'abortParts'>> {
  const { bucket: Bucket } = options
  const { call } = calls
  const keys = keysBelow(options.rootdirectory)
  const creation = creationOf(options)
  const { isAmazon } = connection.endpoint
  const multipart: MultipartOptions = { calls, bucket: Bucket, creation, isChecked: isAmazon }
  const deleteNames = createDeletes(calls, Bucket)
  const newDraft = (): string => keys.of(`@drafts/${randomUUID()}/0`)
  const assemble = createAssembly(multipart, options, { newDraft, removeDrafts: deleteNames })

  /** HEAD has no body, and does not say whether it is the bucket that is missing. */
  async function checkBucket(): Promise<void> {
    if (performance.now() - calls.lastSeen() < SEEN_MS) return
    await call('HeadBucket', async (client, abortSignal) => {
      return client.send(new HeadBucketCommand({ Bucket }), { abortSignal })
    })
  }

  async function head(key: string) {
    const found = await call(
      'HeadObject',
      async (client, abortSignal) =>
        client.send(new HeadObjectCommand({ Bucket, Key: keys.of(key) }), { abortSignal }),
      ({ status }) => (status === 404 ? checkBucket().then(NOTHING) : undefined)
    )
    if (found === undefined) return undefined
    const { ContentLength: size = 0, LastModified: modified = new Date(0), ETag: version = '' } = found
    return { key, size, modified, version }
  }

  async function get(key: string, range?: ByteRange, version?: string): Promise<Opened | undefined> {
    const input = {
      Bucket,
      Key: keys.of(key),
      Range: range && `bytes=${range.start}-${range.end}`,
      IfMatch: version
    }
    const answer = await call(
      'GetObject',
      async (client, signal) => {
        // The time of a try is up once the answer has begun; its body may take as long as the client who reads it.
        const controller = new AbortController()
        const abort = (): void => controller.abort(signal.reason)
        signal.addEventListener('abort', abort)
        try {
          return await client.send(new GetObjectCommand(input), { abortSignal: controller.signal })
        } finally {
          signal.removeEventListener('abort', abort)
        }
      },
      ({ status, code }) => {
        if (code === 'NoSuchKey') return NOTHING()
        if (status === 412) return Promise.reject(new ConditionFailed(key))
        if (status === 416) return Promise.reject(new RangeError(`${key} ends before ${range?.start}`))
        return undefined
      }
    )
    if (answer?.Body === undefined) return undefined
    const { ContentLength = 0, ContentRange = '', ETag = '', Body } = answer
    const size = Number(/\/(\d+)$/.exec(ContentRange)?.[1] ?? ContentLength)
    const chunks = Body as IncomingMessage
    endWhenSilent(chunks, silenceMs)
    return { size, version: ETag, chunks }
  }

  /** A condition failed, after an earlier try whose answer was lost: perhaps it was that which made the object. */
  async function wasOurs(key: string, bytes: readonly Uint8Array[]): Promise<boolean> {
    const opened = await get(key)
    if (opened?.size !== sizeOf(bytes)) return false
    const chunks: Uint8Array[] = []
    for await (const chunk of opened.chunks) chunks.push(chunk)
    return Buffer.concat(chunks).equals(Buffer.concat(bytes))
  }

  return {
    head,

    get,

    async put(key, bytes, { isNew } = { isNew: false }) {
      if (isNew && !conditions.create && (await head(key)) !== undefined) throw new ConditionFailed(key)
      const input = {
        Bucket,
        Key: keys.of(key),
        ...creation,
        ...(isAmazon && { ChecksumCRC32: crcOf(bytes) }),
        ...(isNew && conditions.create && { IfNoneMatch: '*' })
      }
      await call<unknown>(
        'PutObject',
        async (client, abortSignal) =>
          client.send(new PutObjectCommand({ ...input, ...bodyOf(bytes) }), { abortSignal }),
        ({ status }, tries) => {
          if (status !== 412) return undefined
          return (tries > 1 ? wasOurs(key, bytes) : Promise.resolve(false)).then((isOurs) => {
            if (!isOurs) throw new ConditionFailed(key)
          })
        },
        sizeOf(bytes)
      )
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
      const input = {
        Bucket,
        Key: keys.of(key),
        ...(version !== undefined && conditions.remove && { IfMatch: version })
      }
      await call<unknown>(
        'DeleteObject',
        async (client, abortSignal) => client.send(new DeleteObjectCommand(input), { abortSignal }),
        ({ status, code }, tries) => {
          if (status !== 412 && code !== 'NoSuchKey') return undefined
          // A try whose answer was lost may have removed it.
          const isDone = code === 'NoSuchKey' && (version === undefined || tries > 1)
          return isDone ? Promise.resolve() : Promise.reject(new ConditionFailed(key))
        }
      )
    },

    deleteAll: async (all) => deleteNames(all.map(keys.of)),

    async list(prefix, { byFolder, after, limit, from }) {
      const input = {
        Bucket,
        Prefix: keys.of(prefix),
        Delimiter: byFolder ? '/' : undefined,
        StartAfter: after === undefined ? undefined : keys.of(after),
        MaxKeys: limit,
        ContinuationToken: from
      }
      const page = await call('ListObjectsV2', async (client, abortSignal) => {
        return client.send(new ListObjectsV2Command(input), { abortSignal })
      })
      const objects = (page.Contents ?? []).flatMap(({ Key = '', Size = 0, LastModified = new Date(0) }) => {
        const key = keys.from(Key)
        // Some tools leave an empty object where they show a folder.
        if (key === undefined || (byFolder && (key === prefix || key.endsWith('/')))) return []
        return [{ key, size: Size, modified: LastModified }]
      })
      const folders = (page.CommonPrefixes ?? []).flatMap(({ Prefix = '' }) => {
        const key = keys.from(Prefix)?.slice(0, -1)
        return key === undefined || key === '' || key.endsWith('/') ? [] : [key]
      })
      return { objects, folders, next: page.IsTruncated ? page.NextContinuationToken : undefined }
    },

    abortParts: async (before) =>
      abortOld(multipart, OURS.map(keys.of), new Date(Math.min(before.getTime(), Date.now() - PARTS_MS))),

    async sign(key, seconds) {
      const command = new GetObjectCommand({
        Bucket,
        Key: keys.of(key),
        ResponseContentType: CONTENT_TYPE,
        ResponseCacheControl: 'private, no-store'
      })
      return getSignedUrl(connection.signer, command, { expiresIn: seconds })
    }
  }
}
