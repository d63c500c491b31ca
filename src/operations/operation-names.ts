import type { FastifyRequest } from 'fastify'

const BLOB = '/v2/:name/blobs/:digest'
export const UPLOADS = '/v2/:name/blobs/uploads'
export const UPLOAD = '/v2/:name/blobs/uploads/:id'
const MANIFEST = '/v2/:name/manifests/:reference'

/** What OpenShift's registry calls what is done to a repository, by method and route. What it does not do has no name. */
export const OPERATIONS: ReadonlyMap<string, ReadonlyMap<string, string>> = new Map([
  [
    'GET',
    new Map([
      [BLOB, 'BlobStore.ServeBlob'],
      [UPLOAD, 'BlobStore.Resume'],
      [MANIFEST, 'ManifestService.Get'],
      ['/v2/:name/tags/list', 'TagService.All']
    ])
  ],
  [
    'HEAD',
    new Map([
      [BLOB, 'BlobStore.ServeBlob'],
      [MANIFEST, 'ManifestService.Get'],
      ['/v2/:name/tags/list', 'TagService.All']
    ])
  ],
  [
    'POST',
    new Map([
      [UPLOADS, 'BlobStore.Create'],
      [`${UPLOADS}/`, 'BlobStore.Create']
    ])
  ],
  ['PATCH', new Map([[UPLOAD, 'BlobStore.Resume']])],
  [
    'PUT',
    new Map([
      [UPLOAD, 'BlobWriter.Commit'],
      [MANIFEST, 'ManifestService.Put']
    ])
  ],
  [
    'DELETE',
    new Map([
      [BLOB, 'BlobStore.Delete'],
      [UPLOAD, 'BlobWriter.Cancel'],
      [MANIFEST, 'ManifestService.Delete']
    ])
  ]
])

export const UNTAG = 'TagService.Untag'

export function operationOf(request: FastifyRequest): string | undefined {
  const { method, routeOptions } = request
  const { url = '' } = routeOptions
  return isUntagging(request) ? UNTAG : OPERATIONS.get(method)?.get(url)
}

/** Whether it deletes a tag, and not the manifest that it points at. */
export function isUntagging(request: FastifyRequest): boolean {
  // What a request's route is, is put together at each look.
  if (request.method !== 'DELETE' || request.routeOptions.url !== MANIFEST) return false
  return (request.params as { reference?: string }).reference?.includes(':') !== true
}
