import { createHash } from 'node:crypto'
import type { OutgoingHttpHeaders } from 'node:http'
import type { Client, Reply } from '../support/client.ts'
import type { Random } from '../support/random.ts'

/** What berth asks the API server about, in words of our own. */
export type Right = 'pull' | 'push' | 'create' | 'deleteTag' | 'deleteContent' | 'prune'

export interface Repository {
  namespace: string
  /** Without the namespace. */
  name: string
  /** Whether `stock` was called for it. */
  state: 'stocked' | 'new' | 'without namespace'
}

/** A request, and what it takes. */
export interface Attempt {
  what: string
  method: string
  path: string
  body?: Buffer
  headers?: OutgoingHttpHeaders
  /** What the registry's own token must grant. */
  action: 'pull' | 'push' | 'delete'
  /** All the rights of one of these are needed. */
  rights: readonly (readonly Right[])[]
  /** The answer's status where they are there. */
  status: number
  /** Where it mounts from: without the right to pull there it is an upload, and answered with 202. */
  source?: Repository
}

const INDEX = 'application/vnd.oci.image.index.v1+json'

export const fullName = ({ namespace, name }: Repository): string => `${namespace}/${name}`

const digestOf = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

/** Somebody's requests to a registry. */
export type Sender = Pick<Client, 'request'>

let counter = 0

/** An image index without images, like no other. */
function newManifest(): Buffer {
  const annotations = { number: String(counter++) }
  return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests: [], annotations }))
}

const newBlob = (): Buffer => Buffer.from(`blob ${counter++}`)

const blobOf = (repository: Repository): Buffer => Buffer.from(`the blob of ${fullName(repository)}`)

const manifestOf = (repository: Repository): Buffer => {
  const annotations = { name: fullName(repository) }
  return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests: [], annotations }))
}

/** @param admin somebody who may push anywhere */
async function must(admin: Sender, method: string, path: string, body?: Buffer): Promise<Reply> {
  const headers = path.includes('/manifests/') ? { 'content-type': INDEX } : {}
  const reply = await admin.request(method, path, { headers, body: body ?? Buffer.alloc(0) })
  if (reply.status > 299) throw new Error(`${method} ${path}: ${reply.status} ${reply.body}`)
  return reply
}

/** Puts a blob and a manifest with the tag v1 into a repository. */
export async function stock(admin: Sender, repository: Repository): Promise<void> {
  const base = `/v2/${fullName(repository)}`
  const blob = blobOf(repository)
  await must(admin, 'POST', `${base}/blobs/uploads/?digest=${digestOf(blob)}`, blob)
  await must(admin, 'PUT', `${base}/manifests/v1`, manifestOf(repository))
}

const PULL = { action: 'pull', rights: [['pull']] } as const

function pulls(repository: Repository): Attempt[] {
  const manifest = digestOf(manifestOf(repository))
  const blob = digestOf(blobOf(repository))
  const isStocked = repository.state === 'stocked'
  const paths = [
    ['manifests/v1', 'by tag'],
    [`manifests/${manifest}`, 'by digest'],
    [`blobs/${blob}`, 'a blob']
  ] as const
  const reads = paths.flatMap(([path, how]) =>
    ['GET', 'HEAD'].map((method) => ({ what: `${method} ${how}`, method, path }))
  )
  const lists = [
    { what: 'list tags', method: 'GET', path: 'tags/list' },
    // Elsewhere this is an empty list.
    ...(isStocked ? [{ what: 'list referrers', method: 'GET', path: `referrers/${manifest}` }] : [])
  ]
  const status = isStocked ? 200 : 404
  return [...reads, ...lists].map((each) => ({ ...each, ...PULL, status }))
}

/** Pushes that may be the first; each has content of its own. */
function beginnings(repository: Repository, source: Repository): Attempt[] {
  const { state } = repository
  const rights: Attempt['rights'] = state === 'new' ? [['push', 'create']] : [['push']]
  const status = (success: number): number => (state === 'without namespace' ? 404 : success)
  const blob = newBlob()
  const mount = `blobs/uploads/?mount=${digestOf(blobOf(source))}`
  const post = { method: 'POST', action: 'push', rights } as const
  return [
    { ...post, what: 'begin an upload', path: 'blobs/uploads/', status: status(202) },
    {
      ...post,
      what: 'push a blob at once',
      path: `blobs/uploads/?digest=${digestOf(blob)}`,
      body: blob,
      status: status(201)
    },
    {
      ...post,
      method: 'PUT',
      what: 'push a manifest',
      path: 'manifests/new',
      body: newManifest(),
      headers: { 'content-type': INDEX },
      status: status(201)
    },
    ...(status(201) === 404
      ? []
      : [{ ...post, what: 'mount', path: `${mount}&from=${fullName(source)}`, status: 201, source }])
  ]
}

/** The later requests of an upload that somebody else began. */
async function steps(admin: Sender, repository: Repository): Promise<Attempt[]> {
  const reply = await must(admin, 'POST', `/v2/${fullName(repository)}/blobs/uploads/`)
  const path = String(reply.headers.location).replace(`/v2/${fullName(repository)}/`, '')
  const blob = newBlob()
  const push = { action: 'push', rights: [['push']] } as const
  return [
    { ...push, what: 'ask for an upload', method: 'GET', path, status: 204 },
    { ...push, what: 'cancel an upload', method: 'DELETE', path, status: 204 },
    { ...push, what: 'push a chunk', method: 'PATCH', path, body: blob, status: 202 },
    {
      ...push,
      what: 'end an upload',
      method: 'PUT',
      path: `${path}${path.includes('?') ? '&' : '?'}digest=${digestOf(blob)}`,
      body: blob,
      status: 201
    }
  ]
}

/** Each deletes what was pushed for it. */
async function deletions(admin: Sender, repository: Repository): Promise<Attempt[]> {
  const base = `/v2/${fullName(repository)}`
  const [blob, manifest] = [newBlob(), newManifest()]
  const isStocked = repository.state === 'stocked'
  if (isStocked) {
    await must(admin, 'POST', `${base}/blobs/uploads/?digest=${digestOf(blob)}`, blob)
    await must(admin, 'PUT', `${base}/manifests/doomed`, manifest)
  }
  const doom = { method: 'DELETE', action: 'delete', status: isStocked ? 202 : 404 } as const
  const content = [['deleteContent'], ['prune']] as const
  return [
    { ...doom, what: 'delete a tag', path: 'manifests/doomed', rights: [['deleteTag'], ['prune']] },
    { ...doom, what: 'delete a manifest', path: `manifests/${digestOf(manifest)}`, rights: content },
    { ...doom, what: 'delete a blob', path: `blobs/${digestOf(blob)}`, rights: content }
  ]
}

/** Something to do in a repository. @param source a stocked one to mount from @param admin may push anywhere */
export async function randomAttempt(
  random: Random,
  { repository, source, admin }: { repository: Repository; source: Repository; admin: Sender }
): Promise<Attempt> {
  const kind = random.pick(['pull', 'push', 'push', 'delete', 'step'])
  const attempts =
    kind === 'pull'
      ? pulls(repository)
      : kind === 'delete'
        ? await deletions(admin, repository)
        : kind === 'step' && repository.state === 'stocked'
          ? await steps(admin, repository)
          : beginnings(repository, source)
  const attempt = random.pick(attempts)
  return { ...attempt, path: `/v2/${fullName(repository)}/${attempt.path}` }
}
