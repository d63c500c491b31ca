// helm against the registry: charts, pushed and pulled.
import { deepEqual, equal, match } from 'node:assert/strict'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { builtVersion } from '../../go/build.ts'
import { PASSWORD, startRegistry, USER } from '../logins/registry.ts'
import { digestOf } from '../support/client.ts'
import { failure, type Output, run, scratch, startBerth } from '../support/processes.ts'
import { seeded } from '../support/random.ts'
import { needCommands, needGoTool, step } from '../support/steps.ts'
import { about } from './about.ts'

const binary = await needGoTool('helm')
await needCommands('htpasswd')
about({ client: 'helm', version: await builtVersion(binary), note: '`--plain-http`' })
const registry = await startBerth()
const cwd = scratch()
const env = { HELM_CACHE_HOME: cwd, HELM_CONFIG_HOME: cwd, HELM_DATA_HOME: cwd }
const charts = {
  '1.0.0': await packaged('1.0.0'),
  '1.1.0': await packaged('1.1.0'),
  '2.0.0+build.7': await packaged('2.0.0+build.7')
}

const digests: Record<string, string> = {}
await step('charts come back byte for byte', async () => {
  for (const [version, chart] of Object.entries(charts)) {
    digests[version] = said(await helm('push', chart, at()))
    const folder = scratch()
    equal(said(await helm('pull', `${at()}/app`, '--version', version, '-d', folder)), digests[version])
    equal(Buffer.compare(await readFile(join(folder, `app-${version}.tgz`)), await readFile(chart)), 0)
  }
})

await step('a chart is a manifest of its own type, whose layer is the file', async () => {
  const answer = await fetch(`${registry.url}/v2/charts/app/manifests/1.0.0`)
  const bytes = Buffer.from(await answer.arrayBuffer())
  equal(digestOf(bytes), digests['1.0.0'])
  const { config, layers } = JSON.parse(bytes.toString())
  equal(config.mediaType, 'application/vnd.cncf.helm.config.v1+json')
  equal(layers[0].digest, digestOf(await readFile(charts['1.0.0'])))
})

await step('a version with build metadata has a tag, and a range of versions finds the newest', async () => {
  const { tags } = (await (await fetch(`${registry.url}/v2/charts/app/tags/list`)).json()) as {
    tags: string[]
  }
  deepEqual(tags, ['1.0.0', '1.1.0', '2.0.0_build.7'])
  match((await helm('show', 'chart', `${at()}/app`, '--version', '^1')).stdout, /^version: 1\.1\.0$/m)
})

await step('a chart is pulled by its digest, and rendered', async () => {
  match((await helm('show', 'chart', `${at()}/app@${digests['1.0.0']}`)).stdout, /^version: 1\.0\.0$/m)
  match((await helm('template', `${at()}/app`, '--version', '1.0.0')).stdout, /^kind: ConfigMap$/m)
})

await step("a chart's file of provenance goes along", async () => {
  const chart = await packaged('3.0.0')
  await writeFile(`${chart}.prov`, 'a signature')
  await helm('push', chart, at())
  const folder = scratch()
  await helm('pull', `${at()}/app`, '--version', '3.0.0', '--prov', '-d', folder)
  equal(await readFile(join(folder, 'app-3.0.0.tgz.prov'), 'utf8'), 'a signature')
})

await step('a version or a digest that is not there cannot be pulled', async () => {
  await failure(helm('pull', `${at()}/app`, '--version', '9.9.9', '-d', scratch()))
  const wrong = `${at()}/app@${digestOf(Buffer.from('another chart'))}`
  match((await failure(helm('pull', wrong, '-d', scratch()))).stderr, /not found/)
})

await registry.stop()
await step('the registry logged no error', async () => {
  deepEqual(registry.log().match(/.*level=(error|fatal) .*/g), null)
})

const closed = await startRegistry({})
await step('without a login nothing is pushed, and with one the same chart is', async () => {
  const place = `oci://${closed.host}/charts`
  match(
    (await failure(helm('push', charts['1.0.0'], place))).stderr,
    /401|unauthorized|authentication required/i
  )
  const login = ['registry', 'login', '--plain-http', '-u', USER, '--password-stdin', closed.host]
  await run(binary, login, { env, input: PASSWORD })
  equal(said(await helm('push', charts['1.0.0'], place)), digests['1.0.0'])
})
await closed.stop()

function at(): string {
  return `oci://${registry.host}/charts`
}

async function helm(...args: string[]): Promise<Output> {
  return run(binary, [...args, '--plain-http'], { env })
}

/** Gives the path of a chart that is like no other. */
async function packaged(version: string): Promise<string> {
  const folder = join(scratch(), 'app')
  await mkdir(join(folder, 'templates'), { recursive: true })
  await writeFile(join(folder, 'Chart.yaml'), `apiVersion: v2\nname: app\nversion: ${version}\n`)
  const data = seeded(version).bytes(100_000).toString('base64')
  await writeFile(
    join(folder, 'templates', 'data.yaml'),
    `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: app}\ndata: {large: ${data}}\n`
  )
  const target = scratch()
  await run(binary, ['package', folder, '-d', target], { env })
  return join(target, `app-${version}.tgz`)
}

/** The digest of what was pushed or pulled. */
function said({ stdout, stderr }: Output): string {
  const digest = /^Digest: (sha256:[0-9a-f]{64})$/m.exec(stdout + stderr)?.[1]
  if (digest === undefined) throw new Error(`no digest in: ${stdout}${stderr}`)
  return digest
}
