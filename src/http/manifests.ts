import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { repositoryOf } from '../auth/access.ts'
import { parseDigest } from '../oci/digest.ts'
import { quote, RegistryError } from '../oci/error.ts'
import { MANIFEST_LIMIT } from '../oci/manifest.ts'
import { isTag, parseTag } from '../oci/name.ts'
import { collect } from '../registry/bytes.ts'
import type { ManifestPush, Manifests, StoredManifest } from '../registry/manifests.ts'
import type { Tags } from '../registry/tags.ts'
import { isNotModified } from './conditions.ts'
import { queryValues } from './query.ts'
import { contentTypeOf, requestBody } from './request-body.ts'

interface ManifestRoute {
  Params: { name: string; reference: string }
}

const URL = '/v2/:name/manifests/:reference'

/** More than enough for any release, and few enough for the headers of an answer. */
const TAGS_PER_PUSH = 100

export interface ManifestParts {
  manifests: Manifests
  tags: Tags
  /** Whether the request's caller may still push. @throws RegistryError if not */
  pushAgain(request: FastifyRequest, reply: FastifyReply): Promise<void>
}

/** Pulling, pushing and deleting manifests and tags. Distribution spec: "Pulling manifests" and on. */
export async function manifestRoutes(
  app: FastifyInstance,
  { manifests, tags, pushAgain }: ManifestParts
): Promise<void> {
  function find(request: FastifyRequest<ManifestRoute>): Promise<StoredManifest> {
    const name = repositoryOf(request)
    const { reference } = request.params
    if (reference.includes(':')) return manifests.get(name, parseDigest(reference))
    // What cannot be a tag names no manifest: 404, as the specification's own tests ask.
    if (!isTag(reference)) throw new RegistryError('MANIFEST_UNKNOWN', quote(reference))
    return manifests.get(name, reference)
  }

  // The stored manifest is the answer whatever the client's Accept header says: it is never converted.
  function setHeaders(reply: FastifyReply, { digest, mediaType, bytes }: StoredManifest): FastifyReply {
    reply.headers({ 'docker-content-digest': digest, etag: `"${digest}"`, 'content-length': bytes.length })
    return reply.type(mediaType)
  }

  app.head<ManifestRoute>(URL, { config: { action: 'pull' } }, async (request, reply) => {
    const manifest = await find(request)
    setHeaders(reply, manifest)
    if (isNotModified(request.headers['if-none-match'], manifest.digest)) reply.code(304)
    return reply.send()
  })

  app.get<ManifestRoute>(URL, { config: { action: 'pull' } }, async (request, reply) => {
    const manifest = await find(request)
    setHeaders(reply, manifest)
    if (isNotModified(request.headers['if-none-match'], manifest.digest)) return reply.code(304).send()
    return reply.send(manifest.bytes)
  })

  app.put<ManifestRoute>(URL, { config: { action: 'push' } }, async (request, reply) => {
    const name = repositoryOf(request)
    const target = pushTarget(request)
    if (Number(request.headers['content-length'] ?? 0) > MANIFEST_LIMIT)
      throw new RegistryError('MANIFEST_TOO_LARGE')
    const bytes = await collect(requestBody(request, reply), MANIFEST_LIMIT)
    if (bytes === undefined) throw new RegistryError('MANIFEST_TOO_LARGE')
    // Its bytes may have taken hours to come.
    await pushAgain(request, reply)
    const contentType = contentTypeOf(request)
    const { digest, subject } = await manifests.put(name, { ...target, bytes, contentType })
    reply.headers({
      location: `/v2/${name}/manifests/${target.digest ?? target.tags[0]}`,
      'docker-content-digest': digest,
      'content-length': 0
    })
    if (subject !== undefined) reply.header('oci-subject', subject)
    if (target.digest !== undefined && target.tags.length > 0) reply.header('oci-tag', target.tags.join(', '))
    return reply.code(201).send()
  })

  app.delete<ManifestRoute>(URL, { config: { action: 'delete' } }, async (request, reply) => {
    const name = repositoryOf(request)
    const { reference } = request.params
    if (reference.includes(':')) await manifests.delete(name, parseDigest(reference))
    else await tags.delete(name, parseTag(reference))
    return reply.code(202).header('content-length', 0).send()
  })
}

/** A push goes to a tag, or to a digest with any number of tags beside it. */
function pushTarget(request: FastifyRequest<ManifestRoute>): Pick<ManifestPush, 'digest' | 'tags'> {
  const { reference } = request.params
  if (!reference.includes(':')) return { digest: undefined, tags: [parseTag(reference)] }
  const tags = [...new Set(queryValues(request, 'tag'))].map(parseTag)
  if (tags.length > TAGS_PER_PUSH) throw new RegistryError('TOO_MANY_TAGS')
  return { digest: parseDigest(reference), tags }
}
