import type { Answer, RequestOptions, Send } from './client.ts'
import {
  type Algorithm,
  type Blob,
  blobOf,
  configOf,
  digestOf,
  EMPTY,
  imageOf,
  type Manifest,
  type Random
} from './content.ts'
import { errorCodes, Failed, inWords, locationOf, NotSetUp, Skipped, withQuery } from './expect.ts'

/** A repository of a case's own: its requests, and what a case needs to be there before it can judge. */
export interface Repository {
  name: string
  /** @param target a path below `/v2/<name>/`, one that begins with `/`, or an address that the registry gave */
  send(method: string, target: string | URL, options?: RequestOptions): Promise<Answer>
  get(target: string | URL, headers?: Record<string, string>): Promise<Answer>
  head(target: string | URL, headers?: Record<string, string>): Promise<Answer>
  delete(target: string | URL): Promise<Answer>
  /** Sends a chunk, or all, of a blob; `range` is its `Content-Range`. */
  patch(upload: URL, bytes: Uint8Array, range?: string): Promise<Answer>
  /** Closes an upload, with the bytes that are still missing. */
  close(upload: URL, digest: string, bytes?: Uint8Array, range?: string): Promise<Answer>
  putManifest(reference: string, manifest: Manifest, headers?: Record<string, string>): Promise<Answer>

  // These must work for a case to say anything. They throw NotSetUp, or Skipped where the registry takes no pushes.
  openUpload(): Promise<URL>
  pushBlob(bytes?: Buffer, algorithm?: Algorithm): Promise<Blob>
  /** By digest, and by the tags if there are any. */
  pushManifest(manifest: Manifest, ...tags: string[]): Promise<Manifest>
  /** An image's configuration, which differs from all others. */
  pushConfig(): Promise<Blob>
  /** An image of random content: a config, and a layer. */
  pushImage(...tags: string[]): Promise<Manifest>
  /** What artifacts have in place of a config. */
  pushEmpty(): Promise<Blob>
}

const OCTETS = { 'content-type': 'application/octet-stream' }

export function createRepository(registry: URL, name: string, send: Send, random: Random): Repository {
  const here: Repository = {
    name,
    send(method, target, options) {
      const path = typeof target === 'string' && !target.startsWith('/') ? `/v2/${name}/${target}` : target
      return send(method, new URL(path, registry), options)
    },
    get: (target, headers = {}) => here.send('GET', target, { headers }),
    head: (target, headers = {}) => here.send('HEAD', target, { headers }),
    delete: (target) => here.send('DELETE', target),
    patch: (upload, body, range) => here.send('PATCH', upload, { headers: chunkHeaders(range), body }),
    close: (upload, digest, body = Buffer.alloc(0), range = undefined) =>
      here.send('PUT', withQuery(upload, { digest }), { headers: chunkHeaders(range), body }),
    putManifest: (reference, { bytes, mediaType }, headers = {}) =>
      here.send('PUT', `manifests/${reference}`, {
        headers: { 'content-type': mediaType, ...headers },
        body: bytes
      }),

    openUpload: () =>
      setUp('an upload', async () => locationOf(accepted(await here.send('POST', 'blobs/uploads/'), 202))),

    async pushBlob(bytes = random.bytes(1024), algorithm = 'sha256') {
      const blob = blobOf(bytes, algorithm)
      const upload = await here.openUpload()
      await setUp('a blob', async () => accepted(await here.close(upload, blob.digest, bytes), 201))
      return blob
    },

    async pushManifest(manifest, ...tags) {
      for (const reference of [manifest.digest, ...tags]) {
        await setUp('a manifest', async () => accepted(await here.putManifest(reference, manifest), 201))
      }
      return manifest
    },

    pushConfig: () => here.pushBlob(configOf(random.word())),

    async pushImage(...tags) {
      const config = await here.pushConfig()
      return here.pushManifest(imageOf(config, [await here.pushBlob()]), ...tags)
    },

    pushEmpty: () => here.pushBlob(EMPTY.bytes)
  }
  return here
}

function chunkHeaders(range: string | undefined): Record<string, string> {
  return range === undefined ? OCTETS : { ...OCTETS, 'content-range': range }
}

function accepted(answer: Answer, status: number): Answer {
  if (answer.status === 405)
    throw new Skipped(`the registry takes no pushes: ${answer.sent}: ${inWords(answer)}`)
  if (answer.status !== status) throw new Failed(`${answer.sent}: expected ${status}, got ${inWords(answer)}`)
  return answer
}

async function setUp<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof Failed) throw new NotSetUp(`${what} could not be pushed: ${error.message}`)
    throw error
  }
}

/** Distribution says the code also where an upload is there, but went on and gave no Location that ends it. */
function isGone(answer: Answer): boolean {
  return answer.status < 300 || (answer.status === 404 && !errorCodes(answer).includes('BLOB_UPLOAD_INVALID'))
}

/** Remembers what a case leaves in the registry, so that it can be taken away again. */
export interface Leftovers {
  /** The same `send`, with an eye on what it leaves. */
  watch(send: Send): Send
  /** Deletes what can be deleted. Gives the paths of what is there still. */
  remove(): Promise<string[]>
}

/** @param send what deletes */
export function createLeftovers(send: Send, registry: URL): Leftovers {
  const manifests = new Set<string>()
  const blobs = new Set<string>()
  const uploads = new Map<string, URL>()

  function note(method: string, url: URL, options: RequestOptions, { status, headers }: Answer): void {
    const [, base, kind, rest = ''] = /^(\/v2\/.+)\/(blobs|manifests)\/(.*)$/.exec(url.pathname) ?? []
    const digest = url.searchParams.get('digest')
    if (kind === 'manifests' && method === 'PUT' && status === 201) {
      const reference = /:|%3A/i.test(rest) ? rest : digestOf(options.body ?? Buffer.alloc(0))
      manifests.add(`${base}/manifests/${reference}`)
    } else if (kind === 'blobs' && status === 201) {
      uploads.delete(url.pathname)
      blobs.add(`${base}/blobs/${digest ?? url.searchParams.get('mount')}`)
    } else if (status === 202 || status === 204) {
      if (headers.location === undefined || !URL.canParse(headers.location, url.href)) return
      const upload = new URL(headers.location, url)
      // A Location may hold how far the upload is, and then only the latest is good for its end.
      if (method !== 'POST') uploads.delete(url.pathname)
      if (method !== 'DELETE') uploads.set(upload.pathname, upload)
    }
  }

  return {
    watch: (send) =>
      async function sendWatched(method, url, options = {}) {
        const answer = await send(method, url, options)
        note(method, url, options, answer)
        return answer
      },
    async remove() {
      const left: string[] = []
      let isThere = true
      for (const kind of [uploads.values(), manifests, blobs]) {
        let deletes = isThere
        for (const target of kind) {
          const url = new URL(target, registry)
          const answer = deletes ? await send('DELETE', url).catch(() => undefined) : undefined
          if (deletes && answer === undefined) isThere = false
          if (answer === undefined || answer.status === 405) deletes = false // it would say so for all of them
          if (answer === undefined || !isGone(answer)) left.push(url.pathname)
        }
      }
      return left
    }
  }
}
