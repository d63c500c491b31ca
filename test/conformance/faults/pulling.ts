import type { Fault } from '../faulty.ts'
import { BLOB, editJson, is, MANIFEST, plain, WRONG_DIGEST } from './edits.ts'

export const PULL_FAULTS: readonly Fault[] = [
  {
    does: 'asks for a login without a challenge',
    caughtBy: 'R-020',
    answer: (told, seen) => {
      if (seen.path === '/v2/') delete told.headers['www-authenticate']
    }
  },
  {
    does: 'lists a repository under a name outside the grammar',
    caughtBy: 'R-001',
    request: (seen) => (is(seen, 'GET', /UPPER\/tags/) ? plain(200) : undefined)
  },
  {
    does: 'writes its errors in a shape of its own',
    caughtBy: 'R-003',
    answer: (told) => {
      if (told.status === 404) editJson(told, ({ errors }) => ({ error: errors }))
    }
  },
  {
    does: 'says 400 to a manifest that is not there',
    caughtBy: 'R-030',
    answer: (told, seen) => {
      if (is(seen, 'GET', MANIFEST) && told.status === 404) told.status = 400
    }
  },
  {
    does: 'writes manifests anew',
    caughtBy: 'R-030',
    answer: (told, seen) => {
      if (is(seen, 'GET', MANIFEST) && told.status === 200)
        told.body = Buffer.from(JSON.stringify(JSON.parse(told.body.toString()), null, 1))
    }
  },
  {
    does: 'says another digest of a manifest',
    caughtBy: 'R-032',
    answer: (told, seen) => {
      if (is(seen, 'GET', MANIFEST) && told.status === 200)
        told.headers['docker-content-digest'] = WRONG_DIGEST
    }
  },
  {
    does: 'says no digest of a manifest',
    caughtBy: 'R-032',
    as: 'skip',
    answer: (told, seen) => {
      if (is(seen, 'GET', MANIFEST)) delete told.headers['docker-content-digest']
    }
  },
  {
    does: 'says a wrong length to HEAD of a manifest',
    caughtBy: 'R-033',
    answer: (told, seen) => {
      if (is(seen, 'HEAD', MANIFEST)) told.headers['content-length'] = '7'
    }
  },
  {
    does: 'turns one bit of every blob',
    caughtBy: 'R-040',
    answer: (told, seen) => {
      if (is(seen, 'GET', BLOB) && told.status === 200) told.body[5]! ^= 1
    }
  },
  {
    does: 'cuts blobs off',
    caughtBy: 'R-040',
    answer: (told, seen) => {
      told.cut = is(seen, 'GET', BLOB) && told.status === 200
    }
  },
  {
    does: 'says 403 to a blob that is not there',
    caughtBy: 'R-040',
    as: 'error',
    answer: (told, seen) => {
      if (is(seen, 'GET', BLOB) && told.status === 404) told.status = 403
    }
  },
  {
    does: 'has every blob, if HEAD asks',
    caughtBy: 'R-041',
    answer: (told, seen) => {
      if (is(seen, 'HEAD', BLOB) && told.status === 404) told.status = 200
    }
  },
  {
    does: 'reads a range as if its end were not part of it',
    caughtBy: 'R-042',
    answer: (told) => {
      if (told.status === 206) told.body = told.body.subarray(0, -1)
    }
  },
  {
    does: 'sends the whole blob as an answer to a range',
    caughtBy: 'R-042',
    as: 'skip',
    request: (seen) => {
      delete seen.headers.range
      return undefined
    }
  },
  {
    does: 'refuses several ranges as none',
    caughtBy: 'R-043',
    as: 'skip',
    request: (seen) => (/,/.test(seen.headers.range ?? '') ? plain(416) : undefined)
  }
]
