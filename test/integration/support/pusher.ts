import { type Client, digestOf, type Reply } from './client.ts'

/** An answer that the specification does not allow here. */
export class UnexpectedReply extends Error {
  override readonly name = 'UnexpectedReply'
  readonly reply: Reply
  constructor(what: string, reply: Reply) {
    super(`${what}: got ${reply.status} ${reply.body.toString().slice(0, 300)}`)
    this.reply = reply
  }
}

/** A blob on its way, and how far the registry has said that it is. */
export interface Upload {
  readonly name: string
  readonly content: Buffer
  readonly digest: string
  /** Where it goes on; undefined until the registry has opened it. */
  location: string | undefined
  /** So many bytes the registry has acknowledged. */
  acknowledged: number
  /** So many have been sent at most. */
  sent: number
  /** Its closing request has been sent. */
  closing: boolean
}

export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
export const OCI_CONFIG = 'application/vnd.oci.image.config.v1+json'
export const OCI_LAYER = 'application/vnd.oci.image.layer.v1.tar'

const OCTETS = { 'content-type': 'application/octet-stream' }

/** An upload of which nothing has been sent. */
export function uploadOf(name: string, content: Buffer): Upload {
  return {
    name,
    content,
    digest: digestOf(content),
    location: undefined,
    acknowledged: 0,
    sent: 0,
    closing: false
  }
}

/** The ways in which clients push, one call for each request they make. Each throws UnexpectedReply. */
export interface Pusher {
  open(upload: Upload): Promise<void>
  /** PATCH with Content-Range: the bytes from what is acknowledged up to `end`. */
  append(upload: Upload, end: number): Promise<void>
  /** PATCH without a length: all that is not acknowledged. */
  stream(upload: Upload): Promise<void>
  /** The closing PUT, with all that is not acknowledged. */
  finish(upload: Upload): Promise<void>
  /** GET of the upload: how many bytes the registry has (one byte reads as none), or undefined on a 404. */
  progress(upload: Upload): Promise<number | undefined>
  /** `POST ?digest=` with the whole blob. */
  post(name: string, content: Buffer): Promise<void>
  mount(name: string, from: string, digest: string): Promise<void>
  /** Gives the manifest's digest. */
  manifest(name: string, reference: string, manifest: Buffer, mediaType?: string): Promise<string>
  /** Deletes a tag, and says whether it was there. */
  untag(name: string, tag: string): Promise<boolean>
  /** Deletes what must be there: `manifests/DIGEST` or `blobs/DIGEST`. */
  remove(name: string, target: string): Promise<void>
  /** `open` and `finish`: a blob as most clients push it. Gives its digest. */
  blob(name: string, content: Buffer): Promise<string>
}

