// skopeo against the registry: what it pushes comes back byte for byte.
import { deepEqual, equal, rejects } from 'node:assert/strict'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { assertSameContent, createLayout, reachable, readBlob } from '../support/layout.ts'
import { type Output, run, scratch, startBerth } from '../support/processes.ts'
import { seeded } from '../support/random.ts'
import { needCommands, step } from '../support/steps.ts'
import { about, versionOf } from './about.ts'

await needCommands('skopeo', 'tar')
about({
  client: 'skopeo',
  version: await versionOf('skopeo'),
  note: '`--tls-verify=false`, for copies `--src-tls-verify=false` and `--dest-tls-verify=false`'
})
const random = seeded('skopeo')
const registry = await startBerth()

const source = await createLayout()
const amd64 = await source.image('amd64', [
  { hello: Buffer.from('hello') },
  { 'data/large': random.bytes(20 * 2 ** 20) }
])
const arm64 = await source.image('arm64', [{ hello: Buffer.from('hello') }, { other: random.bytes(1000) }])
const index = await source.index([amd64, arm64])
await source.tag('amd64', amd64)
await source.tag('all', index)

await step('an image comes back byte for byte', async () => {
  await push('amd64', 'skopeo/one:v1')
  const folder = scratch()
  await copy(at('skopeo/one:v1'), `oci:${folder}:v1`, '--preserve-digests')
  await assertSameContent(amd64.digest, source, folder)
})

await step('an image of many platforms comes back byte for byte, all of it', async () => {
  await push('all', 'skopeo/many:v1', '--all')
  const folder = scratch()
  await copy(at('skopeo/many:v1'), `oci:${folder}:v1`, '--all', '--preserve-digests')
  equal((await reachable(source.folder, index.digest)).length, 9)
  await assertSameContent(index.digest, source, folder)
})

await step('one platform of many can be pulled by its digest', async () => {
  const folder = scratch()
  await copy(at(`skopeo/many@${arm64.digest}`), `oci:${folder}:arm64`, '--preserve-digests')
  await assertSameContent(arm64.digest, source, folder)
})

await step('tags are listed, in order', async () => {
  for (const tag of ['v10', 'V2', 'latest']) await push('amd64', `skopeo/one:${tag}`)
  const { stdout } = await skopeo('list-tags', at('skopeo/one'), '--tls-verify=false')
  deepEqual(JSON.parse(stdout).Tags, ['V2', 'latest', 'v1', 'v10'])
})

await step('an image is inspected: its digest, its layers and its manifest as it was pushed', async () => {
  const { stdout } = await skopeo('inspect', '--tls-verify=false', at('skopeo/one:v1'))
  const seen = JSON.parse(stdout)
  const manifest = JSON.parse((await source.read(amd64.digest)).toString())
  equal(seen.Digest, amd64.digest)
  deepEqual(
    seen.Layers,
    manifest.layers.map((layer: { digest: string }) => layer.digest)
  )
  const raw = await skopeo('inspect', '--raw', '--tls-verify=false', at('skopeo/one:v1'))
  equal(raw.stdout, (await source.read(amd64.digest)).toString())
})

await step("Docker's manifest format is kept as it is", async () => {
  await push('amd64', 'skopeo/docker:v1', '--format', 'v2s2')
  const { stdout: raw } = await skopeo('inspect', '--raw', '--tls-verify=false', at('skopeo/docker:v1'))
  const docker = JSON.parse(raw)
  equal(docker.mediaType, 'application/vnd.docker.distribution.manifest.v2+json')
  const folder = scratch()
  await copy(at('skopeo/docker:v1'), `oci:${folder}:v1`)
  for (const { digest } of [docker.config, ...docker.layers]) {
    deepEqual(await readBlob(folder, digest), await source.read(digest))
  }
})

