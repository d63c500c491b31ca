// Images that umoci made, in the registry: their manifests state no media type. umoci works on folders; skopeo brings
// them to the registry and back.
import { deepEqual, equal, match, notEqual, rejects } from 'node:assert/strict'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { digestOf } from '../support/client.ts'
import { type Descriptor, reachable, readBlob } from '../support/layout.ts'
import { run, scratch, startBerth } from '../support/processes.ts'
import { seeded } from '../support/random.ts'
import { needCommands, step } from '../support/steps.ts'
import { about, versionOf } from './about.ts'
import { requestsIn, uploadsTo } from './requests.ts'

await needCommands('umoci', 'skopeo')
about({
  client: 'umoci',
  version: await versionOf('umoci'),
  note: 'It works on folders: `skopeo copy oci:FOLDER:TAG docker://HOST:PORT/NAME:TAG`, and back'
})
const registry = await startBerth()
const large = seeded('umoci').bytes(5 * 2 ** 20)

const folder = join(scratch(), 'layout')
await run('umoci', ['init', '--layout', folder])
await run('umoci', ['new', '--image', `${folder}:v1`])
await insert('v1', 'hello', Buffer.from('hello'))
await insert('v1', 'data/large', large)
await run('umoci', ['config', '--image', `${folder}:v1`, '--config.cmd', '/hello', '--architecture', 'arm64'])
const image = await named(folder, 'v1')

await step('an image comes back byte for byte, with the media type that the push said', async () => {
  await push('v1', 'made:v1')
  equal('mediaType' in JSON.parse((await readBlob(folder, image.digest)).toString()), false)
  const answer = await fetch(`${registry.url}/v2/made/manifests/v1`)
  equal(answer.headers.get('content-type'), 'application/vnd.oci.image.manifest.v1+json')
  equal(answer.headers.get('docker-content-digest'), image.digest)
  const pulled = await pull('made:v1')
  for (const digest of await reachable(folder, image.digest)) {
    deepEqual(await readBlob(pulled, digest), await readBlob(folder, digest))
  }
})

await step('what is unpacked from it is what was put in', async () => {
  const bundle = join(scratch(), 'bundle')
  await run('umoci', ['unpack', '--rootless', '--image', `${await pull('made:v1')}:v1`, bundle])
  equal(await readFile(join(bundle, 'rootfs', 'hello'), 'utf8'), 'hello')
  equal(Buffer.compare(await readFile(join(bundle, 'rootfs', 'data', 'large')), large), 0)
})

await step(
  'an image that is changed and pushed again has another digest, and the former one is there',
  async () => {
    await insert('v1', 'more', Buffer.from('more'))
    await push('v1', 'made:v2')
    notEqual((await named(folder, 'v1')).digest, image.digest)
    equal((await named(await pull(`made@${image.digest}`), 'v1')).digest, image.digest)
  }
)

await step('an image with a layer that is not of its digest is refused, and leaves no tag', async () => {
  await insert('v1', 'broken', Buffer.from('broken'))
  const { layers } = JSON.parse((await readBlob(folder, (await named(folder, 'v1')).digest)).toString())
  const { digest, size } = layers.at(-1)
  const layer = join(folder, 'blobs', ...digest.split(':'))
  await rm(layer)
  await writeFile(layer, seeded('broken').bytes(size))
  await rejects(push('v1', 'broken:v1'), /digest|status: 400/i)
  await rejects(pull('broken:v1'), /manifest unknown/)
  equal((await fetch(`${registry.url}/v2/broken/blobs/${digest}`)).status, 404)
})

await step(
  'a manifest whose layers were not pushed is refused, also without a media type of its own',
  async () => {
    const answer = await fetch(`${registry.url}/v2/elsewhere/manifests/v1`, {
      method: 'PUT',
      headers: { 'content-type': 'application/vnd.oci.image.manifest.v1+json' },
      body: new Uint8Array(await readBlob(folder, image.digest))
    })
    equal(answer.status, 400)
    match(await answer.text(), /MANIFEST_BLOB_UNKNOWN/)
    await rejects(pull('elsewhere:v1'), /unknown/)
  }
)

await registry.stop()
await step('of the changed image only what is new was sent', async () => {
  const sent = uploadsTo(requestsIn(registry.log()), 'made', 'PATCH')
  equal(sent.length, 3 + 2, 'two layers and a config, then a layer and a config')
})

await step('the registry logged no error', async () => {
  deepEqual(registry.log().match(/.*level=(error|fatal) .*/g), null)
})

function at(name: string): string {
  return `docker://${registry.host}/${name}`
}

async function insert(tag: string, path: string, content: Uint8Array): Promise<void> {
  const file = join(scratch(), digestOf(content).slice(7, 20))
  await writeFile(file, content)
  await run('umoci', ['insert', '--rootless', '--image', `${folder}:${tag}`, file, `/${path}`])
}

async function push(tag: string, name: string): Promise<void> {
  const exact = ['--preserve-digests', '--dest-tls-verify=false']
  await run('skopeo', ['--insecure-policy', 'copy', ...exact, `oci:${folder}:${tag}`, at(name)])
}

/** Gives a layout that has it as `v1`. */
async function pull(name: string): Promise<string> {
  const target = scratch()
  const exact = ['--preserve-digests', '--src-tls-verify=false']
  await run('skopeo', ['--insecure-policy', 'copy', ...exact, at(name), `oci:${target}:v1`])
  return target
}

async function named(layout: string, tag: string): Promise<Descriptor> {
  const { manifests } = JSON.parse(await readFile(join(layout, 'index.json'), 'utf8'))
  return manifests.find((one: Descriptor) => one.annotations?.['org.opencontainers.image.ref.name'] === tag)
}
