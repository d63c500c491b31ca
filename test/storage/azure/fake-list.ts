import type { Blob } from './fake-service.ts'

/** List Blobs, as the service documents it: `startFrom` is the name it begins with, a marker the one it goes on at. */
export function answerList(blobs: ReadonlyMap<string, Blob>, { searchParams }: URL): string {
  const text = (key: string): string => searchParams.get(key) ?? ''
  const prefix = text('prefix')
  const delimiter = text('delimiter')
  const max = Number(searchParams.get('maxresults') ?? 5000)
  const start = [text('startFrom'), text('marker')].sort().at(-1) ?? ''
  const names = [...blobs.keys()].filter((name) => name.startsWith(prefix)).sort()

  const entries: string[] = []
  let next = ''
  let folder: string | undefined
  for (const name of names) {
    if (name < start || (folder !== undefined && name.startsWith(folder))) continue
    if (entries.length === max) {
      next = name
      break
    }
    const end = delimiter === '' ? -1 : name.indexOf(delimiter, prefix.length)
    folder = end < 0 ? undefined : name.slice(0, end + delimiter.length)
    entries.push(
      folder === undefined
        ? itemOf(name, blobs.get(name) as Blob)
        : `<BlobPrefix><Name>${folder}</Name></BlobPrefix>`
    )
  }
  return `<?xml version="1.0" encoding="utf-8"?><EnumerationResults><Prefix>${prefix}</Prefix><MaxResults>${max}</MaxResults><Blobs>${entries.join('')}</Blobs><NextMarker>${next}</NextMarker></EnumerationResults>`
}

function itemOf(name: string, { data, etag, modified, metadata, type }: Blob): string {
  const extra = Object.entries(metadata).map(([key, value]) => `<${key}>${value}</${key}>`)
  return `<Blob><Name>${name}</Name><Properties><Last-Modified>${modified.toUTCString()}</Last-Modified><Etag>${etag}</Etag><Content-Length>${data.length}</Content-Length><BlobType>${type}</BlobType></Properties><Metadata>${extra.join('')}</Metadata></Blob>`
}
