/** A request as the registry's log has it. */
export interface LoggedRequest {
  method: string
  /** Without the query. */
  path: string
  status: number
  /** Of the answer's body. */
  bytes: number
}

const LINE =
  / http\.request\.method=(\S+) http\.request\.uri=(\S+) .* http\.response\.status=(\d+) http\.response\.written=(\d+)/g

/** All that a registry answered, by its log, which is whole once it has stopped. @throws Error where it tells of none */
export function requestsIn(log: string): LoggedRequest[] {
  const requests = [...log.matchAll(LINE)].map(([, method = '', uri = '', status, bytes]) => ({
    method,
    path: uri.split('?')[0] ?? '',
    status: Number(status),
    bytes: Number(bytes)
  }))
  if (requests.length === 0) throw new Error('the log tells of no request, or is written in another way')
  return requests
}

/** What was sent into a repository's uploads: one PATCH or PUT with a body each, by method. */
export function uploadsTo(requests: readonly LoggedRequest[], name: string, method: string): LoggedRequest[] {
  return requests.filter(
    (request) => request.method === method && request.path.startsWith(`/v2/${name}/blobs/uploads/`)
  )
}
