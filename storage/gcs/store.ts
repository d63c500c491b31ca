import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { ObjectNotFound, StorageUnavailable } from '../driver.ts'
import { putContested } from '../objects/contested.ts'
import { readText } from '../objects/exchange.ts'
import { ConditionFailed, type Found, type ObjectStore, type Piece } from '../objects/store.ts'
import { inParallel } from '../parallel.ts'
import { assemble } from './assemble.ts'
import { type Client, readJson } from './client.ts'
import { crc32c } from './crc32c.ts'
import { Corrupted, Refusal } from './faults.ts'
import { createLatest } from './latest.ts'

interface GcsStoreOptions {
  client: Client
  bucket: string
  /** With a slash at its end, or empty. */
  root: string
  kmskeyname: string | undefined
  /** @param name with the root */
  sign: (name: string, seconds: number) => Promise<string | undefined>
}

/** An object as the JSON API tells it: numbers are decimal texts. */
interface Resource {
  name: string
  size: string
  updated: string
  generation: string
  crc32c?: string
  contentType?: string
  metadata?: Record<string, string>
}

const FOUND = 'name,size,updated,generation,contentType'
const AT_ONCE = 16
/** Several replicas may put one tag all the time, of which Google takes one a second: five tries are too few. */
const ROUNDS = 3
/** distribution keeps the end of an upload in flight under its key: to itself it is no object either. */
const DISTRIBUTION_UPLOAD = 'application/x-docker-upload-session'

/** The generation of what is not there. */
const NONE = '0'

const ifGeneration = (mark: '?' | '&', generation: string | undefined): string =>
  generation === undefined ? '' : `${mark}ifGenerationMatch=${generation}`

const statusOf = (error: unknown): number | undefined => (error instanceof Refusal ? error.status : undefined)

