import type { ContainerClient, ContainerListBlobFlatSegmentResponse as FlatPage } from '@azure/storage-blob'
import { StorageUnavailable } from '../driver.ts'
import type { Retrying } from '../objects/retry.ts'
import { firstPage } from './listing.ts'

const LAYOUT = 'docker/registry/v2/'

export interface RootOptions {
  readonly container: ContainerClient
  readonly call: Retrying
  readonly rootdirectory: string | undefined
  readonly legacyrootprefix: boolean | undefined
  readonly islegacy: boolean
  readonly log: { info(text: string): void; warn(text: string): void }
}

/**
 * What names of blobs begin with: the root directory, and before it the slash that distribution 2 and OpenShift's registry
 * put there and distribution 3 does not. A registry that took the wrong one would look empty, so what is there decides,
 * and where both are a person has to.
 * @throws StorageUnavailable
 */
export async function findRoot(options: RootOptions): Promise<string> {
  const { container, call, rootdirectory = '', legacyrootprefix, islegacy, log } = options
  const folder = rootdirectory.replace(/^\/+|\/+$/g, '')
  const plain = folder === '' ? '' : `${folder}/`
  const legacy = `/${plain}`
  const hasBlobs = async (root: string): Promise<boolean> => {
    // A page may be empty though there are more.
    for (let from: string | undefined; ; ) {
      const page = await call('ListBlobs', (abortSignal) => {
        const list = container.listBlobsFlat({ prefix: root + LAYOUT, abortSignal })
        const settings = { maxPageSize: 1, ...(from !== undefined && { continuationToken: from }) }
        return firstPage<FlatPage>(list.byPage(settings))
      })
      if (page.segment.blobItems.length > 0) return true
      from = page.continuationToken || undefined
      if (from === undefined) return false
    }
  }
  const [isPlain, isLegacy] = await Promise.all([hasBlobs(plain), hasBlobs(legacy)])
  const shown = (root: string): string => JSON.stringify(root + LAYOUT)

  if (isPlain && isLegacy && legacyrootprefix === undefined) {
    throw new StorageUnavailable(
      `the container ${container.containerName} holds two registries, one below ${shown(legacy)} (distribution 2, OpenShift) and one below ${shown(plain)} (distribution 3): choose by storage.azure.legacyrootprefix, true for the first and false for the second`
    )
  }
  const takesLegacy = legacyrootprefix ?? (isPlain || isLegacy ? isLegacy : islegacy)
  const [root, other] = takesLegacy ? [legacy, plain] : [plain, legacy]
  const [isThere, isOther] = takesLegacy ? [isLegacy, isPlain] : [isPlain, isLegacy]
  const why =
    legacyrootprefix !== undefined
      ? 'as storage.azure.legacyrootprefix says'
      : isThere
        ? 'as it is there'
        : 'a new one'
  log.info(`the registry in the container ${container.containerName} is below ${shown(root)}, ${why}`)
  if (!isThere && isOther) {
    log.warn(
      `nothing is below ${shown(root)}, but there is a registry below ${shown(other)}: is storage.azure.legacyrootprefix right?`
    )
  }
  return root
}
