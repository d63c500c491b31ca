import type { Fault } from '../faulty.ts'
import { BLOB, editJson, is, MANIFEST, plain, remembers } from './edits.ts'

export const DISCOVERY_FAULTS: readonly Fault[] = [
  {
    does: 'lists tags under another name',
    caughtBy: 'R-100',
    answer: (told, seen) => {
      if (/tags\/list/.test(seen.path) && told.status === 200)
        editJson(told, (list) => ({ ...list, name: 'other' }))
    }
  },
  {
    does: 'never answers when tags are asked for',
    caughtBy: 'R-100',
    as: 'error',
    request: (seen) => (/tags\/list/.test(seen.path) ? 'hang' : undefined)
  },
  {
    does: 'lists tags as they were pushed',
    caughtBy: 'R-101',
    answer: (told, seen) => {
      if (/tags\/list/.test(seen.path) && told.status === 200) {
        editJson(told, ({ tags, ...list }) => ({ ...list, tags: (tags as string[]).toReversed() }))
      }
    }
  },
  {
    does: 'lists all tags whatever n is',
    caughtBy: 'R-102',
    request: (seen) => {
      seen.path = seen.path.replace(/\?n=\d+/, '')
      return undefined
    }
  },
  {
    does: 'begins every list of tags at the first',
    caughtBy: 'R-103',
    request: (seen) => {
      seen.path = seen.path.replace(/last=[^&]+/, '')
      return undefined
    }
  },
  {
    does: 'links every page of tags to itself',
    caughtBy: 'R-104',
    answer: (told, seen) => {
      if (told.headers.link !== undefined) told.headers.link = `<${seen.path}>; rel="next"`
    }
  },
  {
    does: 'sends referrers as plain JSON',
    caughtBy: 'R-105',
    answer: (told, seen) => {
      if (/referrers/.test(seen.path)) told.headers['content-type'] = 'application/json'
    }
  },
  {
    does: 'lists referrers without their annotations',
    caughtBy: 'R-106',
    answer: (told, seen) => {
      if (!/referrers/.test(seen.path) || told.status !== 200) return
      editJson(told, ({ manifests, ...index }) => ({
        ...index,
        manifests: (manifests as object[]).map((one) => ({ ...one, annotations: undefined }))
      }))
    }
  },
  {
    does: 'says that it filtered referrers, and did not',
    caughtBy: 'R-107',
    request: (seen) => {
      seen.path = seen.path.replace(/artifactType=[^&]+/, '')
      return undefined
    },
    answer: (told, seen) => {
      if (/referrers/.test(seen.path)) told.headers['oci-filters-applied'] = 'artifactType'
    }
  },
  {
    does: 'lists the referrers that there once were',
    caughtBy: 'R-109',
    answer: (told, seen, memory) => {
      if (told.status !== 200 || !/referrers/.test(seen.path)) return
      const isFull = JSON.parse(told.body.toString()).manifests.length > 0
      if (isFull || memory.has(seen.path)) remembers(told, seen.path, memory)
    }
  },
  {
    does: 'refuses to delete tags, with a code that says something else',
    caughtBy: 'R-120',
    as: 'skip',
    request: (seen) => (is(seen, 'DELETE', /manifests\/one/) ? plain(400) : undefined)
  },
  {
    does: 'deletes a tag together with its manifest',
    caughtBy: 'R-120',
    answer: (told, seen, memory) => {
      if (is(seen, 'DELETE', MANIFEST)) memory.set('deleted', told)
      else if (told.status === 200 && is(seen, 'GET', MANIFEST) && memory.has('deleted')) told.status = 404
    }
  },
  {
    does: 'says 202 to deleting a manifest, and keeps it',
    caughtBy: 'R-121',
    request: (seen) => (is(seen, 'DELETE', MANIFEST) ? plain(202) : undefined)
  },
  {
    does: 'says 200 to deleting a blob',
    caughtBy: 'R-122',
    answer: (told, seen) => {
      if (is(seen, 'DELETE', BLOB) && told.status === 202) told.status = 200
    }
  },
  {
    does: 'says 200 to HEAD of what it deleted',
    caughtBy: 'R-123',
    answer: (told, seen) => {
      if (seen.method === 'HEAD' && told.status === 404) told.status = 200
    }
  }
]
