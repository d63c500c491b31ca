import type { StorageDriver } from '../../storage/driver.ts'
import type { Digest } from '../oci/digest.ts'
import { RegistryError } from '../oci/error.ts'
import { isTag, type RepositoryName, type Tag } from '../oci/name.ts'
import { mapParallel } from './bytes.ts'
import { tagIndexKey, tagIndexLinkKey, tagLinkKey, tagsKey } from './layout.ts'
import type { Links } from './links.ts'
import { type Listing, type ListingPage, pageOf } from './listing.ts'
import { createTogether } from './together.ts'

/** Tags are never cached: what storage says now is the answer. */
export interface Tags {
  get(name: RepositoryName, tag: Tag): Promise<Digest | undefined>
  /** Points the tag at a manifest that is there already, atomically. */
  put(name: RepositoryName, tag: Tag, digest: Digest): Promise<void>
  /** In byte order. Distribution spec: "Listing Tags". */
  list(name: RepositoryName, page: ListingPage): Promise<Listing<Tag>>
  /** @throws RegistryError MANIFEST_UNKNOWN */
  delete(name: RepositoryName, tag: Tag): Promise<void>
  /** Removes every tag that points at this manifest. */
  deleteAll(name: RepositoryName, digest: Digest): Promise<void>
}

export function createTags(storage: StorageDriver, links: Links): Tags {
  // When an image is new, all nodes of a cluster ask for its tag at once.
  const current = createTogether<Digest | undefined>()

  /** @param expected remove it only while it points there */
  async function remove(name: RepositoryName, tag: Tag, expected?: Digest): Promise<boolean> {
    const within = tagsKey(name)
    const options = expected === undefined ? { within } : { within, expected }
    // The link first: a deletion that breaks off in the middle is invisible already, and the next one ends it. Then
    // its history, link by link: a push of the same tag may be writing beside it.
    const wasThere = await storage.delete(tagLinkKey(name, tag), options)
    if (!wasThere && expected !== undefined) return false
    for (const algorithm of await storage.list(tagIndexKey(name, tag))) {
      for (const encoded of await storage.list(`${tagIndexKey(name, tag)}/${algorithm}`)) {
        await storage.delete(`${tagIndexKey(name, tag)}/${algorithm}/${encoded}/link`, { within })
      }
    }
    return wasThere
  }

  async function exists(name: RepositoryName, tag: Tag): Promise<boolean> {
    return ((await storage.size(tagLinkKey(name, tag))) ?? 0) > 0
  }

  return {
    get(name, tag) {
      const key = tagLinkKey(name, tag)
      return current.ask(key, () => links.read(key))
    },

    async put(name, tag, digest) {
      await links.write(tagIndexLinkKey(name, tag, digest), digest)
      await links.write(tagLinkKey(name, tag), digest, { isContested: true })
    },

    list: (name, page) =>
      pageOf(page, async (after, limit) => {
        const names = await storage.list(tagsKey(name), { after, limit })
        const known = await mapParallel(names, async (tag) => isTag(tag) && (await exists(name, tag)))
        return names.map((tag, index) => ({ name: tag, item: known[index] ? (tag as Tag) : undefined }))
      }),

    async delete(name, tag) {
      if (!(await remove(name, tag))) throw new RegistryError('MANIFEST_UNKNOWN', tag)
    },

    async deleteAll(name, digest) {
      const names = (await storage.list(tagsKey(name))).filter(isTag)
      await mapParallel(names, async (tag) => {
        const target = await links.read(tagLinkKey(name, tag))
        // Of a removal that died halfway the driver may keep what it shows to nobody: this one ends it. History that is
        // left without a link stays until somebody deletes the tag itself.
        if (target === digest || target === undefined) await remove(name, tag, digest)
      })
    }
  }
}
