import { createHash } from 'node:crypto'

/** Image spec: "Media Types"; Docker's own, which all registries met before. */
export const TYPES = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  index: 'application/vnd.oci.image.index.v1+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
  empty: 'application/vnd.oci.empty.v1+json'
} as const

/** What a client that takes every kind of manifest sends. */
export const ACCEPT = [TYPES.manifest, TYPES.index, TYPES.dockerManifest, TYPES.dockerList].join(', ')

export type Algorithm = 'sha256' | 'sha512'

export interface Descriptor {
  mediaType: string
  digest: string
  size: number
  [more: string]: unknown
}

export interface Blob {
  bytes: Buffer
  digest: string
}

export interface Manifest extends Blob {
  /** The Content-Type it travels with. */
  mediaType: string
}

export function digestOf(bytes: Uint8Array, algorithm: Algorithm = 'sha256'): string {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`
}

export function blobOf(bytes: Buffer, algorithm: Algorithm = 'sha256'): Blob {
  return { bytes, digest: digestOf(bytes, algorithm) }
}

/** `{}`, which artifacts have in place of a config. Image spec: "Guidance for an Empty Descriptor". */
export const EMPTY: Blob = blobOf(Buffer.from('{}'))

export function descriptorOf({ bytes, digest }: Blob, mediaType: string): Descriptor {
  return { mediaType, digest, size: bytes.length }
}

/** A manifest of these fields, as it travels; `schemaVersion` and `mediaType` come first unless they are given. */
export function manifestOf(
  fields: Record<string, unknown>,
  mediaType: string = TYPES.manifest,
  algorithm: Algorithm = 'sha256'
): Manifest {
  return {
    ...blobOf(Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, ...fields })), algorithm),
    mediaType
  }
}

/** An image's configuration, as small as may be. Image spec: "OCI Image Configuration". */
export function configOf(author: string): Buffer {
  const rootfs = { type: 'layers', diff_ids: [] }
  return Buffer.from(JSON.stringify({ author, architecture: 'amd64', os: 'linux', config: {}, rootfs }))
}

/** An image manifest over a config and layers. */
export function imageOf(config: Blob, layers: readonly Blob[], more: Record<string, unknown> = {}): Manifest {
  return manifestOf({
    config: descriptorOf(config, TYPES.config),
    layers: layers.map((layer) => descriptorOf(layer, TYPES.layer)),
    ...more
  })
}

/** An image index over manifests. */
export function indexOf(manifests: readonly Manifest[], more: Record<string, unknown> = {}): Manifest {
  const descriptors = manifests.map((one) => descriptorOf(one, one.mediaType))
  return manifestOf({ manifests: descriptors, ...more }, TYPES.index)
}

/** An artifact that is attached to a manifest, which need not be there. */
export function artifactOf(
  subject: Manifest,
  artifactType: string,
  annotations: Record<string, string> = {}
): Manifest {
  return manifestOf({
    artifactType,
    config: descriptorOf(EMPTY, TYPES.empty),
    layers: [descriptorOf(EMPTY, TYPES.empty)],
    subject: descriptorOf(subject, subject.mediaType),
    annotations
  })
}

/** An endless row of bytes that a text decides. */
export interface Random {
  bytes(count: number): Buffer
  /** Lower-case letters and digits. */
  word(length?: number): string
  /** A digest that nobody has the bytes of. */
  digest(algorithm?: Algorithm): string
}

export function createRandom(seed: string): Random {
  let taken = 0
  function bytes(count: number): Buffer {
    taken += 1
    return createHash('shake256', { outputLength: count }).update(`${seed} ${taken}`).digest()
  }
  return {
    bytes,
    word: (length = 8) =>
      BigInt(`0x${bytes(32).toString('hex')}`)
        .toString(36)
        .padStart(length, '0')
        .slice(-length),
    digest: (algorithm = 'sha256') =>
      `${algorithm}:${bytes(algorithm === 'sha256' ? 32 : 64).toString('hex')}`
  }
}
