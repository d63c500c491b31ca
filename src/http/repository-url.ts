/**
 * The part of a path that comes after the repository's name. A name may itself hold `blobs` or `manifests`; of what is
 * at the path's end only one family fits. Distribution spec: "Endpoints".
 */
const FAMILY =
  /\/(?:blobs\/uploads\/?|blobs\/uploads\/[^/]+|(?:blobs|manifests|referrers)\/[^/]+|tags\/list)$/

/** Where a proxy sends a whole URL as a request's target: RFC 9112 §3.2. */
const ORIGIN = /^https?:\/\/[^/?]*/i

const ROOT = '/v2/'

/**
 * Folds a repository name with slashes into one path segment, since a router's parameter ends at a slash:
 * `/v2/a/b/tags/list` becomes `/v2/a%2Fb/tags/list`. A percent sign in a name is encoded as well, so that it
 * reaches the name's parser as it came, and is refused there: a name is spelled in one way only.
 */
export function foldRepositoryName(url: string): string {
  const target = url.startsWith('/') ? url : url.replace(ORIGIN, '')
  const query = target.indexOf('?')
  const path = query === -1 ? target : target.slice(0, query)
  const end = path.search(FAMILY)
  if (!path.startsWith(ROOT) || end <= ROOT.length) return target
  return ROOT + encodeURIComponent(path.slice(ROOT.length, end)) + target.slice(end)
}
