// buildah against the registry: images are built on others from it, pushed to it, and cached in it. buildah packs layers
// anew for a push; what proves the bytes is an image's id, the digest of its config, which names each layer's content.
import { deepEqual, equal, match, notEqual, rejects } from 'node:assert/strict'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { digestOf } from '../support/client.ts'
import { createLayout, type Descriptor } from '../support/layout.ts'
import { failure, run, scratch, startBerth } from '../support/processes.ts'
import { seeded } from '../support/random.ts'
import { needCommands, step } from '../support/steps.ts'
import { about, versionOf } from './about.ts'
import { requestsIn, uploadsTo } from './requests.ts'

await needCommands('buildah', 'skopeo', 'crun', 'tar')
about({ client: 'buildah', version: await versionOf('buildah'), note: '`--tls-verify=false`' })
const random = seeded('buildah')
const registry = await startBerth()

const source = await createLayout()
const base = await source.image('amd64', [
  { hello: Buffer.from('hello') },
  { large: random.bytes(5 * 2 ** 20) }
])
await source.tag('base', base)
const own = random.bytes(2 ** 20)
await run('skopeo', [
  ...['copy', '--insecure-policy', '--dest-tls-verify=false', '--preserve-digests'],
  ...[`oci:${source.folder}:base`, `docker://${at('base:v1')}`]
])
const here = createBuildah()

let built = ''
let pushed = ''
await step(
  'an image that is built on one from the registry is pushed, and comes back with the same content',
  async () => {
    built = await build(here, `FROM ${at('base:v1')}\nCOPY own /more/own\nLABEL berth=moored\n`)
    pushed = await push(here, built, 'built:v1')
    const elsewhere = createBuildah()
    const container = await elsewhere('from', '--tls-verify=false', at(`built@${pushed}`))
    equal(await elsewhere('inspect', '--format', '{{.FromImageID}}', container), built)
    const folder = await elsewhere('mount', container)
    equal(Buffer.compare(await readFile(join(folder, 'more/own')), own), 0)
    equal(await readFile(join(folder, 'hello'), 'utf8'), 'hello')
  }
)

await step('what it is built on keeps its layers', async () => {
  const [below, above] = [await manifest('base', 'v1'), await manifest('built', 'v1')]
  equal(above.digest, pushed)
  deepEqual(above.content.layers?.slice(0, 2), below.content.layers)
  equal(await push(here, built, 'built:v2'), pushed)
})

await step("Docker's manifest format goes both ways", async () => {
  await push(here, built, 'docker:v1', '--format', 'v2s2')
  equal(
    (await manifest('docker', 'v1')).content.mediaType,
    'application/vnd.docker.distribution.manifest.v2+json'
  )
  const elsewhere = createBuildah()
  const folder = await elsewhere('mount', await elsewhere('from', '--tls-verify=false', at('docker:v1')))
  equal(Buffer.compare(await readFile(join(folder, 'more/own')), own), 0)
})

await step('a list of images is pushed whole', async () => {
  await here('manifest', 'create', 'many')
  await here('manifest', 'add', 'many', built)
  await here('manifest', 'push', '--all', '--tls-verify=false', 'many', `docker://${at('many:v1')}`)
  const { content } = await manifest('many', 'v1')
  equal(content.manifests?.length, 1)
  equal(
    (await manifest('many', content.manifests?.[0]?.digest ?? '')).content.config?.digest,
    `sha256:${built}`
  )
})

await step('a build whose steps are cached in the registry gives the same image elsewhere', async () => {
  const file = `FROM ${at('base:v1')}\nCOPY own /cached\n`
  const cache = ['--layers', '--cache-to', at('cache'), '--cache-from', at('cache')]
  const first = await build(createBuildah(), file, ...cache)
  equal(await build(createBuildah(), file, ...cache), first)
})

await step('an image that is changed has another digest, and the old one stays', async () => {
  const changed = await build(here, `FROM ${at('base:v1')}\nLABEL berth=left\n`)
  notEqual(await push(here, changed, 'base:v1'), base.digest)
  equal((await manifest('base', base.digest)).digest, base.digest)
})

await step('nothing is built on what is not there', async () => {
  for (const name of ['base:none', `base@${digestOf(Buffer.from('another'))}`]) {
    await rejects(build(here, `FROM ${at(name)}\nCOPY own /\n`), /manifest unknown/)
  }
})

await step('what is deleted from the registry is not pulled again', async () => {
  await run('skopeo', ['delete', '--tls-verify=false', `docker://${at('many:v1')}`])
  match(
    (await failure(createBuildah()('from', '--tls-verify=false', at('many:v1')))).stderr,
    /manifest unknown/
  )
})

await registry.stop()
await step(
  'layers from the base were mounted, what was there not sent again, and cached steps were asked for',
  async () => {
    const requests = requestsIn(registry.log())
    equal(uploadsTo(requests, 'built', 'PATCH').length, 2, 'a layer and the config')
    const cached = requests.filter(
      ({ path, method }) => method === 'GET' && path.startsWith('/v2/cache/manifests/')
    )
    equal(
      cached.some(({ status }) => status === 200),
      true
    )
  }
)

await step('the registry logged no error', async () => {
  deepEqual(registry.log().match(/.*level=(error|fatal) .*/g), null)
})

function at(name: string): string {
  return `${registry.host}/${name}`
}

type Buildah = (...args: string[]) => Promise<string>

/** buildah over a storage of its own. Gives what it wrote, without the line's end. */
function createBuildah(): Buildah {
  const folder = scratch()
  const own = ['--root', join(folder, 'storage'), '--runroot', join(folder, 'run'), '--storage-driver', 'vfs']
  return async (...args) => (await run('buildah', [...own, ...args])).stdout.trim()
}

/** Gives the id of the image. */
async function build(buildah: Buildah, file: string, ...options: string[]): Promise<string> {
  const context = scratch()
  await mkdir(context, { recursive: true })
  await writeFile(join(context, 'own'), own)
  await writeFile(join(context, 'Containerfile'), file)
  // Unpacked by root as root it needs no other namespace, which test machines may lack.
  const plain = ['--tls-verify=false', '--isolation', 'chroot', '--timestamp', '0', '--format', 'oci']
  const said = await buildah('bud', ...plain, ...options, context)
  return said.split('\n').at(-1) ?? ''
}

/** Gives the digest under which it was pushed. */
async function push(buildah: Buildah, image: string, name: string, ...options: string[]): Promise<string> {
  const file = join(scratch(), 'digest')
  await buildah('push', '--tls-verify=false', '--digestfile', file, ...options, image, `docker://${at(name)}`)
  return readFile(file, 'utf8')
}

interface Manifest {
  digest: string
  content: { mediaType?: string; config?: Descriptor; layers?: Descriptor[]; manifests?: Descriptor[] }
}

async function manifest(name: string, reference: string): Promise<Manifest> {
  const answer = await fetch(`${registry.url}/v2/${name}/manifests/${reference}`)
  const bytes = Buffer.from(await answer.arrayBuffer())
  return { digest: digestOf(bytes), content: JSON.parse(bytes.toString()) }
}
