import type { Test } from 'tap'
import type { ListOptions, ObjectStore } from '../../../../storage/objects/store.ts'
import { bytes } from '../../bodies.ts'
import type { FreshStore } from '../store-contract.ts'

const inByteOrder = (keys: Iterable<string>): string[] => [...keys].sort((a, b) => (a < b ? -1 : 1))

async function fill(store: ObjectStore, keys: readonly string[]): Promise<void> {
  for (let i = 0; i < keys.length; i += 50) {
    await Promise.all(keys.slice(i, i + 50).map(async (key) => store.put(key, [bytes(key)])))
  }
}

/** All pages: the keys of the objects, those of the folders, and how many pages there were. */
async function listAll(store: ObjectStore, prefix: string, options: ListOptions) {
  const objects: string[] = []
  const folders: string[] = []
  let pages = 0
  let from: string | undefined
  do {
    const page = await store.list(prefix, { ...options, from })
    objects.push(...page.objects.map(({ key }) => key))
    folders.push(...page.folders)
    from = page.next
    pages++
  } while (from !== undefined)
  return { objects, folders, pages }
}

/** None is both an object and a folder, which MinIO cannot list. */
const KEYS = inByteOrder(['a/b', 'a/c/d', 'a/c/e', 'a-b', 'a-c/d', 'a.b/c', 'ab', 'b/c', 'b-', 'B', '@p/1'])

export function listsContract(t: Test, fresh: FreshStore): void {
  t.test('nothing is below what is not there', async (t) => {
    const store = await fresh(t)
    for (const byFolder of [true, false]) {
      t.strictSame(await listAll(store, '', { byFolder }), { objects: [], folders: [], pages: 1 })
      t.strictSame(await listAll(store, 'a/', { byFolder }), { objects: [], folders: [], pages: 1 })
    }
  })

  t.test('a flat list gives all keys below a prefix, in byte order', async (t) => {
    const store = await fresh(t)
    await fill(store, KEYS)
    for (const prefix of ['', 'a', 'a/', 'a-', 'b/', 'c']) {
      const { objects, folders } = await listAll(store, prefix, { byFolder: false })
      t.strictSame(
        objects,
        KEYS.filter((key) => key.startsWith(prefix)),
        prefix
      )
      t.strictSame(folders, [])
    }
    const [object] = (await store.list('a/c/', { byFolder: false })).objects
    t.equal(object?.size, 5)
    t.ok(object && Math.abs(object.modified.getTime() - Date.now()) < 900_000)
  })

  t.test('a list by folder gathers what is below the next slash', async (t) => {
    const store = await fresh(t)
    await fill(store, KEYS)
    t.strictSame(await listAll(store, '', { byFolder: true }), {
      objects: ['B', 'a-b', 'ab', 'b-'],
      folders: ['@p', 'a-c', 'a.b', 'a', 'b'],
      pages: 1
    })
    const below = await listAll(store, 'a/', { byFolder: true })
    t.strictSame(below, { objects: ['a/b'], folders: ['a/c'], pages: 1 })
    t.strictSame((await listAll(store, 'a/c', { byFolder: true })).folders, ['a/c'])
  })

  t.test('pages of any length give each entry once', async (t) => {
    const store = await fresh(t)
    await fill(store, KEYS)
    const flat = await listAll(store, '', { byFolder: false })
    const byFolder = await listAll(store, '', { byFolder: true })
    for (const limit of [1, 2, 3, 5]) {
      const pages = await listAll(store, '', { byFolder: false, limit })
      t.strictSame(pages.objects, flat.objects, `${limit} a page`)
      t.ok(pages.pages >= Math.ceil(flat.objects.length / limit))
      const folders = await listAll(store, '', { byFolder: true, limit })
      t.strictSame(
        [folders.objects, folders.folders],
        [byFolder.objects, byFolder.folders],
        `${limit} a page`
      )
    }
  })

  t.test('a list can begin after a key, or gives what is before it as well', async (t) => {
    const store = await fresh(t)
    await fill(store, KEYS)
    for (const after of ['a', 'a-b', 'a.', 'a/c/d', 'zz']) {
      for (const limit of [2, 1000]) {
        const { objects } = await listAll(store, '', { byFolder: false, after, limit })
        const wanted = KEYS.filter((key) => key > after)
        t.strictSame(
          objects.filter((key) => key > after),
          wanted,
          `after ${after}, ${limit} a page`
        )
        t.ok(objects.length === wanted.length || objects.length === KEYS.length, 'from there on, or all')
      }
    }
  })

  t.test('more keys than a page holds are all listed', async (t) => {
    const store = await fresh(t)
    const keys = inByteOrder(Array.from({ length: 1_030 }, (_, i) => `t/${i}/link`))
    await fill(store, keys)
    t.strictSame((await listAll(store, 't/', { byFolder: false })).objects, keys)
    const { folders } = await listAll(store, 't/', { byFolder: true })
    t.strictSame(
      folders,
      keys.map((key) => key.slice(0, -'/link'.length))
    )
    await store.deleteAll(keys)
    t.strictSame((await store.list('t/', { byFolder: false, limit: 1 })).objects, [])
  })
}
