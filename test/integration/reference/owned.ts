import { equal } from 'node:assert/strict'
import { readConfig } from '../../../src/config/read.ts'
import { parseName, type RepositoryName } from '../../../src/oci/name.ts'
import { createRegistry } from '../../../src/registry/registry.ts'
import type { StorageDriver } from '../../../storage/driver.ts'
import { openStorage } from '../../../storage/open.ts'
import { storageSettings } from '../support/storage.ts'

/** The storage as berth opens it, for a look beside the registries. */
export async function openOurs(root: string): Promise<StorageDriver> {
  const env = storageSettings(root)
  const { config } = await readConfig(env)
  return openStorage(config.storage, { env, processes: 1, log: { info() {}, warn() {} } })
}

const UID = '5f7d9c3e-0000-4000-8000-000000000001'

/**
 * Lets every folder of a registry belong to a namespace, and a repository of which there is nothing yet.
 * @returns what checks that they still do
 */
export async function claimEverything(root: string, place: string): Promise<() => Promise<void>> {
  const { owners, repositories } = createRegistry(await openOurs(root))
  const names: RepositoryName[] = [parseName(`${place}/only-claimed`)]
  for await (const name of repositories.folders()) names.push(name)
  for (const name of names) await owners.claim(name, UID, undefined)
  return async () => {
    const { owners } = createRegistry(await openOurs(root))
    for (const name of names) equal(await owners.get(name), UID, name)
  }
}
