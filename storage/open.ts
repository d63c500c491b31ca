import type { StorageDriver } from './driver.ts'

export interface StorageConfig {
  readonly filesystem: { readonly rootdirectory: string }
  readonly maintenance?: { readonly readonly: { readonly enabled: boolean } }
}

/** Where CNCF distribution keeps the bytes of an upload in flight. */
const DISTRIBUTION_UPLOAD = /\/_uploads\/[^/]+\/data$/

/**
 * The driver that the configuration asks for, ready for use; only that one is loaded.
 * @throws StorageUnavailable when nothing could be stored, in words for an administrator
 */
export async function openStorage({ filesystem, maintenance }: StorageConfig): Promise<StorageDriver> {
  const { filesystemStorage, prepareFilesystem } = await import('./filesystem.ts')
  const options = { root: filesystem.rootdirectory, foreign: DISTRIBUTION_UPLOAD }
  const storage = filesystemStorage(options)
  // What is read-only may be a copy that somebody else writes to: nothing is tried out, and nothing made.
  if (!maintenance?.readonly.enabled) await prepareFilesystem(options)
  await storage.probe()
  return storage
}
