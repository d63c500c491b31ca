// containerd's library against the registry, through a program of ours: what containerd does, and buildkit, which
// pushes with the same library. One PUT for a whole blob, ranges to go on and to fetch in parallel, and POST to the
// token endpoint.
import { deepEqual, equal, match } from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { builtVersion } from '../../go/build.ts'
import { assertNoErrors, assertNoSecrets, PASSWORD, startRegistry, USER, WRONG } from '../logins/registry.ts'
import { digestOf } from '../support/client.ts'
import { assertSameContent, createLayout } from '../support/layout.ts'
import { failure, run, scratch, startBerth } from '../support/processes.ts'
import { seeded } from '../support/random.ts'
import { needCommands, needGoTool, step } from '../support/steps.ts'
import { testStorage } from '../support/storage.ts'
import { about } from './about.ts'
import { requestsIn, uploadsTo } from './requests.ts'

const binary = await needGoTool('containerd')
await needCommands('htpasswd', 'tar')
about({
  client: "containerd's library",
  version: await builtVersion(binary, 'github.com/containerd/containerd/v2'),
  note: 'Loopback is spoken to over plain HTTP; other hosts need a `hosts.toml`. buildkit pushes with the same library.'
})
const random = seeded('containerd')
const registry = await startBerth()
const LARGE = 8 * 2 ** 20

const source = await createLayout()
const amd64 = await source.image('amd64', [{ hello: Buffer.from('hello') }, { large: random.bytes(LARGE) }])
const arm64 = await source.image('arm64', [{ hello: Buffer.from('hello') }])
const index = await source.index([amd64, arm64])
await source.tag('one', amd64)
await source.tag('many', index)
const nobody = createContainerd({})

await step('an image comes back byte for byte', async () => {
  await nobody('push', source.folder, 'one', at('one:v1'))
  const folder = scratch()
  equal(await nobody('pull', folder, at('one:v1')), amd64.digest)
  await assertSameContent(amd64.digest, source, folder)
})

await step('an image of many platforms comes back byte for byte, all of it', async () => {
  await nobody('push', source.folder, 'many', at('many:v1'))
  const folder = scratch()
  equal(await nobody('pull', folder, at(`many:v1@${index.digest}`)), index.digest)
  await assertSameContent(index.digest, source, folder)
})

await step('what another repository has is mounted', async () => {
  await nobody('-mount-from', 'one', 'push', source.folder, 'one', at('mounted:v1'))
  const folder = scratch()
  await nobody('pull', folder, at('mounted:v1'))
  await assertSameContent(amd64.digest, source, folder)
})

await step('a pull that was stopped in the middle of a layer is finished by the next', async () => {
  const folder = scratch()
  const { stderr } = await failure(nobody('-stop-after', '3000000', 'pull', folder, at('one:v1')))
  match(stderr, /stopped after 3000000 bytes/)
  await nobody('pull', folder, at('one:v1'))
  await assertSameContent(amd64.digest, source, folder)
})

await step('layers that are fetched in pieces, some at a time, come back byte for byte', async () => {
  const folder = scratch()
  await nobody('-chunk', String(2 ** 20), 'pull', folder, at('many:v1'))
  await assertSameContent(index.digest, source, folder)
})

