import type { Fault } from '../faulty.ts'
import { is, MANIFEST, plain, takeRefused, WRONG_DIGEST } from './edits.ts'

export const MANIFEST_FAULTS: readonly Fault[] = [
  {
    does: 'says one media type of every manifest',
    caughtBy: 'R-031',
    as: 'skip',
    answer: (told, seen) => {
      if (is(seen, 'GET', MANIFEST) && told.status === 200) told.headers['content-type'] = 'application/json'
    }
  },
  {
    does: 'does not say how long a manifest is',
    caughtBy: 'R-034',
    as: 'skip',
    answer: (told, seen) => {
      if (is(seen, 'GET', MANIFEST)) delete told.headers['content-length']
    }
  },
  {
    does: 'has a manifest only for those who accept its type',
    caughtBy: 'R-035',
    as: 'skip',
    request: (seen) =>
      is(seen, 'GET', MANIFEST) && /html/.test(seen.headers.accept ?? '') ? plain(406) : undefined
  },
  {
    does: 'sends a manifest to those who have it already',
    caughtBy: 'R-036',
    as: 'skip',
    request: (seen) => {
      delete seen.headers['if-none-match']
      return undefined
    }
  },
  {
    does: 'knows no ?ns=',
    caughtBy: 'R-037',
    as: 'skip',
    request: (seen) => (/[?]ns=/.test(seen.path) ? plain(400) : undefined)
  },
  {
    does: 'wants to know beforehand how long a manifest is',
    caughtBy: 'R-081',
    as: 'skip',
    request: (seen) =>
      is(seen, 'PUT', MANIFEST) && seen.headers['content-length'] === undefined ? plain(411) : undefined
  },
  {
    does: 'takes small manifests only',
    caughtBy: 'R-085',
    as: 'skip',
    request: (seen) => (Number(seen.headers['content-length']) > 3_000_000 ? plain(413) : undefined)
  },
  {
    does: 'refuses a manifest without a mediaType',
    caughtBy: 'R-086',
    request: (seen) => (is(seen, 'PUT', /manifests.untyped/) ? plain(400) : undefined)
  },
  {
    does: 'sets no tags by ?tag=',
    caughtBy: 'R-087',
    as: 'skip',
    answer: (told) => {
      delete told.headers['oci-tag']
    }
  },
  {
    does: 'has a sha256 digest for every tag',
    caughtBy: 'R-088',
    answer: (told, seen) => {
      if (is(seen, 'GET', /manifests.latest/)) told.headers['docker-content-digest'] = WRONG_DIGEST
    }
  },
  {
    does: 'has an empty manifest where there is none',
    caughtBy: 'R-090',
    answer: (told, seen) => {
      if (is(seen, 'GET', MANIFEST) && told.status === 404) told.status = 200
    }
  },
  {
    does: 'takes anything for a manifest',
    caughtBy: 'M-01',
    as: 'skip',
    answer: takeRefused
  },
  {
    does: 'does not compare Content-Type and mediaType',
    caughtBy: 'M-02',
    as: 'skip',
    answer: takeRefused
  },
  {
    does: 'takes every manifest without a type for an image',
    caughtBy: 'M-03',
    as: 'skip',
    answer: (told, seen) => {
      if (is(seen, 'GET', /manifests.index/) && told.status === 200)
        told.headers['content-type'] = 'application/vnd.oci.image.manifest.v1+json'
    }
  },
  {
    does: 'refuses an index of nothing',
    caughtBy: 'M-04',
    as: 'skip',
    request: (seen) => (is(seen, 'PUT', /manifests.empty/) ? plain(400) : undefined)
  },
  {
    does: 'refuses an artifact',
    caughtBy: 'M-06',
    request: (seen) => (is(seen, 'PUT', /manifests.artifact/) ? plain(400) : undefined)
  },
  {
    does: 'takes manifests before their blobs',
    caughtBy: 'M-07',
    as: 'skip',
    answer: takeRefused
  },
  {
    does: 'wants layers that lie elsewhere',
    caughtBy: 'M-08',
    as: 'skip',
    request: (seen) => (is(seen, 'PUT', /manifests.t1/) ? plain(400) : undefined)
  },
  {
    does: 'refuses an index of blobs',
    caughtBy: 'M-09',
    as: 'skip',
    request: (seen) => (is(seen, 'PUT', /manifests.latest/) ? plain(400) : undefined)
  },
  {
    does: 'has every blob as a manifest',
    caughtBy: 'M-10',
    answer: (told, seen) => {
      if (is(seen, 'GET', MANIFEST) && told.status === 404) told.status = 200
    }
  },
  {
    does: 'does not say a sha512 digest',
    caughtBy: 'M-11',
    as: 'skip',
    answer: (told, seen) => {
      if (is(seen, 'GET', MANIFEST)) delete told.headers['docker-content-digest']
    }
  },
  {
    does: 'refuses signatures',
    caughtBy: 'M-12',
    request: (seen) => (is(seen, 'PUT', /[.]sig$/) ? plain(400) : undefined)
  },
  {
    does: 'understands no */* in Accept',
    caughtBy: 'M-13',
    as: 'skip',
    request: (seen) =>
      is(seen, 'GET|HEAD', MANIFEST) && /[*]/.test(seen.headers.accept ?? '') ? plain(404) : undefined
  },
  {
    does: 'refuses layers of zstd',
    caughtBy: 'M-14',
    request: (seen) => (is(seen, 'PUT', /manifests.oci/) ? plain(400) : undefined)
  }
]
