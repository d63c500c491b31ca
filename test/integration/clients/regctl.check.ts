// regctl against the registry: images with what refers to them, chunks, and content by sha512.
import { deepEqual, equal, match, rejects } from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { builtVersion } from '../../go/build.ts'
import { assertSameContent, createLayout, reachable, readBlob } from '../support/layout.ts'
import { failure, run, scratch, startBerth } from '../support/processes.ts'
import { seeded } from '../support/random.ts'
import { needCommands, needGoTool, step } from '../support/steps.ts'
import { about } from './about.ts'
import { requestsIn, uploadsTo } from './requests.ts'

const binary = await needGoTool('regctl')
await needCommands('tar')
about({
  client: 'regctl',
  version: await builtVersion(binary),
  note: '`regctl registry set HOST:PORT --tls disabled`, or `--host reg=HOST:PORT,tls=disabled` each time'
})
const random = seeded('regctl')
const registry = await startBerth()
const env = { HOME: scratch() }

const source = await createLayout()
const image = await source.image('amd64', [
  { hello: Buffer.from('hello') },
  { large: random.bytes(5 * 2 ** 20) }
])
const index = await source.index([image, await source.image('arm64', [{ hello: Buffer.from('hello') }])])
await source.tag('many', index)

await step('an image of many platforms comes back byte for byte, all of it', async () => {
  await regctl('image', 'copy', `ocidir://${source.folder}:many`, at('many:v1'))
  equal(await regctl('image', 'digest', at('many:v1')), index.digest)
  const folder = scratch()
  await regctl('image', 'copy', at('many:v1'), `ocidir://${folder}:v1`)
  await assertSameContent(index.digest, source, folder)
})

let note = ''
await step('what is attached to an image, and to that again, is found, by its type too', async () => {
  const attach = async (subject: string, type: string): Promise<void> => {
    await regctl({ input: type }, 'artifact', 'put', '--subject', subject, '--artifact-type', type)
  }
  await attach(at(`many@${image.digest}`), 'text/note')
  await attach(at(`many@${image.digest}`), 'text/other')
  ;[note = ''] = await referrers('many', image.digest, '--filter-artifact-type', 'text/note')
  equal((await referrers('many', image.digest)).length, 2)
  await attach(at(`many@${note}`), 'text/signature')
  equal((await referrers('many', note)).length, 1)
  equal(await regctl('artifact', 'get', at(`many@${note}`)), 'text/note')
})

await step('a copy with referrers brings all of them along, by the same digests', async () => {
  await regctl('image', 'copy', '--referrers', at('many:v1'), at('copy/of/many:v1'))
  equal(await regctl('image', 'digest', at('copy/of/many:v1')), index.digest)
  deepEqual(await referrers('copy/of/many', image.digest), await referrers('many', image.digest))
  deepEqual(await referrers('copy/of/many', note), await referrers('many', note))
})

await step('an image by sha512 is pushed, tagged, and comes back with every digest right', async () => {
  const args = ['image', 'mod', `ocidir://${source.folder}:many`, '--digest-algo', 'sha512']
  await regctl(...args, '--create', `ocidir://${source.folder}:512`)
  const expected = await regctl('image', 'digest', `ocidir://${source.folder}:512`)
  match(expected, /^sha512:[0-9a-f]{128}$/)
  await regctl('image', 'copy', `ocidir://${source.folder}:512`, at('many:512'))
  equal(await regctl('image', 'digest', at('many:512')), expected)
  const folder = scratch()
  await regctl('image', 'copy', at('many:512'), `ocidir://${folder}:512`)
  const digests = await reachable(folder, expected)
  equal(digests.length, 8)
  for (const digest of digests) {
    const bytes = await readBlob(folder, digest)
    equal(`sha512:${createHash('sha512').update(bytes).digest('hex')}`, digest)
    deepEqual(bytes, await source.read(digest))
  }
})

await step('a blob of unknown length comes back byte for byte', async () => {
  const content = random.bytes(3_500_000)
  const digest = await regctl({ input: content }, 'blob', 'put', at('chunks'))
  equal(digest, `sha256:${createHash('sha256').update(content).digest('hex')}`)
  const answer = await fetch(`${registry.url}/v2/chunks/blobs/${digest}`)
  deepEqual(Buffer.from(await answer.arrayBuffer()), content)
})

await step('tags are listed and deleted one by one, and their images stay', async () => {
  await regctl('image', 'copy', at('many:v1'), at('many:v2'))
  deepEqual((await regctl('tag', 'ls', at('many'))).split('\n'), ['512', 'v1', 'v2'])
  await regctl('tag', 'delete', at('many:v2'))
  deepEqual((await regctl('tag', 'ls', at('many'))).split('\n'), ['512', 'v1'])
  equal(await regctl('image', 'digest', at(`many@${index.digest}`)), index.digest)
})

await step('a manifest of content that is not there is refused, and its tag points at nothing', async () => {
  const manifest = (await source.read(image.digest)).toString()
  const put = regctl({ input: manifest }, 'manifest', 'put', '-t', image.mediaType, at('empty:v1'))
  match((await failure(put)).stderr, /MANIFEST_BLOB_UNKNOWN|400/)
  await rejects(regctl('image', 'digest', at('empty:v1')), /not found/i)
})

await registry.stop()
await step(
  'a blob of unknown length was sent in chunks of 1 MiB, and copied ones were not sent but mounted',
  async () => {
    const requests = requestsIn(registry.log())
    const statuses = (name: string, method: string): number[] =>
      uploadsTo(requests, name, method).map(({ status }) => status)
    deepEqual(statuses('chunks', 'PATCH'), [202, 202, 202, 202])
    deepEqual(new Set(statuses('copy/of/many', 'POST')), new Set([201]))
    deepEqual(statuses('copy/of/many', 'PUT'), [])
  }
)

await step('the registry logged no error', async () => {
  deepEqual(registry.log().match(/.*level=(error|fatal) .*/g), null)
})

function at(name: string): string {
  return `${registry.host}/${name}`
}

/** Gives what it wrote, without the line's end. */
async function regctl(...args: (string | { input: string | Uint8Array })[]): Promise<string> {
  const words = args.filter((arg) => typeof arg === 'string')
  const { input = '' } = args.find((arg) => typeof arg === 'object') ?? {}
  const host = ['--host', `reg=${registry.host},tls=disabled`]
  return (await run(binary, [...host, ...words], { env, input })).stdout.trim()
}

async function referrers(name: string, digest: string, ...filter: string[]): Promise<string[]> {
  const format = '{{range .Descriptors}}{{println .Digest}}{{end}}'
  const listed = await regctl('artifact', 'list', at(`${name}@${digest}`), '--format', format, ...filter)
  return listed.split('\n').filter((line) => line !== '')
}
