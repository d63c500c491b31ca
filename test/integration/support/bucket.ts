import { createWriteStream } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { readConfig } from '../../../src/config/read.ts'
import type { Found, ObjectStore } from '../../../storage/objects/store.ts'
import { inParallel } from '../../../storage/parallel.ts'
import { scratch } from './processes.ts'
import { storageSettings } from './storage.ts'

/** What is unfinished lies outside of the layout, under keys that begin so. */
const PRIVATE = '@'
/** The only objects whose bytes change: stores tell the second in which an object was written, and no more. */
const CHANGING = /\/current\/link$/

/** The object store that `with-storage.ts` has started, for a look beside the registry. */
export interface Bucket {
  /** Brings a folder, always the same, up to what the layout holds by now below the root, and gives it. */
  copy(): Promise<string>
  /** The keys of unfinished work. */
  unfinished(): Promise<string[]>
  /** All keys below the root. */
  keys(): Promise<string[]>
  close(): void
}

/** @param root empty for all that is there, whosever it is */
export async function openBucket(root: string): Promise<Bucket> {
  const store = await openStore(root)
  const folder = scratch()
  /** Of each key that was copied: what was listed of it. */
  const copied = new Map<string, string>()

  async function found(): Promise<Found[]> {
    const objects: Found[] = []
    let from: string | undefined
    do {
      const page = await store.list('', { byFolder: false, from })
      objects.push(...page.objects)
      from = page.next
    } while (from !== undefined)
    return objects
  }

  async function keys(): Promise<string[]> {
    return (await found()).map(({ key }) => key)
  }

  async function copyOne({ key, size, modified }: Found): Promise<void> {
    const state = `${size} ${modified.getTime()}`
    if (copied.get(key) === state && !CHANGING.test(key)) return
    const opened = await store.get(key)
    if (opened === undefined) return // it has gone meanwhile
    const file = join(folder, key)
    await mkdir(dirname(file), { recursive: true })
    await pipeline(opened.chunks, createWriteStream(file))
    copied.set(key, state)
  }

  return {
    async copy() {
      const objects = (await found()).filter(({ key }) => !key.startsWith(PRIVATE))
      await inParallel(objects, 16, copyOne)
      const there = new Set(objects.map(({ key }) => key))
      for (const key of copied.keys()) {
        if (there.has(key)) continue
        await rm(join(folder, key))
        copied.delete(key)
      }
      return folder
    },
    async unfinished() {
      return (await keys()).filter((key) => key.startsWith(PRIVATE))
    },
    keys,
    close: store.close
  }
}

async function openStore(root: string): Promise<ObjectStore & { close(): void }> {
  const env = storageSettings(root)
  const { s3, gcs, azure } = (await readConfig(env)).config.storage
  const log = { info() {}, warn() {} }
  const around = { env, log, memory: 64 << 20, isReadOnly: true, redirectSeconds: 60 }
  if (s3 !== undefined) return (await import('../../../storage/s3.ts')).openS3Store(s3, around)
  if (gcs !== undefined) return (await import('../../../storage/gcs.ts')).openGcsStore(gcs, around)
  if (azure !== undefined) return (await import('../../../storage/azure.ts')).openAzureStore(azure, around)
  throw new Error('with-storage.ts has started no object store')
}
