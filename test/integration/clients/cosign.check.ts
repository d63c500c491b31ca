// cosign against the registry: signatures and attestations, in each of the three ways in which cosign 2 stores them.
// With keys from files and no transparency log, nothing but the registry is asked.
import { deepEqual, equal, match } from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { builtVersion } from '../../go/build.ts'
import { digestOf } from '../support/client.ts'
import { createLayout } from '../support/layout.ts'
import { failure, type Output, run, scratch, startBerth } from '../support/processes.ts'
import { seeded } from '../support/random.ts'
import { needCommands, needGoTool, step } from '../support/steps.ts'
import { about } from './about.ts'

const binary = await needGoTool('cosign')
await needCommands('skopeo', 'tar')
about({
  client: 'cosign',
  version: await builtVersion(binary),
  note:
    'Loopback is spoken to over plain HTTP; other hosts need `--allow-http-registry`. With keys of your own and no ' +
    'transparency log: `--tlog-upload=false` and `--insecure-ignore-tlog`'
})
const registry = await startBerth()
const cwd = scratch()
const env = { HOME: cwd, COSIGN_PASSWORD: 'a password', COSIGN_EXPERIMENTAL: '1' }
for (const name of ['ours', 'theirs']) await cosign('generate-key-pair', '--output-key-prefix', name)
// Says which authorities are believed, none: without it cosign asks the Internet.
await cosign('trusted-root', 'create', '--out', 'root.json')

const random = seeded('cosign')
const source = await createLayout()
const image = await source.image('amd64', [{ large: random.bytes(2 ** 20) }])
const other = await source.image('amd64', [{ hello: Buffer.from('hello') }])
await source.tag('image', image)
await source.tag('other', other)
const SIGNATURE_TAG = `${image.digest.replace(':', '-')}.sig`

/** How cosign is told to store a signature, and to look for one. */
const WAYS = {
  tags: { title: 'under a tag', sign: [], verify: [] },
  referrers: {
    title: 'as a referrer',
    sign: ['--registry-referrers-mode=oci-1-1'],
    verify: ['--experimental-oci11']
  },
  bundles: {
    title: 'in a bundle as a referrer',
    sign: ['--new-bundle-format'],
    verify: ['--new-bundle-format']
  }
}

for (const [name, way] of Object.entries(WAYS)) {
  const signed = `${name}@${image.digest}`
  await step(`an image without a signature is not verified (${way.title})`, async () => {
    await push('image', `${name}:v1`)
    match((await failure(verify(signed, 'ours', way.verify))).stderr, /no (signatures found|valid bundles)/)
  })

  await step(`a signature ${way.title} is pushed and verified, by the digest and by the tag`, async () => {
    await cosign('sign', '--key', 'ours.key', '--tlog-upload=false', '-y', ...way.sign, at(signed))
    for (const one of [signed, `${name}:v1`]) {
      const [claim] = JSON.parse((await verify(one, 'ours', way.verify)).stdout)
      equal(claim.critical.image['docker-manifest-digest'], image.digest)
    }
    deepEqual(await tagsOf(name), name === 'tags' ? [SIGNATURE_TAG, 'v1'] : ['v1'])
    equal((await referrersOf(name)).length, name === 'tags' ? 0 : 1)
  })

  await step(`a signature ${way.title} is not verified by another key, nor for another image`, async () => {
    const { stderr } = await failure(verify(signed, 'theirs', way.verify))
    match(stderr, /no (matching )?(signatures|attestations)/)
    await push('other', `${name}:v1`)
    await failure(verify(`${name}:v1`, 'ours', way.verify))
    await push('image', `${name}:v1`)
  })
}

for (const name of ['tags', 'bundles'] as const) {
  await step(`an attestation ${WAYS[name].title} is pushed, verified and comes back as it was`, async () => {
    await writeFile(join(cwd, 'predicate.json'), '{"builder":"berth"}')
    const way = WAYS[name].verify
    const what = ['--type', 'https://example.test/built', at(`${name}@${image.digest}`)]
    const key = ['--key', 'ours.key', '--tlog-upload=false', '-y']
    await cosign('attest', ...key, ...WAYS[name].sign, '--predicate', 'predicate.json', ...what)
    const verification = [
      'verify-attestation',
      '--insecure-ignore-tlog',
      '--trusted-root',
      'root.json',
      ...way
    ]
    const { stdout } = await cosign(...verification, '--key', 'ours.pub', ...what)
    const statement = JSON.parse(Buffer.from(JSON.parse(stdout).payload, 'base64').toString())
    deepEqual(statement.predicate, { builder: 'berth' })
    equal(`sha256:${statement.subject[0].digest.sha256}`, image.digest)
    await failure(cosign(...verification, '--key', 'theirs.pub', ...what))
  })
}

