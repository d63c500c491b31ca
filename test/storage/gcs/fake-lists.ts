import type { Kept } from './fake-gcs.ts'

/** A page of `objects.list`: items and prefixes in byte order of names, each on one page only. */
export function listOf(objects: ReadonlyMap<string, Kept>, query: URLSearchParams) {
  const prefix = query.get('prefix') ?? ''
  const delimiter = query.get('delimiter')
  const startOffset = query.get('startOffset') ?? ''
  const token = query.get('pageToken')
  const limit = Math.min(Number(query.get('maxResults') ?? 1000), 1000)
  const after = token === null ? undefined : Buffer.from(token, 'base64url').toString()

  const entries: { name: string; isPrefix: boolean }[] = []
  for (const name of [...objects.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))) {
    if (!name.startsWith(prefix) || name < startOffset) continue
    const end = delimiter === null ? -1 : name.indexOf(delimiter, prefix.length)
    const entry = end < 0 ? { name, isPrefix: false } : { name: name.slice(0, end + 1), isPrefix: true }
    if (entries.at(-1)?.name === entry.name && entry.isPrefix) continue
    if (after === undefined || entry.name > after) entries.push(entry)
  }
  const page = entries.slice(0, limit)
  const items = page.filter(({ isPrefix }) => !isPrefix)
  const prefixes = page.filter(({ isPrefix }) => isPrefix)
  return {
    kind: 'storage#objects',
    ...(items.length > 0 && { items: items.map(({ name }) => itemOf(name, objects.get(name)!)) }),
    ...(prefixes.length > 0 && { prefixes: prefixes.map(({ name }) => name) }),
    ...(entries.length > limit && {
      nextPageToken: Buffer.from(page.at(-1)?.name ?? '').toString('base64url')
    })
  }
}

function itemOf(name: string, { bytes, generation, updated }: Kept) {
  return {
    name,
    size: String(bytes.length),
    generation: String(generation),
    updated: updated.toISOString()
  }
}
