import { randomUUID } from 'node:crypto'
import { type Ask, digestOf, NOWHERE, OCI_CONFIG, OCI_IMAGE } from '../../http/support.ts'
import type { Target } from './scene.ts'
import type { Row } from './table.ts'

export interface Sent extends Ask {
  method: string
  url: string
  /** Of success, where it is not that of the row. */
  status?: number
}

/** A target that does not exist in a repository that does not exist, either. */
export const nowhere = (name: string): Target => ({
  name,
  tag: 'nowhere',
  manifest: NOWHERE,
  blob: NOWHERE,
  upload: randomUUID()
})

/** The requests that a row of the table stands for, such as one by tag and one by digest. */
export function requestsOf({ method, route }: Row, target: Target): Sent[] {
  const { name, tag, manifest, blob, upload } = target
  const path = route.replace(':name', name)
  if (route.endsWith(':reference')) {
    const body = JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_IMAGE,
      config: { mediaType: OCI_CONFIG, digest: digestOf('{}'), size: 2 },
      layers: [],
      annotations: { pushed: upload }
    })
    const references = method === 'PUT' ? [tag, digestOf(body)] : [tag, manifest]
    return references.map((reference) => ({
      method,
      url: path.replace(':reference', reference),
      ...(method === 'PUT' && { headers: { 'content-type': OCI_IMAGE }, body })
    }))
  }
  if (route.endsWith('/uploads/') || route.endsWith('/uploads')) {
    const body = upload
    return [
      { method, url: path },
      { method, url: `${path}?mount=${NOWHERE}&from=${name}` },
      { method, url: `${path}?mount=${NOWHERE}` },
      { method, url: `${path}?digest=${digestOf(body)}`, body, status: 201 }
    ]
  }
  if (route.endsWith('/uploads/:id')) {
    const url = path.replace(':id', upload)
    if (method === 'PUT') return [{ method, url: `${url}?digest=${digestOf('a')}`, body: 'a' }]
    return [{ method, url, ...(method === 'PATCH' && { body: 'a chunk' }) }]
  }
  if (route === '/openshift/token' && method === 'POST') {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    return [{ method, url: path, headers, body: 'grant_type=password' }]
  }
  return [{ method, url: path.replace(':digest', route.includes('referrers') ? manifest : blob) }]
}
