// podman against the registry. It keeps layers unpacked and packs them anew for a push; what proves the bytes is
// an image's id: the digest of its config, which names each layer's content, and which podman checks on a pull.
import { deepEqual, equal, match, rejects } from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createLayout, type Descriptor } from '../support/layout.ts'
import { run, scratch, startBerth } from '../support/processes.ts'
import { seeded } from '../support/random.ts'
import { needCommands, step } from '../support/steps.ts'
import { about, versionOf } from './about.ts'

await needCommands('podman', 'crun', 'tar')
about({ client: 'podman', version: await versionOf('podman'), note: '`--tls-verify=false`' })
const random = seeded('podman')
const registry = await startBerth()
const large = random.bytes(20 * 2 ** 20)

const source = await createLayout()
const amd64 = await source.image('amd64', [{ hello: Buffer.from('hello') }, { 'data/large': large }])
const arm64 = await source.image('arm64', [{ hello: Buffer.from('hello') }])
await source.tag('amd64', amd64)
await source.tag('arm64', arm64)

const here = createPodman()
await here('pull', `oci:${source.folder}:amd64`)
await here('tag', await configOf(amd64), 'localhost/amd64')
await here('pull', `oci:${source.folder}:arm64`)
await here('tag', await configOf(arm64), 'localhost/arm64')

await step('an image that is pushed is pulled elsewhere with the same content', async () => {
  await here('push', '--tls-verify=false', 'localhost/amd64', at('podman/one:v1'))
  const elsewhere = createPodman()
  equal(await elsewhere('pull', '-q', '--tls-verify=false', at('podman/one:v1')), await configOf(amd64))
  const folder = await elsewhere('image', 'mount', at('podman/one:v1'))
  equal(Buffer.compare(await readFile(join(folder, 'data/large')), large), 0)
  equal(await readFile(join(folder, 'hello'), 'utf8'), 'hello')
})

await step("Docker's manifest format goes both ways", async () => {
  await here('push', '--tls-verify=false', '--format', 'v2s2', 'localhost/amd64', at('podman/docker:v1'))
  const { type } = await manifest('podman/docker', 'v1')
  equal(type, 'application/vnd.docker.distribution.manifest.v2+json')
  const elsewhere = createPodman()
  await elsewhere('pull', '-q', '--tls-verify=false', at('podman/docker:v1'))
  const folder = await elsewhere('image', 'mount', at('podman/docker:v1'))
  equal(Buffer.compare(await readFile(join(folder, 'data/large')), large), 0)
})

await step('an image of many platforms is pushed whole, and each of them is pulled', async () => {
  await here('manifest', 'create', 'many')
  await here('manifest', 'add', 'many', 'containers-storage:localhost/amd64')
  await here('manifest', 'add', 'many', 'containers-storage:localhost/arm64')
  await here('manifest', 'push', '--all', '--tls-verify=false', 'many', `docker://${at('podman/many:v1')}`)

  const { type, content } = await manifest('podman/many', 'v1')
  match(type, /^application\/vnd\.(oci\.image\.index|docker\.distribution\.manifest\.list)/)
  const architectures = content.manifests?.map(({ platform }) => platform?.architecture)
  deepEqual(architectures?.sort(), ['amd64', 'arm64'])
  for (const [architecture, image] of Object.entries({ amd64, arm64 })) {
    const elsewhere = createPodman()
    const id = await elsewhere(
      'pull',
      '-q',
      '--tls-verify=false',
      '--arch',
      architecture,
      at('podman/many:v1')
    )
    equal(id, await configOf(image))
  }
})

await step('an image is pulled by its digest', async () => {
  const { digest } = await manifest('podman/one', 'v1')
  equal(
    await createPodman()('pull', '-q', '--tls-verify=false', at(`podman/one@${digest}`)),
    await configOf(amd64)
  )
})

await step('a second push of the same image sends no layer again', async () => {
  const before = await manifest('podman/one', 'v1')
  const logged = registry.log().length
  await here('push', '--tls-verify=false', 'localhost/amd64', at('podman/one:v2'))
  deepEqual((await manifest('podman/one', 'v2')).content, before.content)
  deepEqual(
    registry
      .log()
      .slice(logged)
      .match(/.*method=(PATCH|POST) http.request.uri=\S*\/podman\/one\/blobs\/.*/g),
    null
  )
})

await step('a tag or a digest that is not there cannot be pulled', async () => {
  const elsewhere = createPodman()
  await rejects(elsewhere('pull', '--tls-verify=false', at('podman/one:missing')), /manifest unknown/)
  const digest = `sha256:${'0'.repeat(64)}`
  await rejects(elsewhere('pull', '--tls-verify=false', at(`podman/one@${digest}`)), /manifest unknown/)
})

await registry.stop()
await step('the registry logged no error', async () => {
  deepEqual(registry.log().match(/.*level=(error|fatal) .*/g), null)
})

function at(name: string): string {
  return `${registry.host}/${name}`
}

/** podman over a storage of its own. Gives what it wrote, without the line's end. */
function createPodman(): (...args: string[]) => Promise<string> {
  const folder = scratch()
  const own = [
    ...['--root', join(folder, 'storage'), '--runroot', join(folder, 'run'), '--storage-driver', 'vfs'],
    ...['--cgroup-manager', 'cgroupfs', '--events-backend', 'file']
  ]
  return async (...args) => (await run('podman', [...own, ...args])).stdout.trim()
}

/** The id under which podman knows an image. */
async function configOf({ digest }: Descriptor): Promise<string> {
  const { config } = JSON.parse((await source.read(digest)).toString())
  return config.digest.replace('sha256:', '')
}

interface Manifest {
  type: string
  digest: string | null
  content: { manifests?: Descriptor[]; layers?: Descriptor[] }
}

async function manifest(name: string, reference: string): Promise<Manifest> {
  const accept = ['oci.image.manifest.v1', 'oci.image.index.v1']
    .concat(['docker.distribution.manifest.v2', 'docker.distribution.manifest.list.v2'])
    .map((type) => `application/vnd.${type}+json`)
  const answer = await fetch(`${registry.url}/v2/${name}/manifests/${reference}`, {
    headers: { accept: accept.join(', ') }
  })
  return {
    type: answer.headers.get('content-type') ?? '',
    digest: answer.headers.get('docker-content-digest'),
    content: JSON.parse(await answer.text())
  }
}
