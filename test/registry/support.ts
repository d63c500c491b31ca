import { createHash, randomUUID } from 'node:crypto'
import { type Digest, parseDigest } from '../../src/oci/digest.ts'
import { parseName, parseTag, type RepositoryName, type Tag } from '../../src/oci/name.ts'
import type { MountSource } from '../../src/registry/blobs.ts'
import { createRegistry, type Registry } from '../../src/registry/registry.ts'
import type { StorageDriver } from '../../storage/driver.ts'
import { memoryStorage } from '../../storage/memory.ts'
import { type Interpose, interposed } from './interposed.ts'

export const REPOSITORIES = 'docker/registry/v2/repositories'
export const BLOBS = 'docker/registry/v2/blobs'

export const A: RepositoryName = parseName('a')
export const B: RepositoryName = parseName('b')
export const V1: Tag = parseTag('v1')

export const OCI_IMAGE = 'application/vnd.oci.image.manifest.v1+json'
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json'

export function digestOf(bytes: string | Uint8Array, algorithm = 'sha256'): Digest {
  return parseDigest(`${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`)
}

/** The hex digits of a digest. */
export const hexOf = (digest: Digest): string => digest.slice(digest.indexOf(':') + 1)

/** A registry that need not wait for other replicas, its bare storage, and what happens before each call to it, which can be changed at any time. */
export interface World {
  registry: Registry
  storage: StorageDriver
  /** Another process on the same storage. */
  another(): Registry
  /** The same process after a restart: it remembers nothing. */
  fresh(): Registry
  before(interpose: Interpose): void
}

export function world(): World {
  let interpose: Interpose = () => {}
  const pause = async () => {}
  const storage = memoryStorage(() => new Date('2026-01-31T12:00:00.999Z'))
  const watched = interposed(storage, (call) => interpose(call))
  return {
    registry: createRegistry(watched, { pause }),
    storage,
    another: () => createRegistry(storage, { pause }),
    fresh: () => createRegistry(watched, { pause }),
    before: (next) => {
      interpose = next
    }
  }
}

/** Where a blob may be mounted from, by somebody who may pull everything. */
export const from = (name: RepositoryName | undefined): MountSource => ({
  from: name,
  mayMount: async () => true
})

export const bytesOf = (text: string): [Buffer] => [Buffer.from(text)]

/** Pushes a blob, and gives its digest. */
export async function pushBlob({ blobs }: Registry, name: RepositoryName, text: string): Promise<Digest> {
  await blobs.write(name, digestOf(text), bytesOf(text))
  return digestOf(text)
}

/** The bytes of an image whose config and one layer are already pushed. */
export async function imageOf(
  registry: Registry,
  name: RepositoryName,
  layer: string = randomUUID(),
  fields: object = {}
): Promise<Buffer> {
  const config = await pushBlob(registry, name, '{}')
  const digest = await pushBlob(registry, name, layer)
  const body = {
    schemaVersion: 2,
    mediaType: OCI_IMAGE,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: config, size: 2 },
    layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', digest, size: layer.length }],
    ...fields
  }
  return Buffer.from(JSON.stringify(body))
}

/** Pushes a manifest, and gives its digest. */
export async function push(
  { manifests }: Registry,
  name: RepositoryName,
  bytes: Buffer,
  ...tags: Tag[]
): Promise<Digest> {
  const { digest } = await manifests.put(name, { bytes, contentType: undefined, digest: undefined, tags })
  return digest
}

/** Every object of the store, by key. */
export async function everything(storage: StorageDriver, folder = 'docker'): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  for (const child of await storage.list(folder)) {
    const key = `${folder}/${child}`
    if ((await storage.size(key)) === undefined) {
      for (const [below, content] of await everything(storage, key)) found.set(below, content)
    } else {
      found.set(key, await textOf(storage.read(key)))
    }
  }
  return found
}

export async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of body) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks).toString()
}
