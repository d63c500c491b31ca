import t from 'tap'
import type { Digest } from '../../src/oci/digest.ts'
import { RegistryError } from '../../src/oci/error.ts'
import { parseTag, type Tag } from '../../src/oci/name.ts'
import { createRegistry, type Registry } from '../../src/registry/registry.ts'
import type { FileSystem } from '../../storage/filesystem/files.ts'
import { filesystemStorage } from '../../storage/filesystem.ts'
import { createDisk, type Disk } from '../storage/disk.ts'
import { type Call, watched } from '../storage/watched.ts'
import { A, digestOf, imageOf, push, textOf, V1, world } from './support.ts'

const V2 = parseTag('v2')
const LAYERS = ['the first layer', 'the second layer']
/** Each image has a layer of its own, and the config that all share. */
const IMAGES = await Promise.all(LAYERS.map((layer) => imageOf(world().registry, A, layer)))
const [FIRST, SECOND] = IMAGES.map((bytes) => digestOf(bytes)) as [Digest, Digest]

/** What the tags point at: undefined where there is none. */
type Tags = Record<string, Digest | undefined>

interface Step {
  title: string
  run(registry: Registry): Promise<unknown>
  /** What it changes, once it was answered. */
  leaves: Tags
}

/** As a client sends it: in two chunks and a closing request without a body. */
async function pushLayer({ uploads }: Registry, layer: string): Promise<void> {
  const id = await uploads.start(A, 'sha256')
  for (const part of [layer.slice(0, 5), layer.slice(5)]) await uploads.append(A, id, [Buffer.from(part)])
  await uploads.finish(A, id, digestOf(layer))
}

async function pushImage(registry: Registry, image: 0 | 1, ...tags: Tag[]): Promise<void> {
  await registry.blobs.write(A, digestOf('{}'), [Buffer.from('{}')])
  await pushLayer(registry, LAYERS[image] as string)
  await push(registry, A, IMAGES[image] as Buffer, ...tags)
}

const STEPS: Step[] = [
  { title: 'push an image', run: (it) => pushImage(it, 0, V1), leaves: { v1: FIRST } },
  { title: 'push another', run: (it) => pushImage(it, 1, V2), leaves: { v2: SECOND } },
  { title: 'move a tag', run: (it) => push(it, A, IMAGES[1] as Buffer, V1), leaves: { v1: SECOND } },
  { title: 'delete a tag', run: (it) => it.tags.delete(A, V2), leaves: { v2: undefined } },
  {
    title: 'delete an image',
    run: (it) => it.manifests.delete(A, SECOND),
    leaves: { v1: undefined }
  }
]

const registryOn = (fs: FileSystem): Registry =>
  createRegistry(filesystemStorage({ root: '/r', fs }), { pause: async () => {} })

/** A disk as a power cut would leave it. */
interface Left {
  disk: Disk
  call: string
}

const CHANGING = new Set<Call['name']>([
  'copyFile',
  'fsync',
  'ftruncate',
  'link',
  'mkdir',
  'open',
  'rename',
  'rmdir',
  'unlink',
  'writev'
])

/**
 * Does the steps one after the other on a disk, and gives after each what a power cut before any of its calls that change
 * the disk, and after it, would leave: each state once.
 */
async function* leftByStep(fs: (disk: Disk) => FileSystem): AsyncGenerator<Left[]> {
  const disk = createDisk()
  let states = new Map<string, Left>()
  const cut = (call: string): void => {
    for (const left of disk.afterPowerCut()) {
      const content = left.content()
      if (!states.has(content)) states.set(content, { disk: left, call })
    }
  }
  const registry = registryOn(
    watched(fs(disk), ({ name, path }) => {
      if (CHANGING.has(name)) cut(`before ${name} of ${path}`)
      return undefined
    })
  )
  for (const { run } of STEPS) {
    await run(registry)
    yield [...states.values()]
    states = new Map()
    cut('after the step before')
  }
  yield [...states.values()]
}

/** What is wrong with what a crash left, if anything is. */
async function faultsOf(registry: Registry, allowed: Tags[]): Promise<string[]> {
  const faults: string[] = []
  const { tags, manifests, blobs } = registry
  for (const tag of [V1, V2]) {
    const digest = await tags.get(A, tag)
    const possible = allowed.map((each) => each[tag])
    if (!possible.includes(digest)) faults.push(`${tag} points at ${digest}, not at ${possible.join(' or ')}`)
  }
  for (const tag of await listed(tags)) {
    try {
      const { bytes, digest } = await manifests.get(A, tag)
      if (digestOf(bytes) !== digest) faults.push(`${tag} has other bytes than its digest's`)
      const { config, layers } = JSON.parse(bytes.toString())
      for (const part of [config, ...layers]) {
        const content = await textOf((await blobs.get(A, part.digest)).read())
        if (digestOf(content) !== part.digest) faults.push(`a blob of ${tag} is not whole`)
      }
    } catch (error) {
      faults.push(`${tag} is listed and cannot be pulled: ${(error as Error).message}`)
    }
  }
  return faults
}

/** None where nothing was pushed yet. */
async function listed(tags: Registry['tags']): Promise<Tag[]> {
  try {
    return (await tags.list(A, { n: 10 })).items
  } catch (error) {
    if (error instanceof RegistryError && error.name === 'NAME_UNKNOWN') return []
    throw error
  }
}

/** What the tags may point at when so many steps were done, and the next perhaps. */
function tagsAfter(done: number): Tags[] {
  const after = (count: number): Tags =>
    Object.assign({}, ...STEPS.slice(0, count).map(({ leaves }) => leaves))
  return [after(done), after(done + 1)]
}

/** Does all of it once more, as a client that saw its connection break. */
async function retry(registry: Registry): Promise<string[]> {
  await pushImage(registry, 0, V1)
  await pushImage(registry, 1, V2)
  return faultsOf(registry, [{ v1: FIRST, v2: SECOND }])
}

/** Ends at the first fault. `fs` is the disk as the driver sees it. */
async function report(fs: (disk: Disk) => FileSystem): Promise<string> {
  let done = 0
  let states = 0
  for await (const all of leftByStep(fs)) {
    for (const { disk, call } of all) {
      const registry = registryOn(disk.fs)
      const faults = await faultsOf(registry, tagsAfter(done))
      // It costs as much as twenty looks.
      if (states % 20 === 0) faults.push(...(await retry(registry)))
      if (faults.length > 0) return `${STEPS[done]?.title}, ${call}: ${faults.join(', ')}; ${disk.paths()}`
      states++
    }
    done++
  }
  return `${states} states, all sound`
}

// Some 1,800 registries are looked at: half a minute of work, on a busy machine minutes.
t.setTimeout(300_000)

t.test('after a power cut before any call every tag that is there can be pulled', async (t) => {
  const found = await report(({ fs }) => fs)
  t.match(found, /all sound/)
  t.comment(found)
})

for (const [what, isOne] of [
  ['a file', (path: string) => path.includes('@')],
  ['a folder', (path: string) => !path.includes('@')]
] as const) {
  t.test(`that test notices when ${what} is not synced`, async (t) => {
    const found = await report(({ fs }) =>
      watched(fs, ({ name, path }) => (name === 'fsync' && isOne(path) ? 'pretend' : undefined))
    )
    t.notMatch(found, /all sound/)
    t.comment(found)
  })
}
