import type { FakeObject } from './bucket.ts'
import { escaped } from './errors.ts'

const tag = (name: string, text: string): string => `<${name}>${text}</${name}>`

/** All keys of the tests are ASCII. */
const inByteOrder = (a: string, b: string): number => (a < b ? -1 : 1)

/** ListObjectsV2. A token is the last entry of the page before, a folder's with all that is in it. */
export function listKeys(objects: ReadonlyMap<string, FakeObject>, query: URLSearchParams): string {
  const prefix = query.get('prefix') ?? ''
  const delimiter = query.get('delimiter') ?? ''
  const limit = Math.min(Number(query.get('max-keys') ?? 1000), 1000)
  const token = Buffer.from(query.get('continuation-token') ?? '', 'base64url').toString()
  const after = token || (query.get('start-after') ?? '')
  const isBehind = (key: string): boolean =>
    key > after && !(token !== '' && delimiter !== '' && token.endsWith(delimiter) && key.startsWith(token))
  const keys = [...objects.keys()].filter((key) => key.startsWith(prefix) && isBehind(key)).sort(inByteOrder)

  const entries: { name: string; xml: string }[] = []
  let isMore = false
  for (const key of keys) {
    const end = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length)
    const folder = end < 0 ? undefined : key.slice(0, end + delimiter.length)
    if (folder !== undefined && entries.at(-1)?.name === folder) continue
    if (entries.length === limit) {
      isMore = true
      break
    }
    const object = objects.get(key)
    const xml =
      folder === undefined
        ? tag(
            'Contents',
            tag('Key', escaped(key)) +
              tag('LastModified', object?.modified.toISOString() ?? '') +
              tag('ETag', escaped(object?.etag ?? '')) +
              tag('Size', String(object?.bytes.length))
          )
        : tag('CommonPrefixes', tag('Prefix', escaped(folder)))
    entries.push({ name: folder ?? key, xml })
  }
  const next = isMore
    ? tag('NextContinuationToken', Buffer.from(entries.at(-1)?.name ?? '').toString('base64url'))
    : ''
  return `<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${tag('IsTruncated', String(isMore))}${tag('KeyCount', String(entries.length))}${next}${entries.map(({ xml }) => xml).join('')}</ListBucketResult>`
}
