// What berth believes, and for how long: rights that are taken away, namespaces that are made again, and an API server
// that goes away while clients push and pull. `--patient` waits for the end of a token as well, some six minutes.
import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { startKube } from '../support/kube.ts'
import { prepareCluster } from '../support/kube-berth.ts'
import { createPerson, pushImage, type Reply } from '../support/person.ts'
import { startBerth } from '../support/processes.ts'
import { step } from '../support/steps.ts'
import { flagOption } from '../support/verdict.ts'

/** For so long a review counts. */
const FRESH_MS = 10_000

const kube = await startKube()
await prepareCluster(kube)
const registry = await kube.token('berth', 'registry')
const berth = await startBerth({
  env: {
    REGISTRY_AUTH: 'openshift',
    REGISTRY_OPENSHIFT_KUBECONFIG: kube.kubeconfig({ token: registry }),
    REGISTRY_OPENSHIFT_METRICS_ENABLED: 'true',
    REGISTRY_HTTP_SECRET: 'a secret for this check'
  }
})

const subject = (name: string) => ({ kind: 'ServiceAccount', namespace: 'people', name }) as const
await kube.createNamespace('people')
for (const name of ['editor', 'viewer']) await kube.createServiceAccount('people', name)
const editor = createPerson(berth.url, await kube.token('people', 'editor'))
const viewer = createPerson(berth.url, await kube.token('people', 'viewer'))
const nobody = createPerson(berth.url, undefined)

/** A namespace in which the two may do what their names say. */
async function createTeam(name: string): Promise<void> {
  await kube.createNamespace(name)
  await kube.bind({ clusterRole: 'registry-editor', namespace: name, subject: subject('editor') })
  await kube.bind({ clusterRole: 'registry-viewer', namespace: name, subject: subject('viewer') })
}

const bearer = (token: string): { authorization: string } => ({ authorization: `Bearer ${token}` })

function isRefusal(reply: Reply, status: number, code: string): void {
  equal(`${reply.status} ${JSON.parse(reply.text).errors[0].code}`, `${status} ${code}`, reply.text)
}

await step('a right to push that was taken away is gone 10 s later, whatever token is shown', async () => {
  await createTeam('revoked')
  const name = 'revoked/app'
  const token = await editor.token(`repository:${name}:pull,push`)
  await pushImage(editor, { name, tag: 'v1', content: 'first', token })
  await kube.unbind({ clusterRole: 'registry-editor', namespace: 'revoked', subject: subject('editor') })
  await sleep(FRESH_MS + 500)
  const refused = await editor.ask('POST', `/v2/${name}/blobs/uploads/`, bearer(token))
  isRefusal(refused, 403, 'DENIED')
  match(refused.text, /people:editor may not push to revoked\/app/)
  isRefusal(await editor.ask('POST', `/v2/${name}/blobs/uploads/`), 403, 'DENIED')
  isRefusal(await editor.ask('DELETE', `/v2/${name}/manifests/v1`), 403, 'DENIED')
  equal((await viewer.ask('GET', `/v2/${name}/manifests/v1`)).status, 200)
})

await step(
  'a right to pull that was taken away is gone at once for who shows the credential itself',
  async () => {
    await createTeam('closed')
    const name = 'closed/app'
    await pushImage(editor, { name, tag: 'v1', content: 'first' })
    const token = await viewer.token(`repository:${name}:pull`)
    equal((await viewer.ask('GET', `/v2/${name}/manifests/v1`)).status, 200)
    await kube.unbind({ clusterRole: 'registry-viewer', namespace: 'closed', subject: subject('viewer') })
    await sleep(FRESH_MS + 500)
    isRefusal(await viewer.ask('GET', `/v2/${name}/manifests/v1`), 403, 'DENIED')
    equal((await viewer.ask('GET', `/v2/${name}/manifests/v1`, bearer(token))).status, 200, 'its token lives')
    const narrow = await viewer.token(`repository:${name}:pull`)
    isRefusal(await viewer.ask('GET', `/v2/${name}/manifests/v1`, bearer(narrow)), 401, 'UNAUTHORIZED')
    if (!flagOption('patient')) return
    await sleep(360_000)
    isRefusal(await viewer.ask('GET', `/v2/${name}/manifests/v1`, bearer(token)), 401, 'UNAUTHORIZED')
  }
)

await step('a namespace that is made again does not show the images of the former one', async () => {
  await createTeam('again')
  const name = 'again/app'
  const { digest, layer } = await pushImage(editor, { name, tag: 'v1', content: 'of the former team' })
  await pushImage(editor, { name: 'revoked/other', tag: 'v1', content: 'x' }).catch(() => {})
  const token = await viewer.token(`repository:${name}:pull`)
  await kube.deleteNamespace('again')
  await createTeam('again')
  await sleep(FRESH_MS + 1500)
  for (const person of [viewer, editor]) {
    for (const path of [
      `manifests/v1`,
      `manifests/${digest}`,
      `blobs/${layer}`,
      'tags/list',
      `referrers/${digest}`
    ]) {
      isRefusal(await person.ask('GET', `/v2/${name}/${path}`), 404, 'NAME_UNKNOWN')
    }
  }
  isRefusal(await viewer.ask('GET', `/v2/${name}/manifests/v1`, bearer(token)), 404, 'NAME_UNKNOWN')
  ok(!(await viewer.ask('GET', '/v2/_catalog')).text.includes(name), 'nor does the catalog list it')
  await createTeam('elsewhere')
  const mount = await editor.ask('POST', `/v2/elsewhere/app/blobs/uploads/?mount=${layer}&from=${name}`)
  equal(mount.status, 202, 'nor can it be mounted')

  const pushed = await pushImage(editor, { name, tag: 'v2', content: 'of the new team' })
  deepEqual(JSON.parse((await viewer.ask('GET', `/v2/${name}/tags/list`)).text).tags, ['v2'])
  equal((await viewer.ask('GET', `/v2/${name}/manifests/${pushed.digest}`)).status, 200)
  isRefusal(await viewer.ask('GET', `/v2/${name}/manifests/${digest}`), 404, 'MANIFEST_UNKNOWN')
  isRefusal(await viewer.ask('GET', `/v2/${name}/blobs/${layer}`), 404, 'BLOB_UNKNOWN')
})

