import { createHash } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import Fastify, {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type InjectOptions,
  type LightMyRequestResponse
} from 'fastify'
import type { Test } from 'tap'
import { type AppParts, createApp } from '../../src/app.ts'
import { createRegistry, type Registry } from '../../src/registry/registry.ts'
import type { StorageDriver } from '../../storage/driver.ts'
import { memoryStorage } from '../../storage/memory.ts'

export const OCI_IMAGE = 'application/vnd.oci.image.manifest.v1+json'
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json'
export const OCI_CONFIG = 'application/vnd.oci.image.config.v1+json'
export const OCI_LAYER = 'application/vnd.oci.image.layer.v1.tar'
export const DOCKER_IMAGE = 'application/vnd.docker.distribution.manifest.v2+json'

/** Well-formed, and of nothing that any test stores. */
export const NOWHERE = `sha256:${'0'.repeat(64)}`

/** Another of them. */
export const NOWHERE_EITHER = `sha256:${'1'.repeat(64)}`

export type Answer = LightMyRequestResponse

/** A server that listens on nothing, and what is behind it. */
export interface Berth {
  app: FastifyInstance
  storage: StorageDriver
  registry: Registry
  /** Sends a request; a body of text or bytes is sent with its length. */
  ask(method: string, url: string, options?: Ask): Promise<Answer>
}

export interface Ask {
  headers?: Record<string, string>
  body?: InjectOptions['payload']
}

/** A server over a store of its own, or over a given one. */
export async function berth(
  t: Test,
  { storage = memoryStorage(), ...given }: Partial<AppParts> & { storage?: StorageDriver } = {}
): Promise<Berth> {
  const parts = { registry: createRegistry(storage), accessLog: false, deletes: true, ...given }
  const { registry } = parts
  const app = await createApp(parts)
  app.addHook('onRequest', async (request, reply) => {
    if ('isLightMyRequest' in request.raw) completeInjected(request, reply)
  })
  t.teardown(() => app.close())
  return {
    app,
    storage,
    registry,
    ask: (method, url, { headers = {}, body } = {}) =>
      app.inject({
        method: method as 'GET',
        url,
        headers,
        ...(body !== undefined && { payload: body })
      })
  }
}

/** What a request of `inject` lacks: its sockets have no timer, and it does not say when its body has come, or its
 *  answer left. */
function completeInjected(request: FastifyRequest, reply: FastifyReply): void {
  Object.assign(reply.raw.socket ?? {}, { setTimeout: () => {} })
  Object.defineProperty(request.raw, 'complete', { get: () => request.raw.readableEnded })
  reply.raw.once('finish', () => Object.defineProperty(reply.raw, 'writableFinished', { value: true }))
}

// The timer is wanted before the first hook of a test could run.
const probe = Fastify()
probe.get('/', async ({ socket }) => {
  Object.assign(Object.getPrototypeOf(socket), { setTimeout: () => {} })
})
await probe.inject('/')

/** Makes a server listen on a free port of this machine, for what only a socket shows. */
export async function listen({ app }: Berth): Promise<number> {
  await app.listen({ host: '127.0.0.1', port: 0 })
  return (app.server.address() as AddressInfo).port
}

export function digestOf(bytes: string | Uint8Array, algorithm = 'sha256'): string {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`
}

/** The errors that an answer tells of; fails where it is not of the shape that R-003 asks for. */
export function errorsOf(answer: Answer): { code: string; message?: string; detail?: string }[] {
  const { errors } = answer.json()
  if (!Array.isArray(errors) || errors.length === 0) throw new Error(`no errors in ${answer.body}`)
  return errors
}

/** An answer's status and the code of its first error, such as `404 BLOB_UNKNOWN`. */
export function refusal(answer: Answer): string {
  return answer.body === '' ? `${answer.statusCode}` : `${answer.statusCode} ${errorsOf(answer)[0]?.code}`
}

/** Pushes a blob in one request, and gives its digest. */
export async function pushBlob(
  { ask }: Berth,
  name: string,
  bytes: string | Buffer,
  algorithm = 'sha256'
): Promise<string> {
  const digest = digestOf(bytes, algorithm)
  const { location } = await startUpload({ ask }, name)
  await must(201, ask('PUT', `${location}?digest=${digest}`, { body: bytes }))
  return digest
}

/** Starts an upload, and gives where it goes on. */
export async function startUpload({ ask }: Pick<Berth, 'ask'>, name: string): Promise<{ location: string }> {
  const answer = await must(202, ask('POST', `/v2/${name}/blobs/uploads/`))
  return { location: String(answer.headers.location) }
}

export interface Descriptor {
  mediaType: string
  digest: string
  size: number
  [field: string]: unknown
}

export interface ManifestBody {
  schemaVersion: number
  mediaType?: string
  [field: string]: unknown
}

/** An image whose config and layer are already pushed, with further fields at will. */
export async function image(
  berth: Berth,
  name: string,
  content = 'a layer',
  fields: object = {}
): Promise<ManifestBody & { config: Descriptor; layers: Descriptor[] }> {
  const config = '{}'
  return {
    schemaVersion: 2,
    mediaType: OCI_IMAGE,
    config: {
      mediaType: OCI_CONFIG,
      digest: await pushBlob(berth, name, config),
      size: config.length
    },
    layers: [
      {
        mediaType: OCI_LAYER,
        digest: await pushBlob(berth, name, content),
        size: Buffer.byteLength(content)
      }
    ],
    ...fields
  }
}

export interface Pushed {
  digest: string
  bytes: Buffer
  answer: Answer
}

/** Pushes a manifest under a tag or, where none is given, under its digest. */
export async function pushManifest(
  { ask }: Berth,
  name: string,
  manifest: ManifestBody,
  tag?: string
): Promise<Pushed> {
  const bytes = Buffer.from(JSON.stringify(manifest))
  const digest = digestOf(bytes)
  const headers = { 'content-type': manifest.mediaType ?? OCI_IMAGE }
  const answer = await must(
    201,
    ask('PUT', `/v2/${name}/manifests/${tag ?? digest}`, { headers, body: bytes })
  )
  return { digest, bytes, answer }
}

/** Pushes a whole image. */
export async function pushImage(berth: Berth, name: string, tag?: string, content?: string): Promise<Pushed> {
  return pushManifest(berth, name, await image(berth, name, content), tag)
}

/** The answer, which must have this status. */
export async function must(status: number, asked: Promise<Answer>): Promise<Answer> {
  const answer = await asked
  if (answer.statusCode !== status) {
    throw new Error(`${answer.statusCode} instead of ${status}: ${answer.body}`)
  }
  return answer
}
