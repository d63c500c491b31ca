import type { Client } from './client.ts'
import type { AcknowledgedBlob, AcknowledgedManifest, Ledger, TagHistory } from './ledger.ts'
import { OCI_MANIFEST } from './pusher.ts'
import type { Random } from './random.ts'
import type { Verdict } from './verdict.ts'

/** Reads back through the registry what it has acknowledged. */
export interface Verification {
  /** All that is new since the last call, and some of what is older. Every tag each time. */
  since(random: Random, older: number): Promise<void>
  everything(): Promise<void>
}

const ACCEPT = { headers: { accept: OCI_MANIFEST } }

export function createVerification(client: Client, ledger: Ledger, verdict: Verdict): Verification {
  const pulled = new Set<string>()
  let blobsSeen = 0
  let manifestsSeen = 0

  async function checkBlob({ name, digest, size }: AcknowledgedBlob): Promise<void> {
    const path = `/v2/${name}/blobs/${digest}`
    const head = await client.request('HEAD', path)
    verdict.must(
      head.status === 200 && head.headers['content-length'] === String(size),
      `HEAD of an acknowledged blob says its size: ${path}`,
      { status: head.status, length: head.headers['content-length'], size }
    )
    const got = await client.pull(path)
    verdict.must(
      got.status === 200 && got.digest === digest && got.size === size,
      `GET of an acknowledged blob gives its bytes: ${path}`,
      { status: got.status, size: got.size, digest: got.digest }
    )
  }

  async function checkManifest({ name, digest, bytes }: AcknowledgedManifest): Promise<void> {
    const path = `/v2/${name}/manifests/${digest}`
    const got = await client.request('GET', path, ACCEPT)
    const right = got.status === 200 && got.headers['content-type'] === OCI_MANIFEST && got.body.equals(bytes)
    verdict.must(right, `GET of an acknowledged manifest gives its bytes: ${path}`, got.status)
  }

  async function checkTag(history: TagHistory): Promise<void> {
    const { name, tag } = history
    const got = await client.request('GET', `/v2/${name}/manifests/${tag}`, ACCEPT)
    const digest = got.status === 200 ? String(got.headers['docker-content-digest']) : undefined
    const allowed = ledger.allowed(history)
    const right = (got.status === 200 || got.status === 404) && allowed.includes(digest)
    verdict.must(right, `a tag points at what was last pushed: ${name}:${tag}`, {
      status: got.status,
      digest,
      allowed
    })
    if (digest === undefined) return
    ledger.seen(history, digest)
    await pullImage(name, digest)
  }

  /** All that a visible manifest names can be pulled. Looked at once for each manifest, until `everything`. */
  async function pullImage(name: string, digest: string): Promise<void> {
    if (pulled.has(`${name}@${digest}`)) return
    pulled.add(`${name}@${digest}`)
    const { body } = await client.request('GET', `/v2/${name}/manifests/${digest}`, ACCEPT)
    const { config, layers }: { config: Described; layers: Described[] } = JSON.parse(body.toString())
    for (const part of [config, ...layers]) await checkBlob({ name, ...part })
  }

  async function checkDeleted(path: string): Promise<void> {
    const { status } = await client.request('GET', `/v2/${path}`, ACCEPT)
    verdict.must(status === 404, `what was deleted stays so: ${path}`, status)
  }

  async function checkTagLists(): Promise<void> {
    for (const name of new Set([...ledger.tags.values()].map((history) => history.name))) {
      for (const tag of await listTags(name)) {
        const history = ledger.tags.get(`${name}:${tag}`)
        if (!verdict.must(history !== undefined, `a listed tag was pushed: ${name}:${tag}`)) continue
        const got = await client.request('HEAD', `/v2/${name}/manifests/${tag}`, ACCEPT)
        verdict.must(got.status === 200, `a listed tag can be pulled: ${name}:${tag}`, got.status)
      }
    }
  }

  async function listTags(name: string): Promise<string[]> {
    const tags: string[] = []
    let path: string | undefined = `/v2/${name}/tags/list?n=500`
    while (path !== undefined) {
      const page = await client.request('GET', path)
      if (page.status === 404) return tags
      verdict.must(page.status === 200, `the tags of ${name} are listed`, page.status)
      const found: { tags: string[] } = JSON.parse(page.body.toString())
      tags.push(...found.tags)
      path = /^<([^>]+)>; *rel="next"/.exec(String(page.headers.link ?? ''))?.[1]
    }
    return tags
  }

  return {
    async since(random, older) {
      const { blobs, manifests } = ledger
      const some = <T>(list: T[], before: number): T[] => [
        ...list.slice(before),
        ...Array.from({ length: Math.min(older, before) }, () => list[random.below(before)]).filter(isThere)
      ]
      await forEach(some(blobs, blobsSeen), checkBlob)
      await forEach(some(manifests, manifestsSeen), checkManifest)
      blobsSeen = blobs.length
      manifestsSeen = manifests.length
      await forEach(ledger.deleted, checkDeleted)
      await forEach([...ledger.tags.values()], checkTag)
      await checkTagLists()
    },
    async everything() {
      pulled.clear()
      await forEach(ledger.blobs, checkBlob)
      await forEach(ledger.manifests, checkManifest)
      await forEach(ledger.deleted, checkDeleted)
      await forEach([...ledger.tags.values()], checkTag)
      await checkTagLists()
    }
  }
}

function isThere<T>(item: T | undefined): item is T {
  return item !== undefined
}

interface Described {
  digest: string
  size: number
}

/** Eight at a time. */
async function forEach<T>(list: readonly T[], visit: (item: T) => Promise<void>): Promise<void> {
  const queue = list.values()
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (const item of queue) await visit(item)
    })
  )
}
