// Folders of docker-registry that a crash, a full disk or a hand has damaged (case 62): what is broken reads as 404 or is
// healed, nothing is 500, lists go on, and pushing the image again mends it.
import { deepEqual, equal, ok } from 'node:assert/strict'
import { mkdir, rm, truncate, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { createClient, digestOf } from '../support/client.ts'
import { scratch, startBerth, startDockerRegistry } from '../support/processes.ts'
import { createPusher, imageManifest, OCI_MANIFEST, type Pusher } from '../support/pusher.ts'
import { seeded } from '../support/random.ts'
import { needCommands, step } from '../support/steps.ts'
import { blobFile } from '../support/storage-folder.ts'

type Part = 'v1' | 'v2' | 'manifest' | 'config' | 'layer'

interface Damage {
  title: string
  /** Of an image with two tags, in a repository of its own. */
  harm(files: Files): Promise<unknown>
  /** What is 404 from then on; all else comes back byte for byte. */
  lost: readonly Part[]
  /** Both tags if not said. */
  tags?: readonly string[]
}

/** Where the parts of an image lie. */
interface Files {
  layers: string
  layerLink: string
  layer: string
  manifests: string
  revision: string
  manifest: string
  tags: string
  current: string
}

interface Image {
  name: string
  config: Buffer
  layer: Buffer
  manifest: Buffer
}

const TEMPORARY = '5f7d9c3e-0000-4000-8000-000000000001.tmp'
const BY_MANIFEST = ['v1', 'v2', 'manifest'] as const

const DAMAGES: readonly Damage[] = [
  { title: 'an empty link to a layer', harm: ({ layerLink }) => truncate(layerLink), lost: ['layer'] },
  { title: 'no link to a layer', harm: ({ layerLink }) => rm(layerLink), lost: ['layer'] },
  {
    title: 'a link of rubbish to a layer',
    harm: ({ layerLink }) => writeFile(layerLink, 'sha256:../..'),
    lost: ['layer']
  },
  {
    title: 'a folder in place of a link to a layer',
    harm: ({ layerLink }) => folderInPlaceOf(layerLink),
    lost: ['layer']
  },
  { title: 'no _layers', harm: ({ layers }) => remove(layers), lost: ['config', 'layer'] },
  {
    title: 'a file in place of _layers',
    harm: ({ layers }) => fileInPlaceOf(layers),
    lost: ['config', 'layer']
  },
  { title: 'a layer of no bytes', harm: ({ layer }) => truncate(layer), lost: ['layer'] },
  { title: 'a link to a layer that is not there', harm: ({ layer }) => rm(layer), lost: ['layer'] },
  { title: 'an empty link to a manifest', harm: ({ revision }) => truncate(revision), lost: BY_MANIFEST },
  { title: 'no link to a manifest', harm: ({ revision }) => rm(revision), lost: BY_MANIFEST },
  {
    title: 'a link of rubbish to a manifest',
    harm: ({ revision }) => writeFile(revision, 'x'),
    lost: BY_MANIFEST
  },
  { title: 'a manifest of no bytes', harm: ({ manifest }) => truncate(manifest), lost: BY_MANIFEST },
  { title: 'a manifest that was cut', harm: ({ manifest }) => truncate(manifest, 20), lost: BY_MANIFEST },
  {
    title: 'a link to a manifest that is not there',
    harm: ({ manifest }) => rm(manifest),
    lost: BY_MANIFEST
  },
  { title: 'an empty link of a tag', harm: ({ current }) => truncate(current), lost: ['v1'], tags: ['v2'] },
  {
    title: 'a link of rubbish of a tag',
    harm: ({ current }) => writeFile(current, 'latest'),
    lost: ['v1']
  },
  {
    title: 'a tag without current/link',
    harm: ({ current }) => remove(dirname(current)),
    lost: ['v1'],
    tags: ['v2']
  },
  {
    title: 'a folder in place of a link of a tag',
    harm: ({ current }) => folderInPlaceOf(current),
    lost: ['v1'],
    tags: ['v2']
  },
  {
    title: 'links with a newline',
    harm: async ({ layerLink, revision, current }) => {
      for (const file of [layerLink, revision, current]) await writeFile(file, '\n', { flag: 'a' })
    },
    lost: []
  },
  {
    title: 'temporary files everywhere',
    harm: async ({ layer, manifest, layerLink, revision, current, tags }) => {
      for (const file of [layer, manifest, layerLink, revision, current]) {
        await writeFile(`${file}.${TEMPORARY}`, '')
      }
      for (const folder of [tags, dirname(dirname(current)), dirname(dirname(revision))]) {
        await writeFile(join(folder, TEMPORARY), 'cut')
      }
    },
    lost: []
  },
  { title: 'no _manifests', harm: ({ manifests }) => remove(manifests), lost: BY_MANIFEST, tags: [] }
]

await needCommands('docker-registry')
const random = seeded('damaged')
const root = scratch()
const images = DAMAGES.map((_, index) => newImage(`damaged/tree${index}`))
const whole = newImage('damaged/whole')

const theirs = await startDockerRegistry(root)
for (const image of [...images, whole]) await pushTo(theirs.url, image)
await theirs.stop()
for (const [index, { harm }] of DAMAGES.entries()) await harm(filesOf(images[index] as Image))

const berth = await startBerth({ root })
const client = createClient(berth.url)
for (const [index, { title, lost, tags }] of DAMAGES.entries()) {
  await step(`${title}: ${lost.length > 0 ? `${lost.join(', ')} 404` : 'nothing is lost'}`, () =>
    check(images[index] as Image, lost, tags)
  )
}

await step(
  'what is whole is listed beside it, and so is every repository whose manifest is left',
  async () => {
    await check(whole, [])
    const { status, body } = await client.request('GET', '/v2/_catalog?n=1000')
    equal(status, 200)
    const { repositories } = JSON.parse(body.toString())
    const isLeft = (_: Image, index: number): boolean => !DAMAGES[index]?.lost.includes('manifest')
    for (const { name } of [...images.filter(isLeft), whole]) ok(repositories.includes(name), name)
    const names = [...images, whole].map(({ name }) => name).sort()
    deepEqual(
      repositories,
      names.filter((name) => repositories.includes(name))
    )
  }
)

await step('pushing an image again mends it', async () => {
  for (const [index, image] of images.entries()) {
    // What is no file of the layout only an administrator can take away.
    if (/^a (file|folder) in place/.test(DAMAGES[index]?.title ?? '')) continue
    await pushTo(berth.url, image)
    await check(image, [])
  }
})

client.close()
await berth.stop()
await step('the registry logged no error of its own', async () => {
  deepEqual(berth.log().match(/.*http\.response\.status=500.*/g), null)
})

function newImage(name: string): Image {
  const [config, layer] = [random.bytes(100), random.bytes(5000)]
  const described = (bytes: Buffer) => ({ digest: digestOf(bytes), size: bytes.length })
  return { name, config, layer, manifest: imageManifest(described(config), [described(layer)]) }
}

async function pushTo(url: string, { name, config, layer, manifest }: Image): Promise<void> {
  const own = createClient(url)
  const pusher: Pusher = createPusher(own)
  for (const blob of [config, layer]) await pusher.blob(name, blob)
  for (const tag of ['v1', 'v2']) await pusher.manifest(name, tag, manifest)
  own.close()
}

function filesOf({ name, layer, manifest }: Image): Files {
  const repository = join(root, 'docker/registry/v2/repositories', name)
  const [layers, manifests] = [join(repository, '_layers'), join(repository, '_manifests')]
  const link = (bytes: Buffer): string => join(digestOf(bytes).replace(':', '/'), 'link')
  return {
    layers,
    layerLink: join(layers, link(layer)),
    layer: blobFile(root, digestOf(layer)),
    manifests,
    revision: join(manifests, 'revisions', link(manifest)),
    manifest: blobFile(root, digestOf(manifest)),
    tags: join(manifests, 'tags'),
    current: join(manifests, 'tags/v1/current/link')
  }
}

async function remove(path: string): Promise<void> {
  await rm(path, { recursive: true })
}

async function folderInPlaceOf(file: string): Promise<void> {
  await rm(file)
  await mkdir(file)
}

async function fileInPlaceOf(folder: string): Promise<void> {
  await remove(folder)
  await writeFile(folder, '')
}

async function check(image: Image, lost: readonly Part[], tags = ['v1', 'v2'] as readonly string[]) {
  const { name, config, layer, manifest } = image
  const places: Record<Part, [string, Buffer]> = {
    v1: ['manifests/v1', manifest],
    v2: ['manifests/v2', manifest],
    manifest: [`manifests/${digestOf(manifest)}`, manifest],
    config: [`blobs/${digestOf(config)}`, config],
    layer: [`blobs/${digestOf(layer)}`, layer]
  }
  for (const [part, [path, bytes]] of Object.entries(places) as [Part, [string, Buffer]][]) {
    const expected = lost.includes(part) ? 404 : 200
    for (const method of ['HEAD', 'GET']) {
      const answer = await client.request(method, `/v2/${name}/${path}`, {
        headers: { accept: OCI_MANIFEST }
      })
      equal(answer.status, expected, `${method} ${part}: ${answer.body}`)
      if (method === 'GET' && expected === 200) equal(Buffer.compare(answer.body, bytes), 0, part)
    }
  }
  const listed = await client.request('GET', `/v2/${name}/tags/list`)
  equal(listed.status, 200, `tags: ${listed.body}`)
  deepEqual(JSON.parse(listed.body.toString()).tags, tags)
  const referrers = await client.request('GET', `/v2/${name}/referrers/${digestOf(manifest)}`)
  equal(referrers.status, 200, `referrers: ${referrers.body}`)
}