await step('what refers to an image is found', async () => {
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      artifactType: 'text/note',
      config: JSON.parse((await source.read(amd64.digest)).toString()).config,
      layers: [],
      subject: { mediaType: amd64.mediaType, digest: amd64.digest, size: amd64.size }
    })
  )
  const { status } = await fetch(`${registry.url}/v2/one/manifests/${digestOf(bytes)}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/vnd.oci.image.manifest.v1+json' },
    body: bytes
  })
  equal(status, 201)
  equal(await nobody('referrers', amd64.digest, at('one')), digestOf(bytes))
  equal(await nobody('referrers', arm64.digest, at('many')), '')
})

await step('a blob that is not of its digest is refused, and is not there afterwards', async () => {
  const file = join(scratch(), 'file')
  await writeFile(file, 'something else')
  const digest = digestOf(Buffer.from('something'))
  const { stderr } = await failure(nobody('blob', digest, file, at('wrong')))
  match(stderr, /400 Bad Request[\s\S]*digest/)
  equal((await fetch(`${registry.url}/v2/wrong/blobs/${digest}`)).status, 404)
})

await step('a tag that is not there is not found', async () => {
  match((await failure(nobody('pull', scratch(), at('one:none')))).stderr, /not found/)
})

await registry.stop()
await step('blobs were sent with one PUT each or mounted, and pulled by ranges', async () => {
  const requests = requestsIn(registry.log())
  const sent = (name: string, method: string): number[] =>
    uploadsTo(requests, name, method).map(({ status }) => status)
  deepEqual([sent('one', 'PATCH'), sent('one', 'PUT')], [[], [201, 201, 201]])
  deepEqual([sent('mounted', 'POST'), sent('mounted', 'PUT')], [[201, 201, 201], []])
  // Whoever keeps the blobs is asked for ranges.
  if (testStorage() !== undefined) {
    equal(requests.filter(({ method, status }) => method === 'GET' && status === 307).length > 0, true)
    return
  }
  const ranges = requests.filter(({ method, status }) => method === 'GET' && status === 206)
  const rest = (await layerSize()) - 3_000_000
  equal(ranges.filter(({ path, bytes }) => path.startsWith('/v2/one/') && bytes === rest).length, 1)
  const pieces = ranges.filter(({ path }) => path.startsWith('/v2/many/')).length
  equal(pieces >= LARGE / 2 ** 20, true, `${pieces} pieces`)
})

await step('the registry logged no error', async () => assertNoErrors(registry.log()))

const closed = await startRegistry({})
await step('with a login an image is pushed and pulled', async () => {
  const user = createContainerd({ USERNAME: USER, PASSWORD })
  await user('push', source.folder, 'many', `${closed.host}/team/many:v1`)
  const folder = scratch()
  equal(await user('pull', folder, `${closed.host}/team/many:v1`), index.digest)
  await assertSameContent(index.digest, source, folder)
})

await step('without a login, or with a wrong password, nothing is pushed', async () => {
  const pushed = [source.folder, 'one', `${closed.host}/team/denied:v1`]
  match((await failure(createContainerd({})('push', ...pushed))).stderr, /denied|unauthorized|authorization/i)
  const wrong = createContainerd({ USERNAME: USER, PASSWORD: WRONG })
  match((await failure(wrong('push', ...pushed))).stderr, /401 Unauthorized|authorization/i)
})

await closed.stop()
await step(
  'the password was taken to the token endpoint with POST, and refused there where it was wrong',
  async () => {
    const asked = requestsIn(closed.log()).filter(({ path }) => path.includes('token'))
    const answers = (method: string): Set<number> =>
      new Set(asked.filter((request) => request.method === method).map(({ status }) => status))
    deepEqual(answers('POST'), new Set([200, 401]))
    // After a refusal it tries the older way as well; without a login there is no other.
    deepEqual([...answers('GET')].sort(), [200, 401])
  }
)

await step('the registry that asks for logins logged no error, and no secret', async () => {
  assertNoErrors(closed.log())
  assertNoSecrets(closed.log())
})

function at(name: string): string {
  return `${registry.host}/${name}`
}

/** Gives what it wrote, without the line's end. */
function createContainerd(login: Record<string, string>): (...args: string[]) => Promise<string> {
  const env = { USERNAME: undefined, PASSWORD: undefined, ...login }
  return async (...args) => (await run(binary, args, { env })).stdout.trim()
}

/** Of the large one. */
async function layerSize(): Promise<number> {
  const { layers } = JSON.parse((await source.read(amd64.digest)).toString())
  return layers[1].size
}