await step('a copy within the registry mounts the layers', async () => {
  await copy(at('skopeo/many:v1'), at('skopeo/copied:v1'), '--all', '--preserve-digests')
  const folder = scratch()
  await copy(at('skopeo/copied:v1'), `oci:${folder}:v1`, '--all', '--preserve-digests')
  await assertSameContent(index.digest, source, folder)
  equal(
    registry.log().match(/method=PATCH http.request.uri=\S*\/skopeo\/copied\/blobs\//g)?.length,
    2,
    'the configs, which skopeo never mounts'
  )
})

await step(
  'a repository that is synced to a folder and from there to another place is the same',
  async () => {
    await push('all', 'skopeo/synced:v1', '--all')
    await push('amd64', 'skopeo/synced:v2')
    const folder = scratch()
    const exact = ['--all', '--preserve-digests', '--src-tls-verify=false', '--dest-tls-verify=false']
    const name = `${registry.host}/skopeo/synced`
    await skopeo('sync', ...exact, '--src', 'docker', '--dest', 'dir', name, folder)
    await skopeo('sync', ...exact, '--src', 'dir', '--dest', 'docker', folder, `${registry.host}/mirror`)
    const { stdout } = await skopeo('list-tags', at('mirror/synced'), '--tls-verify=false')
    deepEqual(JSON.parse(stdout).Tags, ['v1', 'v2'])
    for (const [tag, image] of Object.entries({ v1: index, v2: amd64 })) {
      const back = scratch()
      await copy(at(`mirror/synced:${tag}`), `oci:${back}:${tag}`, '--all', '--preserve-digests')
      await assertSameContent(image.digest, source, back)
    }
  }
)

await step('a sync of a list with a tag that is not there fails', async () => {
  const file = join(scratch(), 'list.yml')
  const images = { 'skopeo/synced': ['v1', 'v3'] }
  await writeFile(file, JSON.stringify({ [registry.host]: { images, 'tls-verify': false } })) // YAML holds JSON
  const sync = skopeo('sync', '--all', '--src', 'yaml', '--dest', 'dir', file, scratch())
  await rejects(sync, /v3: .*manifest unknown/)
})

await step('a deleted image cannot be pulled, nor any tag of it', async () => {
  await skopeo('delete', '--tls-verify=false', at('skopeo/one:v1'))
  for (const tag of ['v1', 'latest']) {
    await rejects(copy(at(`skopeo/one:${tag}`), `oci:${scratch()}:x`), /manifest unknown/i)
  }
  await rejects(copy(at(`skopeo/one@${amd64.digest}`), `oci:${scratch()}:x`), /manifest unknown/i)
})

await step('a push of content that is not what its digest says fails and leaves no image', async () => {
  const broken = await createLayout()
  const image = await broken.image('amd64', [{ file: random.bytes(5000) }])
  await broken.tag('broken', image)
  const { layers } = JSON.parse((await broken.read(image.digest)).toString())
  const layer = join(broken.folder, 'blobs', ...layers[0].digest.split(':'))
  await rm(layer)
  await writeFile(layer, random.bytes(layers[0].size))
  await rejects(copy(`oci:${broken.folder}:broken`, at('skopeo/broken:v1')), /digest|status: 400/i)
  await rejects(skopeo('inspect', '--tls-verify=false', at('skopeo/broken:v1')), /unknown/i)
})

await step('a repository that was never pushed to is said to be unknown', async () => {
  await rejects(skopeo('list-tags', '--tls-verify=false', at('skopeo/never')), /404|name unknown/i)
})

await registry.stop()
await step('the registry logged no error', async () => {
  deepEqual(registry.log().match(/.*level=(error|fatal) .*/g), null)
})

function at(name: string): string {
  return `docker://${registry.host}/${name}`
}

async function push(tag: string, name: string, ...options: string[]): Promise<void> {
  const exact = options.includes('--format') ? [] : ['--preserve-digests']
  await copy(`oci:${source.folder}:${tag}`, at(name), ...exact, ...options)
}

async function copy(source: string, destination: string, ...options: string[]): Promise<void> {
  const plain = ['--src-tls-verify=false', '--dest-tls-verify=false']
  await skopeo('copy', ...plain, ...options, source, destination)
}

async function skopeo(...args: string[]): Promise<Output> {
  return run('skopeo', ['--insecure-policy', ...args])
}