await step('a signature that was made elsewhere is attached, and verified', async () => {
  await push('image', 'attached:v1')
  const signed = at(`attached@${image.digest}`)
  await writeFile(join(cwd, 'payload'), (await cosign('generate', signed)).stdout)
  const key = ['--key', 'ours.key', '--tlog-upload=false', '-y']
  await cosign('sign-blob', ...key, '--output-signature', 'signature', 'payload')
  await cosign('attach', 'signature', '--payload', 'payload', '--signature', 'signature', signed)
  await verify(`attached@${image.digest}`, 'ours')
  await failure(verify(`attached@${image.digest}`, 'theirs'))
})

await step('a list of parts that is attached comes back byte for byte', async () => {
  const content = JSON.stringify({ parts: random.bytes(1000).toString('hex') })
  await writeFile(join(cwd, 'parts.json'), content)
  await cosign('attach', 'sbom', '--sbom', 'parts.json', at(`attached@${image.digest}`))
  equal((await cosign('download', 'sbom', at(`attached@${image.digest}`))).stdout.trim(), content)
})

await step('a copy of an image brings its signature along', async () => {
  await cosign('copy', at('tags:v1'), at('copied/image:v1'))
  await verify('copied/image:v1', 'ours')
  equal(
    (await fetch(`${registry.url}/v2/copied/image/manifests/v1`)).headers.get('docker-content-digest'),
    image.digest
  )
  const signature = async (name: string): Promise<string> =>
    digestOf(
      Buffer.from(await (await fetch(`${registry.url}/v2/${name}/manifests/${SIGNATURE_TAG}`)).arrayBuffer())
    )
  equal(await signature('copied/image'), await signature('tags'))
})

await step(
  'an image that is kept in a folder with its signature is loaded from there, and verified',
  async () => {
    const folder = scratch()
    await cosign('save', '--dir', folder, at('tags:v1'))
    match(await readFile(join(folder, 'index.json'), 'utf8'), new RegExp(image.digest))
    await cosign('load', '--dir', folder, at('loaded:v1'))
    await verify('loaded:v1', 'ours')
  }
)

await step('a signature that is deleted verifies nothing any more', async () => {
  await cosign('clean', '-f', '--type', 'signature', at(`tags@${image.digest}`))
  match((await failure(verify(`tags@${image.digest}`, 'ours'))).stderr, /no signatures found/)
})

await registry.stop()
await step('the registry logged no error', async () => {
  deepEqual(registry.log().match(/.*level=(error|fatal) .*/g), null)
})

function at(name: string): string {
  return `${registry.host}/${name}`
}

async function cosign(...args: string[]): Promise<Output> {
  return run(binary, args, { env, cwd })
}

async function verify(name: string, key: string, way: readonly string[] = []): Promise<Output> {
  const flags = ['--insecure-ignore-tlog', '--trusted-root', 'root.json', '--key', `${key}.pub`]
  return cosign('verify', ...flags, ...way, at(name))
}

async function push(tag: string, name: string): Promise<void> {
  const exact = ['--insecure-policy', '--preserve-digests', '--dest-tls-verify=false']
  await run('skopeo', ['copy', ...exact, `oci:${source.folder}:${tag}`, `docker://${at(name)}`])
}

async function tagsOf(name: string): Promise<string[]> {
  const answer = await fetch(`${registry.url}/v2/${name}/tags/list`)
  return ((await answer.json()) as { tags: string[] }).tags
}

async function referrersOf(name: string): Promise<unknown[]> {
  const answer = await fetch(`${registry.url}/v2/${name}/referrers/${image.digest}`)
  return ((await answer.json()) as { manifests: unknown[] }).manifests
}
