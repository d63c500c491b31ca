import type { Fault } from '../faulty.ts'
import { is, plain, UPLOAD } from './edits.ts'

export const UPLOAD_FAULTS: readonly Fault[] = [
  {
    does: 'makes repositories with names of any length',
    caughtBy: 'R-002',
    as: 'skip',
    answer: (told, seen) => {
      if (is(seen, 'POST', /a{256}/)) Object.assign(told, plain(202))
    }
  },
  {
    does: 'looks at the type of a body that is not there',
    caughtBy: 'R-051',
    as: 'skip',
    request: (seen) =>
      seen.method === 'POST' && seen.headers['content-type'] === 'application/json' ? plain(415) : undefined
  },
  {
    does: 'announces a smallest chunk in words',
    caughtBy: 'R-052',
    answer: (told, seen) => {
      if (seen.method === 'POST') told.headers['oci-chunk-min-length'] = '5 MB'
    }
  },
  {
    does: 'wants a type of the body that closes an upload',
    caughtBy: 'R-054',
    request: (seen) =>
      is(seen, 'PUT', UPLOAD) && seen.headers['content-type'] === undefined ? plain(400) : undefined
  },
  {
    does: 'knows no sha512',
    caughtBy: 'R-056',
    as: 'skip',
    request: (seen) => (is(seen, 'PUT', /digest=sha512/) ? plain(400) : undefined)
  },
  {
    does: 'takes no chunks of unknown length',
    caughtBy: 'R-059',
    as: 'skip',
    request: (seen) =>
      seen.method === 'PATCH' && seen.headers['content-length'] === undefined ? plain(411) : undefined
  },
  {
    does: 'does not look where the last chunk begins',
    caughtBy: 'R-061',
    as: 'skip',
    answer: (told, seen) => {
      if (is(seen, 'PUT', UPLOAD) && told.status === 416) told.status = 201
    }
  },
  {
    does: 'takes no bytes with the PUT that closes an upload',
    caughtBy: 'R-062',
    request: (seen) =>
      is(seen, 'PUT', UPLOAD) && seen.headers['content-range'] !== undefined ? plain(400) : undefined
  },
  {
    does: 'forgets where an upload has been',
    caughtBy: 'R-064',
    as: 'skip',
    request: (seen, memory) => {
      if (seen.method !== 'PATCH' || seen.headers.authorization === undefined) return undefined
      if (memory.has(seen.path)) return plain(404)
      memory.set(seen.path, plain(202))
      return undefined
    }
  },
  {
    does: 'does not end uploads',
    caughtBy: 'R-065',
    as: 'skip',
    request: (seen) => (is(seen, 'DELETE', UPLOAD) ? plain(405) : undefined)
  },
  {
    does: 'mounts whatever it is asked for',
    caughtBy: 'R-068',
    answer: (told, seen) => {
      if (is(seen, 'POST', /mount=/) && told.status === 202) told.status = 201
    }
  },
  {
    does: 'refuses words of a query that it does not know',
    caughtBy: 'R-070',
    as: 'skip',
    request: (seen) => (/origin=/.test(seen.path) ? plain(400) : undefined)
  },
  {
    does: 'refuses a blob that it has already',
    caughtBy: 'R-072',
    as: 'skip',
    request: (seen, memory) => {
      const [, digest] = /digest=(.+)/.exec(seen.path) ?? []
      if (seen.method !== 'PUT' || digest === undefined || seen.headers.authorization === undefined)
        return undefined
      if (memory.has(digest)) return plain(409)
      memory.set(digest, plain(201))
      return undefined
    }
  },
  {
    does: 'takes no blob of no bytes',
    caughtBy: 'R-073',
    as: 'skip',
    request: (seen) => (is(seen, 'PUT', /e3b0c44298fc1c14/) ? plain(400) : undefined)
  }
]
