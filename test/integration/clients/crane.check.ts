// crane against the registry: pushes, copies within it, changes and deletes, with digests compared throughout.
import { deepEqual, equal, notEqual, ok, rejects } from 'node:assert/strict'
import { join } from 'node:path'
import { builtVersion } from '../../go/build.ts'
import { assertSameContent, createLayout } from '../support/layout.ts'
import { type Output, run, scratch, startBerth } from '../support/processes.ts'
import { seeded } from '../support/random.ts'
import { needCommands, needGoTool, step } from '../support/steps.ts'
import { about } from './about.ts'

const binary = await needGoTool('crane')
await needCommands('tar')
about({
  client: 'crane',
  version: await builtVersion(binary),
  note: 'Loopback is spoken to over plain HTTP; other hosts need `--insecure`. kaniko and ko push with the same library.'
})
const random = seeded('crane')
const registry = await startBerth()

const single = await createLayout()
const image = await single.image('amd64', [
  { hello: Buffer.from('hello') },
  { 'data/large': random.bytes(20 * 2 ** 20) }
])
await single.tag('v1', image)

const many = await createLayout()
const index = await many.index([
  await many.image('amd64', [{ hello: Buffer.from('hello') }]),
  await many.image('arm64', [{ hello: Buffer.from('hello'), more: random.bytes(1000) }])
])
await many.tag('v1', index)

await step('an image comes back byte for byte', async () => {
  await crane('push', single.folder, at('crane/one:v1'))
  equal(await digest('crane/one:v1'), image.digest)
  const folder = join(scratch(), 'pulled')
  await crane('pull', '--format=oci', at('crane/one:v1'), folder)
  await assertSameContent(image.digest, single, folder)
})

await step('an image of many platforms comes back byte for byte, all of it', async () => {
  await crane('push', '--index', many.folder, at('crane/many:v1'))
  const pushed = await digest('crane/many:v1')
  const folder = join(scratch(), 'pulled')
  await crane('pull', '--format=oci', at(`crane/many@${pushed}`), folder)
  await assertSameContent(index.digest, many, folder)
})

await step('what it validates by downloading all of it is valid', async () => {
  await crane('validate', '--remote', at('crane/one:v1'))
  await crane('validate', '--remote', at('crane/many:v1'))
})

await step('a copy to another repository mounts the blobs and uploads none', async () => {
  const { stderr } = await crane('copy', '-v', at('crane/one:v1'), at('crane/copied/deeply:v1'))
  const mounts = stderr.match(/--> POST \S+\/blobs\/uploads\/\?\S*mount=/g) ?? []
  equal(mounts.length, 3, 'one mount for the config and each of two layers')
  equal(/--> (PATCH|PUT) \S+\/blobs\/uploads\//.test(stderr), false, 'no blob is uploaded')
  equal(await digest('crane/copied/deeply:v1'), image.digest)
  await crane('validate', '--remote', at('crane/copied/deeply:v1'))
})

await step('an image that is changed keeps its layers and gets a new digest', async () => {
  await crane('mutate', at('crane/one:v1'), '--label', 'berth=moored', '--tag', at('crane/one:labelled'))
  notEqual(await digest('crane/one:labelled'), image.digest)
  const [before, after] = await Promise.all([manifest('crane/one:v1'), manifest('crane/one:labelled')])
  deepEqual(after.layers, before.layers)
  const { stdout } = await crane('config', at('crane/one:labelled'))
  deepEqual(JSON.parse(stdout).config.Labels, { berth: 'moored' })
})

await step('a layer is appended', async () => {
  const tar = join(scratch(), 'more.tar')
  await run('tar', ['-C', single.folder, '-cf', tar, 'oci-layout'])
  await crane('append', '--base', at('crane/one:v1'), '--new_layer', tar, '--new_tag', at('crane/one:longer'))
  equal((await manifest('crane/one:longer')).layers.length, 3)
  await crane('validate', '--remote', at('crane/one:longer'))
})

await step('repositories and tags are listed, in order', async () => {
  deepEqual(await lines('ls', at('crane/one')), ['labelled', 'longer', 'v1'])
  deepEqual(await lines('catalog', registry.host), ['crane/copied/deeply', 'crane/many', 'crane/one'])
})

await step('a tag is moved', async () => {
  await crane('tag', at('crane/one:labelled'), 'v1')
  equal(await digest('crane/one:v1'), await digest('crane/one:labelled'))
  equal(await digest(`crane/one@${image.digest}`), image.digest, 'what it pointed at is still there')
})

await step('a deleted image cannot be pulled, nor can its tag be listed', async () => {
  const labelled = await digest('crane/one:labelled')
  await crane('delete', at(`crane/one@${labelled}`))
  for (const name of ['crane/one:labelled', 'crane/one:v1', `crane/one@${labelled}`]) {
    await rejects(crane('manifest', at(name)), /MANIFEST_UNKNOWN/)
  }
  deepEqual(await lines('ls', at('crane/one')), ['longer'])
  await crane('validate', '--remote', at('crane/copied/deeply:v1'))
})

await step('an image that lacks a layer is found invalid', async () => {
  const [, layer] = (await manifest('crane/copied/deeply:v1')).layers
  ok(layer)
  const gone = await fetch(`${registry.url}/v2/crane/copied/deeply/blobs/${layer.digest}`, {
    method: 'DELETE'
  })
  equal(gone.status, 202)
  await rejects(crane('validate', '--remote', at('crane/copied/deeply:v1')), /BLOB_UNKNOWN/)
  await crane('validate', '--remote', at('crane/one:longer'))
})

await registry.stop()
await step('the registry logged no error', async () => {
  deepEqual(registry.log().match(/.*level=(error|fatal) .*/g), null)
})

function at(name: string): string {
  return `${registry.host}/${name}`
}

async function crane(...args: string[]): Promise<Output> {
  return run(binary, args)
}

async function digest(name: string): Promise<string> {
  return (await crane('digest', at(name))).stdout.trim()
}

async function lines(...args: string[]): Promise<string[]> {
  return (await crane(...args)).stdout.trim().split('\n')
}

async function manifest(name: string): Promise<{ layers: { digest: string }[] }> {
  return JSON.parse((await crane('manifest', at(name))).stdout)
}
