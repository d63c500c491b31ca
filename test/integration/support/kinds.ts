import type { Random } from './random.ts'
import { type Algorithm, type Described, MEDIA_TYPES, type Stock } from './stock.ts'

/** Image content of each kind that the tests push. All of it is random, so that two calls share no blob. */
export interface Kinds {
  image(name: string, options?: ImageOptions): Promise<Described>
  /** An image for each of two platforms, and the index of both. */
  platforms(name: string, tags: readonly string[], docker?: boolean): Promise<Described>
  /** What CNCF distribution 2.8 and berth both accept. Gives an image that may be deleted again. */
  common(place: string, options?: { emptyLayer?: boolean }): Promise<{ name: string; digest: string }>
  /** What belongs to another manifest of the repository, pushed by digest unless tags are given. */
  referrer(name: string, subject: Described, tags?: readonly string[]): Promise<Described>
}

export interface ImageOptions {
  tags?: readonly string[]
  docker?: boolean
  typed?: boolean
  algorithm?: Algorithm
}

export function createKinds(stock: Stock, random: Random): Kinds {
  const kinds: Kinds = {
    async image(name, { tags = [], docker = false, typed = true, algorithm = 'sha256' } = {}) {
      const config = await stock.blob(name, Buffer.from(JSON.stringify({ seed: random.next() })), algorithm)
      const layers = [
        await stock.blob(name, random.bytes(random.between(1, 200_000)), algorithm),
        await stock.blob(name, random.bytes(1000), algorithm)
      ]
      const mediaType = docker ? MEDIA_TYPES.dockerManifest : MEDIA_TYPES.manifest
      const content = { config: { ...config, mediaType: MEDIA_TYPES.config }, layers }
      return stock.manifest(name, content, { mediaType, tags, typed, algorithm })
    },

    async platforms(name, tags, docker = false) {
      const manifests = []
      for (const architecture of ['amd64', 'arm64']) {
        manifests.push({ ...(await kinds.image(name, { docker })), platform: { os: 'linux', architecture } })
      }
      const mediaType = docker ? MEDIA_TYPES.dockerList : MEDIA_TYPES.index
      return stock.manifest(name, { manifests }, { mediaType, tags })
    },

    async referrer(name, subject, tags = []) {
      const config = { ...(await stock.blob(name, Buffer.from('{}'))), mediaType: MEDIA_TYPES.empty }
      const layers = [await stock.blob(name, random.bytes(500))]
      const artifactType = 'application/vnd.example.signature'
      return stock.manifest(name, { artifactType, config, layers, subject }, { tags })
    },

    async common(place, { emptyLayer = true } = {}) {
      const name = `${place}/image`
      const deletable = await kinds.image(name, { tags: ['v1', 'latest'] })
      const kept = await kinds.image(name, { tags: ['V2_x.y-z'] })
      await kinds.image(name) // without a tag
      await kinds.referrer(name, kept)
      await kinds.referrer(name, kept, ['signature'])
      await kinds.image(`${place}/plain`, { tags: ['v1'], typed: false })
      await kinds.image(`${place}/docker`, { tags: ['v1'], docker: true })
      await kinds.platforms(`${place}/docker-many`, ['v1'], true)
      const many = await kinds.platforms(`${place}/a/b__c/d--e.f`, ['v1', 'v2'])
      const nested = { manifests: [many] }
      await stock.manifest(`${place}/a/b__c/d--e.f`, nested, {
        mediaType: MEDIA_TYPES.index,
        tags: ['nested']
      })

      // The same blobs in two repositories, one of them empty where that can be.
      const shared = random.bytes(3000)
      for (const repository of [`${place}/a`, name]) {
        const config = { ...(await stock.blob(repository, shared)), mediaType: MEDIA_TYPES.config }
        const layers = [await stock.blob(repository, Buffer.alloc(emptyLayer ? 0 : 1))]
        await stock.manifest(repository, { config, layers }, { tags: ['shared'] })
      }
      return { name, digest: deletable.digest }
    }
  }
  return kinds
}
