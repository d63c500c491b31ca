import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { createClient } from '../integration/support/client.ts'
import { type RunningServer, startBerth } from '../integration/support/processes.ts'
import { processTree } from '../integration/support/vitals.ts'
import { samples } from '../operations/metrics/samples.ts'

async function start(t: Test, processes: number, root?: string): Promise<RunningServer> {
  const server = await startBerth({
    ...(root !== undefined && { root }),
    env: {
      BERTH_COMMIT: '0123abc',
      REGISTRY_HTTP_PROCESSES: String(processes),
      REGISTRY_OPENSHIFT_METRICS_ENABLED: 'true',
      REGISTRY_OPENSHIFT_METRICS_SECRET: 'sesame'
    }
  })
  t.teardown(() => server.stop())
  return server
}

/** A request over a connection of its own, so that any process may answer it. */
async function ask(server: RunningServer, path: string, headers = {}) {
  const client = createClient(server.url)
  try {
    return await client.request('GET', path, { headers })
  } finally {
    client.close()
  }
}

async function scrape(server: RunningServer): Promise<Map<string, number>> {
  const { status, body } = await ask(server, '/extensions/v2/metrics', { authorization: 'Bearer sesame' })
  if (status !== 200) throw new Error(`${status}`)
  return samples(body.toString())
}

/** Reads until something holds of what is read. */
async function until(
  server: RunningServer,
  holds: (seen: Map<string, number>) => boolean
): Promise<Map<string, number>> {
  for (;;) {
    const seen = await scrape(server).catch(() => new Map<string, number>())
    if (holds(seen)) return seen
    await sleep(50)
  }
}

const FOUND = 'imageregistry_http_requests_total{code="404",method="get"}'

for (const processes of [1, 3]) {
  t.test(`whoever answers, metrics are those of all processes (${processes})`, async (t) => {
    const server = await start(t, processes)
    await until(server, (seen) => seen.has(`process_cpu_seconds_total{process="${processes}"}`))
    const before = (await scrape(server)).get(FOUND) ?? 0
    await Promise.all(Array.from({ length: 30 }, () => ask(server, '/v2/a/manifests/none')))
    await until(server, (seen) => seen.get(FOUND) === before + 30)
    const build = [...(await scrape(server)).keys()].find((name) =>
      name.startsWith('imageregistry_build_info')
    )
    t.match(build, 'gitCommit="0123abc"')
    const cpus = [...(await scrape(server)).keys()].filter((name) =>
      name.startsWith('process_cpu_seconds_total')
    )
    t.equal(cpus.length, processes === 1 ? 1 : processes + 1)
  })
}

t.test('what a process has counted stays when it is killed, and its death is counted', async (t) => {
  const server = await start(t, 2)
  await until(server, (seen) => seen.has('process_cpu_seconds_total{process="2"}'))
  await Promise.all(Array.from({ length: 30 }, () => ask(server, '/v2/a/manifests/none')))
  await until(server, (seen) => seen.get(FOUND) === 30)
  const [victim = 0] = processTree(server.pid).slice(1)
  process.kill(victim, 'SIGKILL')
  const seen = await until(server, (seen) => seen.get('berth_worker_restarts_total') === 1)
  t.equal(seen.get(FOUND), 30)
})

t.test('open uploads are those on the storage, whoever took them', async (t) => {
  const first = await start(t, 1)
  const client = createClient(first.url)
  for (let count = 0; count < 3; count++) {
    t.equal((await client.request('POST', '/v2/a/blobs/uploads/')).status, 202)
  }
  client.close()
  first.kill('SIGKILL')
  await first.exited
  const seen = await until(await start(t, 2, first.root), (seen) => seen.has('berth_uploads_open'))
  t.equal(seen.get('berth_uploads_open'), 3)
  t.equal(seen.get('berth_storage_healthy'), 1)
})
