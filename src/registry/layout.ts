import type { Digest } from '../oci/digest.ts'
import { algorithmOf, encodedOf } from '../oci/digest.ts'
import type { RepositoryName, Tag } from '../oci/name.ts'

/**
 * Which storage key holds what: CNCF distribution's layout, so that a folder or a bucket serves both. What is
 * ours alone lies under a repository's `_ext/`, or the registry's `ext/`, which distribution and its garbage collector
 * leave alone.
 */
const ROOT = 'docker/registry/v2'

const path = (digest: Digest): string => `${algorithmOf(digest)}/${encodedOf(digest)}`

/** The bytes of a layer, config or manifest. */
export function blobKey(digest: Digest): string {
  const encoded = encodedOf(digest)
  return `${ROOT}/blobs/${algorithmOf(digest)}/${encoded.slice(0, 2)}/${encoded}/data`
}

export const repositoriesKey = `${ROOT}/repositories`

export const repositoryKey = (name: RepositoryName): string => `${repositoriesKey}/${name}`

/** The links that say which blobs the repository holds. */
export const layersKey = (name: RepositoryName): string => `${repositoryKey(name)}/_layers`

export const layerLinkKey = (name: RepositoryName, digest: Digest): string =>
  `${layersKey(name)}/${path(digest)}/link`

export const manifestsKey = (name: RepositoryName): string => `${repositoryKey(name)}/_manifests`

/** The links that say which manifests the repository holds: `<algorithm>/<encoded>/link`. */
export const revisionsKey = (name: RepositoryName): string => `${manifestsKey(name)}/revisions`

export const revisionLinkKey = (name: RepositoryName, digest: Digest): string =>
  `${revisionsKey(name)}/${path(digest)}/link`

export const tagsKey = (name: RepositoryName): string => `${manifestsKey(name)}/tags`

/** What the tag points at now. */
export const tagLinkKey = (name: RepositoryName, tag: Tag): string => `${tagsKey(name)}/${tag}/current/link`

/** One link for each manifest that the tag ever pointed at; distribution's history, never authoritative. */
export const tagIndexKey = (name: RepositoryName, tag: Tag): string => `${tagsKey(name)}/${tag}/index`

export const tagIndexLinkKey = (name: RepositoryName, tag: Tag, digest: Digest): string =>
  `${tagIndexKey(name, tag)}/${path(digest)}/link`

export const uploadsKey = (name: RepositoryName): string => `${repositoryKey(name)}/_uploads`

export const uploadKey = (name: RepositoryName, id: string): string => `${uploadsKey(name)}/${id}`

export const uploadDataKey = (name: RepositoryName, id: string): string => `${uploadKey(name, id)}/data`

export const uploadStartedAtKey = (name: RepositoryName, id: string): string =>
  `${uploadKey(name, id)}/startedat`

/** Who removes abandoned uploads, and when next. Ours, in the making for ever, and in nobody's way when it is lost. */
export const purgeTurnKey = 'docker/registry/ext/v1/purge'

/** The UID of the namespace that the repository belongs to, in JSON. Ours, and not to be rebuilt from anything else. */
export const ownerKey = (name: RepositoryName): string => `${repositoryKey(name)}/_ext/v1/owner`

/** The subjects of the repository's referrers: `<algorithm>/<encoded>`. */
export const subjectsKey = (name: RepositoryName): string => `${repositoryKey(name)}/_ext/v1/referrers`

/** Descriptors of the manifests whose subject is `subject`: `<algorithm>/<encoded>`. Ours, and rebuildable from them. */
export const referrersKey = (name: RepositoryName, subject: Digest): string =>
  `${subjectsKey(name)}/${path(subject)}`

export const referrerKey = (name: RepositoryName, subject: Digest, referrer: Digest): string =>
  `${referrersKey(name, subject)}/${path(referrer)}`
