import type { Fault } from '../faulty.ts'
import { BLOB, editJson, is, plain } from './edits.ts'

export const ANSWER_FAULTS: readonly Fault[] = [
  {
    does: 'takes a list of tags from its clients',
    caughtBy: 'R-004',
    as: 'skip',
    request: (seen) => (is(seen, 'PUT', /tags.list/) ? plain(200) : undefined)
  },
  {
    does: 'warns in a form of its own',
    caughtBy: 'R-007',
    answer: (told) => {
      told.headers.warning = '199 berth "old"'
    }
  },
  {
    does: 'does not say which protocol it speaks',
    caughtBy: 'R-008',
    as: 'skip',
    answer: (told) => {
      delete told.headers['docker-distribution-api-version']
    }
  },
  {
    does: 'compresses what it sends',
    caughtBy: 'R-011',
    as: 'skip',
    answer: (told) => {
      if (told.status === 200) told.headers['content-encoding'] = 'br'
    }
  },
  {
    does: 'has nothing at /v2',
    caughtBy: 'R-021',
    as: 'skip',
    request: (seen) => (seen.path === '/v2' ? plain(404) : undefined)
  },
  {
    does: 'does not say which protocol it speaks to those without a login',
    caughtBy: 'R-022',
    as: 'skip',
    answer: (told) => {
      if (told.status === 401) delete told.headers['docker-distribution-api-version']
    }
  },
  {
    does: 'redirects to where no blob is',
    caughtBy: 'R-044',
    request: (seen) => (is(seen, 'GET', BLOB) ? plain(307, { location: '/v2/nowhere' }) : undefined)
  },
  {
    does: 'does not bear a manifest’s digest among blobs',
    caughtBy: 'R-045',
    as: 'error',
    answer: (told, seen) => {
      if (is(seen, 'GET', BLOB) && told.status === 404) told.status = 500
    }
  },
  {
    does: 'links every page of referrers to itself',
    caughtBy: 'R-108',
    answer: (told, seen) => {
      if (/referrers/.test(seen.path) && told.headers.link !== undefined)
        told.headers.link = `<${seen.path}>; rel="next"`
    }
  },
  {
    does: 'keeps the tags to itself that clients make for referrers',
    caughtBy: 'R-111',
    request: (seen) => (is(seen, 'PUT', /manifests.sha256-/) ? plain(400) : undefined)
  },
  {
    does: 'has an empty catalog',
    caughtBy: 'R-112',
    as: 'skip',
    answer: (told, seen) => {
      if (/_catalog/.test(seen.path) && told.status === 200) editJson(told, () => ({ repositories: [] }))
    }
  },
  {
    does: 'has extensions without names',
    caughtBy: 'R-113',
    request: (seen) =>
      /_oci.ext/.test(seen.path) ? { ...plain(200), body: Buffer.from('{"extensions":[{}]}') } : undefined
  },
  {
    does: 'does not delete what something refers to',
    caughtBy: 'R-124',
    as: 'skip',
    request: (seen) => (is(seen, 'DELETE', BLOB) ? plain(409) : undefined)
  }
]
