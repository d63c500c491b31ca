import type { Fault } from '../faulty.ts'
import { editJson, is, MANIFEST, plain, remembers, takeRefused, UPLOAD } from './edits.ts'

export const PUSH_FAULTS: readonly Fault[] = [
  {
    does: 'begins uploads without a Location',
    caughtBy: 'R-050',
    answer: (told, seen) => {
      if (seen.method === 'POST') delete told.headers.location
    }
  },
  {
    does: 'has one upload for everybody',
    caughtBy: 'R-050',
    answer: (told, seen, memory) => {
      if (seen.method === 'POST' && told.status === 202) remembers(told, 'upload', memory)
    }
  },
  {
    does: 'says 200 when a blob is complete',
    caughtBy: 'R-053',
    answer: (told, seen) => {
      if (is(seen, 'PUT', UPLOAD) && told.status === 201) told.status = 200
    }
  },
  {
    does: 'names a Location where a blob is not',
    caughtBy: 'R-053',
    answer: (told, seen) => {
      if (is(seen, 'PUT', UPLOAD) && told.status === 201) told.headers.location = '/v2/nowhere/blobs/x'
    }
  },
  {
    does: 'says 201 to a blob in one POST, and does not keep it',
    caughtBy: 'R-055',
    request: (seen) => (is(seen, 'POST', /\?digest=/) ? plain(201, { location: '/v2/nowhere' }) : undefined)
  },
  {
    does: 'takes bytes under any digest',
    caughtBy: 'R-057',
    answer: (told, seen) => {
      if (is(seen, 'PUT', UPLOAD) && told.status === 400) told.status = 201
    }
  },
  {
    does: 'says a chunk’s Range with a unit',
    caughtBy: 'R-058',
    answer: (told, seen) => {
      if (seen.method === 'PATCH') told.headers.range = `bytes=${told.headers.range}`
    }
  },
  {
    does: 'counts the byte after a chunk as part of it',
    caughtBy: 'R-058',
    answer: (told, seen) => {
      const end = Number(told.headers.range?.slice(2))
      if (seen.method === 'PATCH') told.headers.range = `0-${end + 1}`
    }
  },
  {
    does: 'does not look where a chunk begins',
    caughtBy: 'R-060',
    request: (seen) => {
      if (seen.method === 'PATCH') delete seen.headers['content-range']
      return undefined
    }
  },
  {
    does: 'says 200 to who asks about an upload',
    caughtBy: 'R-063',
    answer: (told, seen) => {
      if (is(seen, 'GET', UPLOAD) && told.status === 204) told.status = 200
    }
  },
  {
    does: 'names the repository that a blob was mounted from',
    caughtBy: 'R-067',
    answer: (told, seen) => {
      const [, from] = /from=([^&]+)/.exec(seen.path) ?? []
      if (told.status === 201 && from !== undefined) {
        told.headers.location = told.headers.location?.replace(/^\/v2\/.*\/blobs/, `/v2/${from}/blobs`)
      }
    }
  },
  {
    does: 'says 404 to a mount of what is not there',
    caughtBy: 'R-069',
    as: 'skip',
    answer: (told, seen) => {
      if (is(seen, 'POST', /mount=/) && told.status === 202) told.status = 404
    }
  },
  {
    does: 'does not say where a manifest is',
    caughtBy: 'R-080',
    answer: (told, seen) => {
      if (is(seen, 'PUT', MANIFEST)) delete told.headers.location
    }
  },
  {
    does: 'takes manifests under any digest',
    caughtBy: 'R-080',
    answer: takeRefused
  },
  {
    does: 'calls a manifest without its blobs merely invalid',
    caughtBy: 'R-082',
    answer: (told) => {
      if (/BLOB_UNKNOWN/.test(told.body.toString())) {
        editJson(told, () => ({ errors: [{ code: 'MANIFEST_INVALID' }] }))
      }
    }
  },
  {
    does: 'refuses a manifest whose subject is not there',
    caughtBy: 'R-083',
    request: (seen) => (is(seen, 'PUT', MANIFEST) ? plain(404) : undefined)
  },
  {
    does: 'lists referrers but says no OCI-Subject',
    caughtBy: 'R-084',
    answer: (told) => {
      delete told.headers['oci-subject']
    }
  },
  {
    does: 'says 400 to fields that it does not know',
    caughtBy: 'M-05',
    request: (seen) => (is(seen, 'PUT', MANIFEST) ? plain(400) : undefined)
  },
  {
    does: 'never moves a tag, though it says 201',
    caughtBy: 'R-089',
    answer: (told, seen, memory) => {
      if (told.status === 200 && is(seen, 'GET', /\/manifests\/latest/)) remembers(told, 'latest', memory)
    },
    request: (seen, memory) => {
      if (!is(seen, 'PUT', /\/manifests\/latest/) || seen.headers.authorization === undefined)
        return undefined
      if (memory.has('pushed')) return plain(201, { location: seen.path })
      memory.set('pushed', plain(201))
      return undefined
    }
  }
]
