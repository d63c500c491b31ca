import type {
  BlobItem,
  ContainerClient,
  ContainerListBlobFlatSegmentResponse as FlatPage,
  ContainerListBlobHierarchySegmentResponse as FolderPage
} from '@azure/storage-blob'
import type { Retrying } from '../objects/retry.ts'
import type { Found, Listed, ListOptions } from '../objects/store.ts'

const MAX_ENTRIES = 1000

/** A page of the blobs below a root. Azure names them in byte order. */
export async function listPage(
  { container, root, call }: { container: ContainerClient; root: string; call: Retrying },
  prefix: string,
  { byFolder, after, limit = MAX_ENTRIES, from }: ListOptions
): Promise<Listed> {
  const isLate = (key: string): boolean => after === undefined || key > after
  // It includes the one it names. A service older than version 2026-02-06 begins at the front: hence the filter.
  const start = after !== undefined && after > prefix && { startFrom: root + after }
  const settings = {
    maxPageSize: Math.min(limit, MAX_ENTRIES),
    ...(from !== undefined && { continuationToken: from })
  }

  const page = await call('ListBlobs', (abortSignal) => {
    const options = { prefix: root + prefix, includeMetadata: true, abortSignal, ...start }
    return byFolder
      ? firstPage<FolderPage | FlatPage>(container.listBlobsByHierarchy('/', options).byPage(settings))
      : firstPage<FolderPage | FlatPage>(container.listBlobsFlat(options).byPage(settings))
  })
  const { segment } = page
  const prefixes = 'blobPrefixes' in segment ? (segment.blobPrefixes ?? []) : []
  const objects = segment.blobItems
    .filter((item) => !isFolder(item.metadata))
    .map((item) => found(item, root))
  const folders = prefixes.map(({ name }) => name.slice(root.length, -1))
  return {
    objects: objects.filter(({ key }) => isLate(key)),
    folders: folders.filter((key) => isLate(`${key}/`) || after?.startsWith(`${key}/`)),
    next: page.continuationToken || undefined
  }
}

/** The SDK reads on by itself where it is let. */
export async function firstPage<Page>(pages: AsyncIterable<Page>): Promise<Page> {
  for await (const page of pages) return page
  throw new TypeError('Azure gave no page of a list')
}

function found({ name, properties }: BlobItem, root: string): Found {
  return {
    key: name.slice(root.length),
    size: properties.contentLength ?? 0,
    modified: properties.lastModified
  }
}

/** Accounts with a hierarchical namespace have blobs of zero bytes for folders. */
export function isFolder(metadata: Record<string, string> | undefined): boolean {
  return metadata?.hdi_isfolder === 'true'
}