/** Objects of a bucket, by its JSON API. */
export function createGcsStore({ client, bucket, root, kmskeyname, sign }: GcsStoreOptions): ObjectStore {
  const base = `/storage/v1/b/${encodeURIComponent(bucket)}/o`
  const upload = `/upload${base}?uploadType=multipart&fields=size,crc32c`
  const kms = kmskeyname === undefined ? '' : `&kmsKeyName=${encodeURIComponent(kmskeyname)}`
  const pathOf = (key: string): string => `${base}/${encodeURIComponent(root + key)}`

  const foundOf = ({ name, size, updated, generation }: Resource): Found => ({
    key: name.slice(root.length),
    size: Number(size),
    modified: new Date(updated),
    version: generation
  })

  /** Whether it is an object that is missing, of those that a 404 was for: the bucket may be.
   *  @throws StorageUnavailable when it is */
  async function isOnlyObject(refusal: unknown): Promise<boolean> {
    if (statusOf(refusal) !== 404) return false
    if (!/^(No such object|Object .* not found)/i.test((refusal as Refusal).message)) {
      await client.call({ operation: 'list', method: 'GET', path: `${base}?maxResults=1`, read: readText })
    }
    return true
  }

  async function look(key: string, fields: string): Promise<Resource | undefined> {
    try {
      return await client.call<Resource>({
        operation: 'head',
        method: 'GET',
        path: `${pathOf(key)}?fields=${fields}`,
        read: readJson,
        expected: [404]
      })
    } catch (error) {
      if (await isOnlyObject(error)) return undefined
      throw error
    }
  }

  /** @param generation of what is to be replaced; 0 where nothing is to be there. @throws ConditionFailed when there is another */
  async function send(key: string, bytes: readonly Uint8Array[], generation?: string): Promise<void> {
    const isNew = generation === NONE
    const size = bytes.reduce((sum, piece) => sum + piece.length, 0)
    const sum = crc32c(bytes)
    // Who asks for a new object a second time, since no answer came to the first, must know its own.
    const writer = randomUUID()
    const resource = {
      name: root + key,
      contentType: 'application/octet-stream',
      crc32c: sum,
      ...(isNew && { metadata: { writer } })
    }
    let tries = 0
    try {
      await client.call({
        operation: 'put',
        method: 'POST',
        path: `${upload}${kms}${ifGeneration('&', generation)}`,
        headers: { 'content-type': `multipart/related; boundary=${writer}` },
        body: [
          Buffer.from(
            `--${writer}\r\ncontent-type: application/json\r\n\r\n${JSON.stringify(resource)}\r\n--${writer}\r\ncontent-type: application/octet-stream\r\n\r\n`
          ),
          ...bytes,
          Buffer.from(`\r\n--${writer}--\r\n`)
        ],
        read: async (...answer) => {
          const kept = await readJson<Resource>(...answer)
          if (Number(kept.size) === size && (kept.crc32c ?? sum) === sum) return
          throw new Corrupted(
            `${key} has ${kept.size} bytes with the sum ${kept.crc32c}, not ${size}, ${sum}`
          )
        },
        expected: [412],
        onTry: () => tries++
      })
    } catch (error) {
      if (statusOf(error) !== 412) throw error
      if (isNew && tries > 1) {
        const there = await look(key, 'size,crc32c,metadata')
        if (there?.metadata?.writer === writer && Number(there.size) === size) return
      }
      throw new ConditionFailed(key, { cause: error })
    }
  }

  async function compose(target: string, pieces: readonly Piece[]): Promise<void> {
    const size = pieces.reduce((sum, piece) => sum + piece.size, 0)
    const request = {
      destination: { contentType: 'application/octet-stream' },
      sourceObjects: pieces.map(({ key }) => ({ name: root + key }))
    }
    let kept: Resource
    try {
      kept = await client.call<Resource>({
        operation: 'compose',
        method: 'POST',
        path: `${pathOf(target)}/compose?fields=size${kms}`,
        headers: { 'content-type': 'application/json' },
        body: [Buffer.from(JSON.stringify(request))],
        read: readJson,
        expected: [404]
      })
    } catch (error) {
      if (!(await isOnlyObject(error))) throw error
      throw new ObjectNotFound(pieces.map(({ key }) => key).join(', '), { cause: error })
    }
    if (Number(kept.size) !== size) {
      throw new StorageUnavailable(
        `Google Cloud Storage made ${target} of ${kept.size} bytes, and its pieces have ${size}`
      )
    }
  }

  async function remove(key: string, version?: string): Promise<void> {
    let tries = 0
    try {
      await client.call({
        operation: 'delete',
        method: 'DELETE',
        path: `${pathOf(key)}${ifGeneration('?', version)}`,
        read: readText,
        expected: [404, 412],
        onTry: () => tries++
      })
    } catch (error) {
      if (statusOf(error) === 412) throw new ConditionFailed(key, { cause: error })
      if (!(await isOnlyObject(error))) throw error
      // A first try without an answer may have removed it.
      if (version !== undefined && tries === 1) throw new ConditionFailed(key, { cause: error })
    }
  }

  const deleteAll = async (keys: readonly string[]): Promise<void> => {
    await inParallel(keys, AT_ONCE, async (key) => remove(key))
  }

  async function sendPatiently(
    key: string,
    bytes: readonly Uint8Array[],
    generation?: string
  ): Promise<void> {
    for (let round = 1; ; round++) {
      try {
        return await send(key, bytes, generation)
      } catch (error) {
        if (round === ROUNDS || statusOf((error as Error).cause) !== 429) throw error
      }
    }
  }

  const latest = createLatest<{ bytes: readonly Uint8Array[]; isContested: boolean }>(
    async (key, { bytes, isContested }) => {
      if (!isContested) return sendPatiently(key, bytes)
      await putContested(
        async () => (await look(key, 'generation'))?.generation ?? NONE,
        async (generation) => sendPatiently(key, bytes, generation)
      )
    }
  )

  return {
    async head(key) {
      const resource = await look(key, FOUND)
      return resource === undefined || resource.contentType === DISTRIBUTION_UPLOAD
        ? undefined
        : foundOf(resource)
    },

    async get(key, range, version) {
      try {
        return await client.call({
          operation: 'get',
          method: 'GET',
          path: `${pathOf(key)}?alt=media${ifGeneration('&', version)}`,
          headers: {
            // Otherwise what somebody has stored in compressed form would be expanded, and have other bytes and another size.
            'accept-encoding': 'gzip',
            ...(range && { range: `bytes=${range.start}-${range.end}` })
          },
          read: async (answer) => {
            if (answer.headers['content-type'] !== DISTRIBUTION_UPLOAD) return openedOf(answer)
            answer.destroy()
            return undefined
          },
          expected: [404, 412, 416]
        })
      } catch (error) {
        const status = statusOf(error)
        if (status === 412) throw new ConditionFailed(key, { cause: error })
        if (status === 416) throw new RangeError(`${key} ends before ${range?.start}`, { cause: error })
        if (await isOnlyObject(error)) return undefined
        throw error
      }
    },

    put: async (key, bytes, { isNew = false, isContested = false } = {}) =>
      isNew ? send(key, bytes, NONE) : latest(key, { bytes, isContested }),

    assemble: async (target, pieces) => assemble({ compose, deleteAll }, target, pieces),

    delete: remove,

    deleteAll,

    async list(prefix, { byFolder, after, limit = 1000, from }) {
      const query = new URLSearchParams({
        prefix: root + prefix,
        maxResults: String(limit),
        fields: 'nextPageToken,prefixes,items(name,size,updated,generation)'
      })
      if (byFolder) query.set('delimiter', '/')
      // It begins with this one. No key of the registry has a character below `-`.
      if (after !== undefined) query.set('startOffset', `${root}${after}!`)
      if (from !== undefined) query.set('pageToken', from)
      const page = await client.call<{ items?: Resource[]; prefixes?: string[]; nextPageToken?: string }>({
        operation: 'list',
        method: 'GET',
        path: `${base}?${query}`,
        read: readJson
      })
      return {
        objects: (page.items ?? []).map(foundOf),
        folders: (page.prefixes ?? []).map((folder) => folder.slice(root.length, -1)),
        next: page.nextPageToken || undefined
      }
    },

    sign: async (key, seconds) => sign(root + key, seconds)
  }
}

function openedOf(answer: IncomingMessage) {
  const { 'content-range': range, 'content-length': length, 'x-goog-generation': version } = answer.headers
  const size = Number(/\/(\d+)$/.exec(range ?? '')?.[1] ?? length)
  if (typeof version !== 'string' || !Number.isInteger(size)) {
    answer.destroy()
    throw new StorageUnavailable(
      'what answers for Google Cloud Storage says no generation or size of an object'
    )
  }
  return { size, version, chunks: answer as AsyncIterable<Uint8Array> }
}
