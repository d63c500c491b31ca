import { basename } from 'node:path'

/** Where checks let berth keep things: in a folder, unless `with-storage.ts` has started an object store for them. */
export interface TestStorage {
  /** Of the settings: `S3`, `GCS`, `AZURE`. */
  driver: string
  /** What sets it up, but for the root directory. */
  settings: Record<string, string>
  /** What CNCF distribution takes beside that. */
  distribution?: Record<string, string>
}

const VARIABLE = 'BERTH_TEST_STORAGE'

/** For the environment of a command whose checks are to use it. */
export function toEnvironment(storage: TestStorage): Record<string, string> {
  return { [VARIABLE]: JSON.stringify(storage) }
}

/** Undefined for a folder. */
export function testStorage(): TestStorage | undefined {
  const text = process.env[VARIABLE]
  return text === undefined ? undefined : JSON.parse(text)
}

/** What lets berth store below a root: this folder, or the folder of its name in an object store. */
export function storageSettings(root: string): Record<string, string> {
  const storage = testStorage()
  if (storage === undefined) return { REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: root }
  const { driver, settings } = storage
  return { ...settings, [`REGISTRY_STORAGE_${driver}_ROOTDIRECTORY`]: basename(root) }
}