/** Goes on with it until stopped, and counts the answers by status. */
function load(work: () => Promise<Reply>): { stop(): Promise<Map<string, number>> } {
  const counts = new Map<string, number>()
  let isOn = true
  const lanes = Array.from({ length: 8 }, async () => {
    while (isOn) {
      const { status, headers, text } = await work()
      const kind =
        status < 400 ? 'ok' : `${status}${headers.has('retry-after') ? ' later' : ''} ${codeOf(text)}`
      counts.set(kind, (counts.get(kind) ?? 0) + 1)
      await sleep(20)
    }
  })
  return {
    async stop() {
      isOn = false
      await Promise.all(lanes)
      return counts
    }
  }
}

const codeOf = (text: string): string => (text === '' ? '' : JSON.parse(text).errors[0].code)

await step(
  'while the API server is down pulls go on with their tokens, and all else is asked to wait',
  async () => {
    await createTeam('outage')
    const name = 'outage/app'
    await pushImage(editor, { name, tag: 'v1', content: 'first' })
    const scope = `repository:${name}:pull`
    const token = await viewer.token(scope)
    const pushToken = await editor.token(`repository:${name}:pull,push`)
    const pulls = load(() => viewer.ask('GET', `/v2/${name}/manifests/v1`, bearer(token)))
    const exchanges = load(() => viewer.exchange(scope))
    const pushes = load(() => editor.ask('POST', `/v2/${name}/blobs/uploads/`, bearer(pushToken)))
    let after: Reply[] = []
    const outcomes: Record<string, number>[] = []
    try {
      await sleep(1000)
      await kube.stop()
      await sleep(FRESH_MS + 10_000)
      isRefusal(await nobody.exchange(scope), 503, 'UNAVAILABLE')
      isRefusal(await viewer.ask('GET', `/v2/${name}/manifests/v1`), 503, 'UNAVAILABLE')
      // An API server that has just begun knows no service accounts yet, and says of good tokens that they are not.
      await exchanges.stop()
      await kube.start()
      await sleep(6000)
      after = [
        await viewer.exchange(scope),
        await editor.ask('POST', `/v2/${name}/blobs/uploads/`, bearer(pushToken))
      ]
    } finally {
      const counted = await Promise.all([pulls, exchanges, pushes].map((each) => each.stop()))
      outcomes.push(...counted.map((counts) => Object.fromEntries(counts)))
    }
    const [pulled, exchanged, pushed] = outcomes
    console.log(
      `pulls ${JSON.stringify(pulled)}, tokens ${JSON.stringify(exchanged)}, pushes ${JSON.stringify(pushed)}`
    )
    deepEqual(
      after.map(({ status }) => status),
      [200, 202],
      'it is asked again'
    )
    deepEqual(Object.keys(pulled ?? {}), ['ok'])
    deepEqual(Object.keys(exchanged ?? {}).sort(), ['503 later UNAVAILABLE', 'ok'])
    deepEqual(Object.keys(pushed ?? {}).sort(), ['503 later UNAVAILABLE', 'ok'])
  }
)

await step('metrics are read by an account that has the role for it, and by nobody else', async () => {
  await kube.createServiceAccount('people', 'scraper')
  await kube.bind({ clusterRole: 'prometheus-scraper', subject: subject('scraper') })
  const scraper = createPerson(berth.url, await kube.token('people', 'scraper'))
  const page = await scraper.ask('GET', '/extensions/v2/metrics')
  equal(page.status, 200, page.text)
  match(page.text, /^imageregistry_request_duration_seconds_count\{operation="ManifestService.Get"\} [1-9]/m)
  isRefusal(await editor.ask('GET', '/extensions/v2/metrics'), 403, 'DENIED')
  isRefusal(await nobody.ask('GET', '/extensions/v2/metrics'), 401, 'UNAUTHORIZED')
  isRefusal(await scraper.ask('GET', '/v2/outage/app/manifests/v1'), 403, 'DENIED')
})

await step('nothing of a token or a credential is in the log', async () => {
  const log = berth.log()
  for (const secret of [registry, 'eyJ', 'a secret for this check'])
    ok(!log.includes(secret), secret.slice(0, 10))
  match(log, /the cluster says who may pull, push and delete/)
})

if (process.exitCode)
  console.log(
    berth
      .log()
      .split('\n')
      .filter((line) => / level=(warn|error) |nobody/.test(line))
      .slice(-40)
      .join('\n')
  )
await berth.stop()
await kube.end()
