import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { repositoryOf } from '../auth/access.ts'
import { isDigest, parseAlgorithm, parseDigest } from '../oci/digest.ts'
import { RegistryError } from '../oci/error.ts'
import { isName, type RepositoryName } from '../oci/name.ts'
import { type ByteRange, parseContentRange } from '../oci/range.ts'
import type { Blobs } from '../registry/blobs.ts'
import { parseUploadId, type UploadId, type Uploads } from '../registry/uploads.ts'
import { queryValue } from './query.ts'
import { announcesBody, requestBody } from './request-body.ts'

interface UploadRoute {
  Params: { name: string; id: string }
}

const START = '/v2/:name/blobs/uploads/'
const UPLOAD = '/v2/:name/blobs/uploads/:id'

export interface UploadParts {
  blobs: Blobs
  uploads: Uploads
  /** Whether the request's caller may pull from this repository as well, to mount from it. */
  mayPull(request: FastifyRequest, repository: RepositoryName): Promise<boolean>
}

/**
 * Pushing and mounting blobs. Distribution spec: "Pushing blobs".
 *
 * Locations are paths without host: an absolute one behind a proxy loses scheme or port. An upload's location is
 * the same from first to last, so a client may use any that it was given.
 */
export async function uploadRoutes(
  app: FastifyInstance,
  { blobs, uploads, mayPull }: UploadParts
): Promise<void> {
  /** A chunk that is refused for its place or length tells where the upload really ends, so that the client can go on. */
  async function orWhereToGoOn<T>(
    reply: FastifyReply,
    name: RepositoryName,
    id: UploadId,
    work: () => Promise<T>
  ): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (error instanceof RegistryError && /^(RANGE|SIZE)_INVALID$/.test(error.name)) {
        setProgress(reply, name, id, await uploads.size(name, id))
      }
      throw error
    }
  }

  for (const url of [START, START.slice(0, -1)]) {
    app.post<UploadRoute>(url, { config: { action: 'push' } }, async (request, reply) => {
      const name = repositoryOf(request)
      const digest = queryValue(request, 'digest')
      if (digest !== undefined) {
        const parsed = parseDigest(digest)
        await uploads.pushWhole(name, parsed, requestBody(request, reply))
        return sendCreated(reply, name, parsed)
      }
      const mount = queryValue(request, 'mount')
      // What cannot be mounted is not an error: the client is given an upload instead.
      if (mount !== undefined && isDigest(mount)) {
        const from = queryValue(request, 'from')
        const mountable = from === undefined || isName(from)
        const mayMount = (source: RepositoryName): Promise<boolean> => mayPull(request, source)
        if (mountable && (await blobs.mount(name, mount, { from, mayMount })))
          return sendCreated(reply, name, mount)
      }
      const algorithm = parseAlgorithm(queryValue(request, 'digest-algorithm') ?? 'sha256')
      const id = await uploads.start(name, algorithm)
      return setProgress(reply, name, id, 0).code(202).header('content-length', 0).send()
    })
  }

  app.get<UploadRoute>(UPLOAD, { config: { action: 'push' } }, async (request, reply) => {
    const name = repositoryOf(request)
    const id = parseUploadId(request.params.id)
    return setProgress(reply, name, id, await uploads.size(name, id))
      .code(204)
      .send()
  })

  app.patch<UploadRoute>(UPLOAD, { config: { action: 'push' } }, async (request, reply) => {
    const name = repositoryOf(request)
    const id = parseUploadId(request.params.id)
    const size = await orWhereToGoOn(reply, name, id, () =>
      uploads.append(name, id, requestBody(request, reply), chunkRange(request))
    )
    return setProgress(reply, name, id, size).code(202).header('content-length', 0).send()
  })

  app.put<UploadRoute>(UPLOAD, { config: { action: 'push' } }, async (request, reply) => {
    const name = repositoryOf(request)
    const id = parseUploadId(request.params.id)
    const digest = parseDigest(requiredDigest(request))
    await orWhereToGoOn(reply, name, id, () => {
      const range = chunkRange(request)
      const isLast = range !== undefined || announcesBody(request)
      return uploads.finish(
        name,
        id,
        digest,
        isLast ? { body: requestBody(request, reply), range } : undefined
      )
    })
    return sendCreated(reply, name, digest)
  })

  app.delete<UploadRoute>(UPLOAD, { config: { action: 'push' } }, async (request, reply) => {
    await uploads.cancel(repositoryOf(request), parseUploadId(request.params.id))
    return reply.code(204).send()
  })
}

function requiredDigest(request: FastifyRequest): string {
  const digest = queryValue(request, 'digest')
  if (digest !== undefined) return digest
  throw new RegistryError('DIGEST_INVALID', 'the closing PUT needs the query parameter digest=<digest>')
}

/** The chunk's place; undefined where the client leaves it to the registry.
 *  @throws RegistryError RANGE_INVALID, SIZE_INVALID */
function chunkRange(request: FastifyRequest): ByteRange | undefined {
  const header = request.headers['content-range']
  if (header === undefined) return undefined
  const range = parseContentRange(header)
  const stated = range.end - range.start + 1
  const length = request.headers['content-length']
  if (length !== undefined && Number(length) !== stated) {
    throw new RegistryError('SIZE_INVALID', `Content-Range states ${stated} bytes, Content-Length ${length}`)
  }
  return range
}

/** `Range` has no unit here, and says `0-0` for an empty upload, since clients cannot read `0--1`. */
function setProgress(reply: FastifyReply, name: RepositoryName, id: string, size: number): FastifyReply {
  return reply.headers({
    location: `/v2/${name}/blobs/uploads/${id}`,
    range: `0-${Math.max(0, size - 1)}`,
    'docker-upload-uuid': id
  })
}

function sendCreated(reply: FastifyReply, name: RepositoryName, digest: string): FastifyReply {
  return reply
    .code(201)
    .headers({
      location: `/v2/${name}/blobs/${digest}`,
      'docker-content-digest': digest,
      'content-length': 0
    })
    .send()
}