export function createPusher(client: Client): Pusher {
  async function send(
    expected: number,
    method: string,
    path: string,
    headers: Record<string, string | number> = {},
    body: Uint8Array | AsyncIterable<Uint8Array> = new Uint8Array()
  ): Promise<Reply> {
    const length = body instanceof Uint8Array ? { 'content-length': body.length } : {}
    const reply = await client.request(method, path, { headers: { ...length, ...headers }, body })
    if (reply.status !== expected) throw new UnexpectedReply(`${method} ${path}`, reply)
    return reply
  }

  async function patch(
    upload: Upload,
    headers: Record<string, string | number>,
    body: Uint8Array | AsyncIterable<Uint8Array>,
    end: number
  ): Promise<void> {
    upload.sent = Math.max(upload.sent, end)
    const reply = await send(202, 'PATCH', locationOf(upload), { ...OCTETS, ...headers }, body)
    upload.location = pathOf(reply)
    if (reply.headers.range !== rangeOf(end)) {
      throw new UnexpectedReply(`Range ${reply.headers.range} instead of ${rangeOf(end)} after PATCH`, reply)
    }
    upload.acknowledged = end
  }

  const pusher: Pusher = {
    async open(upload) {
      upload.location = pathOf(await send(202, 'POST', `/v2/${upload.name}/blobs/uploads/`))
    },
    async append(upload, end) {
      const body = upload.content.subarray(upload.acknowledged, end)
      await patch(upload, { 'content-range': `${upload.acknowledged}-${end - 1}` }, body, end)
    },
    async stream(upload) {
      const rest = upload.content.subarray(upload.acknowledged)
      await patch(upload, {}, pieces(rest, 64 * 1024), upload.content.length)
    },
    async finish(upload) {
      const { content, acknowledged, digest } = upload
      Object.assign(upload, { sent: content.length, closing: true })
      const path = withQuery(locationOf(upload), `digest=${digest}`)
      const reply = await send(201, 'PUT', path, OCTETS, content.subarray(acknowledged))
      if (pathOf(reply) !== `/v2/${upload.name}/blobs/${digest}`) {
        throw new UnexpectedReply(`Location ${reply.headers.location} after PUT`, reply)
      }
    },
    async progress(upload) {
      const path = locationOf(upload)
      const reply = await client.request('GET', path)
      if (reply.status === 404) return undefined
      const end = /^0-(\d+)$/.exec(reply.headers.range ?? '')?.[1]
      if (reply.status !== 204 || end === undefined) throw new UnexpectedReply(`GET ${path}`, reply)
      return end === '0' ? 0 : Number(end) + 1
    },
    async post(name, content) {
      await send(201, 'POST', `/v2/${name}/blobs/uploads/?digest=${digestOf(content)}`, OCTETS, content)
    },
    async mount(name, from, digest) {
      await send(201, 'POST', `/v2/${name}/blobs/uploads/?mount=${digest}&from=${from}`)
    },
    async manifest(name, reference, manifest, mediaType = OCI_MANIFEST) {
      const path = `/v2/${name}/manifests/${reference}`
      const reply = await send(201, 'PUT', path, { 'content-type': mediaType }, manifest)
      const digest = digestOf(manifest)
      if (reply.headers['docker-content-digest'] !== digest) {
        throw new UnexpectedReply(`Docker-Content-Digest is not ${digest}`, reply)
      }
      return digest
    },
    async untag(name, tag) {
      const path = `/v2/${name}/manifests/${tag}`
      const reply = await client.request('DELETE', path)
      if (reply.status !== 202 && reply.status !== 404) throw new UnexpectedReply(`DELETE ${path}`, reply)
      return reply.status === 202
    },
    async remove(name, target) {
      await send(202, 'DELETE', `/v2/${name}/${target}`)
    },
    async blob(name, content) {
      const upload = uploadOf(name, content)
      await pusher.open(upload)
      await pusher.finish(upload)
      return upload.digest
    }
  }
  return pusher
}

/** What a descriptor says of a blob. */
export interface Described {
  digest: string
  size: number
}

/** An image manifest of blobs that are already there. */
export function imageManifest(config: Described, layers: readonly Described[], annotation = ''): Buffer {
  const describe = (mediaType: string, { digest, size }: Described) => ({ mediaType, digest, size })
  const manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: describe(OCI_CONFIG, config),
    layers: layers.map((layer) => describe(OCI_LAYER, layer)),
    annotations: { annotation }
  }
  return Buffer.from(JSON.stringify(manifest))
}

/** Inclusive at both ends and without a unit; of no bytes it is `0-0` as well. */
function rangeOf(size: number): string {
  return `0-${Math.max(size - 1, 0)}`
}

function locationOf(upload: Upload): string {
  if (upload.location === undefined) throw new Error('the upload was not opened')
  return upload.location
}

/** A Location may be absolute or relative. */
function pathOf(reply: Reply): string {
  const { location } = reply.headers
  if (location === undefined) throw new UnexpectedReply('no Location', reply)
  const { pathname, search } = new URL(location, 'http://registry')
  return pathname + search
}

function withQuery(path: string, query: string): string {
  return `${path}${path.includes('?') ? '&' : '?'}${query}`
}

export async function* pieces(content: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < content.length; at += size) yield content.subarray(at, at + size)
}
