// oras against the registry: artifacts, and what is attached to them.
import { deepEqual, equal, match, rejects } from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { builtVersion } from '../../go/build.ts'
import { digestOf } from '../support/client.ts'
import { readBlob } from '../support/layout.ts'
import { failure, run, scratch, startBerth } from '../support/processes.ts'
import { seeded } from '../support/random.ts'
import { needGoTool, step } from '../support/steps.ts'
import { about } from './about.ts'
import { requestsIn, uploadsTo } from './requests.ts'

const binary = await needGoTool('oras')
about({
  client: 'oras',
  version: await builtVersion(binary),
  note: '`--plain-http`; for copies `--from-plain-http`, `--to-plain-http`'
})
const registry = await startBerth()
const cwd = scratch()
const content = seeded('oras').bytes(5 * 2 ** 20)
await writeFile(join(cwd, 'large'), content)
await writeFile(join(cwd, 'note'), 'a note')

/** As `oras discover --format json` shows it. */
interface Node {
  digest: string
  artifactType?: string
  referrers: Node[]
}

let pushed = ''
await step('files come back byte for byte, as an artifact of their own type', async () => {
  pushed = await said(
    'push',
    '--artifact-type',
    'application/test',
    at('files:v1'),
    'large:text/large',
    'note'
  )
  const folder = scratch()
  equal(await said('pull', '-o', folder, at('files:v1')), pushed)
  equal(Buffer.compare(await readFile(join(folder, 'large')), content), 0)
  equal(await readFile(join(folder, 'note'), 'utf8'), 'a note')
  const manifest = await oras('manifest', 'fetch', at('files:v1'))
  equal(digestOf(Buffer.from(manifest)), pushed)
  equal(JSON.parse(manifest).artifactType, 'application/test')
})

let report = ''
await step('what is attached, and attached to that again, is discovered, by its type too', async () => {
  report = await said('attach', '--artifact-type', 'text/report', at('files:v1'), 'note')
  await said('attach', '--artifact-type', 'text/other', at('files:v1'), 'note')
  const signature = await said('attach', '--artifact-type', 'text/signature', at(`files@${report}`), 'note')
  const all = await discover('files:v1')
  deepEqual(all.referrers.map(({ artifactType }) => artifactType).sort(), ['text/other', 'text/report'])
  const [found, ...others] = (await discover('files:v1', '--artifact-type', 'text/report')).referrers
  deepEqual([found?.digest, others.length], [report, 0])
  const below = all.referrers.find(({ digest }) => digest === report)?.referrers
  deepEqual(
    below?.map(({ digest }) => digest),
    [signature]
  )
})

await step("nothing is pushed under tags that stand in for the referrers' API", async () => {
  equal(await oras('repo', 'tags', at('files')), 'v1')
})

await step('what was attached is pulled by its digest', async () => {
  const folder = scratch()
  await oras('pull', '-o', folder, at(`files@${report}`))
  equal(await readFile(join(folder, 'note'), 'utf8'), 'a note')
})

await step('a copy within the registry brings along what refers to it', async () => {
  await run(binary, ['cp', '-r', '--from-plain-http', '--to-plain-http', at('files:v1'), at('copy:v2')])
  deepEqual(withoutPlaces(await discover('copy:v2')), withoutPlaces(await discover('files:v1')))
})

await step('a copy into a folder and back has every digest and byte', async () => {
  const folder = scratch()
  await run(binary, ['cp', '-r', '--from-plain-http', '--to-oci-layout', at('files:v1'), `${folder}:v1`])
  equal(Buffer.compare(await readBlob(folder, digestOf(content)), content), 0)
  await run(binary, ['cp', '-r', '--from-oci-layout', '--to-plain-http', `${folder}:v1`, at('back:v1')])
  deepEqual(withoutPlaces(await discover('back:v1')), withoutPlaces(await discover('files:v1')))
})

await step('what was attached and is deleted is discovered no more', async () => {
  await oras('manifest', 'delete', '--force', at(`copy@${report}`))
  deepEqual(
    (await discover('copy:v2')).referrers.map(({ artifactType }) => artifactType),
    ['text/other']
  )
  equal((await discover('files:v1')).referrers.length, 2, 'where it was copied from it stays')
})

await step('a blob that is not of its digest is refused, and is not there afterwards', async () => {
  const digest = digestOf(Buffer.from('another note'))
  const { stderr } = await failure(oras('blob', 'push', at(`files@${digest}`), 'note'))
  match(stderr, /digest invalid: .*the bytes received have sha256:/)
  await rejects(oras('blob', 'fetch', '--descriptor', at(`files@${digest}`)), /not found/)
})

await step('a manifest of content that is not there is refused', async () => {
  const manifest = await oras('manifest', 'fetch', at('files:v1'))
  await writeFile(join(cwd, 'manifest.json'), manifest)
  const { stderr } = await failure(oras('manifest', 'push', at('elsewhere:v1'), 'manifest.json'))
  match(stderr, /manifest blob unknown/)
  await rejects(oras('resolve', at('elsewhere:v1')), /not found/)
})

await registry.stop()
await step('the copy within the registry sent no blob: they were mounted', async () => {
  const requests = requestsIn(registry.log())
  deepEqual(uploadsTo(requests, 'copy', 'PUT'), [])
  deepEqual(new Set(uploadsTo(requests, 'copy', 'POST').map(({ status }) => status)), new Set([201]))
})

await step('the registry logged no error', async () => {
  deepEqual(registry.log().match(/.*level=(error|fatal) .*/g), null)
})

function at(name: string): string {
  return `${registry.host}/${name}`
}

/** Gives what it wrote, without the line's end. */
async function oras(...args: string[]): Promise<string> {
  const last = args.findIndex((arg) => arg.startsWith('-') || arg.startsWith(registry.host))
  const options = ['--plain-http']
  return (await run(binary, args.toSpliced(last, 0, ...options), { cwd })).stdout.trim()
}

/** Gives the digest of what was pushed or pulled. */
async function said(...args: string[]): Promise<string> {
  const said = await oras(...args)
  const digest = /^Digest: (sha256:[0-9a-f]{64})$/m.exec(said)?.[1]
  if (digest === undefined) throw new Error(`no digest in: ${said}`)
  return digest
}

async function discover(name: string, ...filter: string[]): Promise<Node> {
  return JSON.parse(await oras('discover', '--format', 'json', ...filter, at(name)))
}

/** By digests alone, which say all that is the same in two repositories. */
function withoutPlaces({ digest, referrers }: Node): object {
  return { digest, referrers: referrers.map(withoutPlaces) }
}
