// Debian's Prometheus and its promtool judge berth's metrics: their names, the rules in deploy/monitoring, a scrape of
// a berth with TLS, and that no counter falls while its processes are killed.
// --seconds 20: so long they are killed
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { IMPOSED } from '../../../src/operations/metrics/definitions.ts'
import { samples } from '../../operations/metrics/samples.ts'
import { createClient, digestOf } from '../support/client.ts'
import { createCounterWatch, total } from '../support/counters.ts'
import {
  CHECKOUT,
  CommandFailed,
  freePort,
  type RunningServer,
  run,
  scratch,
  startBerth,
  startServer
} from '../support/processes.ts'
import { createVerdict, eventually, numberOption } from '../support/verdict.ts'
import { processTree } from '../support/vitals.ts'

const SECRET = 'a secret for Prometheus'
const PATH = '/extensions/v2/metrics'
const RULES = join(CHECKOUT, 'deploy/monitoring')
const TLS = join(CHECKOUT, 'test/processes/tls')
const INDEX = 'application/vnd.oci.image.index.v1+json'
const WORKERS = 3

const verdict = createVerdict()

await testRules()
await killWorkers(numberOption('seconds', 20))
await scrapeWithTls()

async function start(env: Record<string, string> = {}): Promise<RunningServer> {
  return startBerth({
    env: {
      REGISTRY_HTTP_PROCESSES: `${WORKERS}`,
      REGISTRY_LOG_ACCESSLOG_DISABLED: 'true',
      REGISTRY_OPENSHIFT_METRICS_ENABLED: 'true',
      REGISTRY_OPENSHIFT_METRICS_SECRET: SECRET,
      ...env
    }
  })
}

async function testRules(): Promise<void> {
  for (const [what, file] of [
    ['check', 'rules.yaml'],
    ['test', 'rules.test.yaml']
  ] as const) {
    const output = await said('promtool', [what, 'rules', join(RULES, file)])
    verdict.check(output.ok, `promtool ${what} rules ${file}`, output.text)
  }
}

async function said(command: string, args: string[], input = ''): Promise<{ ok: boolean; text: string }> {
  try {
    const { stdout, stderr } = await run(command, args, { input })
    return { ok: true, text: stdout + stderr }
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error
    return { ok: false, text: error.stdout + error.stderr }
  }
}

/** The page of metrics; undefined when the process that was asked died of it. */
async function scrape({ url }: RunningServer): Promise<string | undefined> {
  const client = createClient(url)
  try {
    const headers = { authorization: `Bearer ${SECRET}` }
    const { status, body } = await client.request('GET', PATH, { headers })
    return status === 200 ? body.toString() : undefined
  } catch {
    return undefined
  } finally {
    client.close()
  }
}

/** What a client does all day, over connections of its own. Gives how many requests were answered. */
async function use({ url }: RunningServer, isOver: () => boolean): Promise<number> {
  let answered = 0
  for (let round = 0; !isOver(); round++) {
    const client = createClient(url)
    const ask = async (method: string, path: string, body?: string, type = 'application/octet-stream') => {
      try {
        const headers = { 'content-type': type }
        await client.request(method, path, body === undefined ? {} : { body: Buffer.from(body), headers })
        answered++
      } catch {
        // The process that served it was killed.
      }
    }
    const layer = `layer ${round}`
    const manifest = JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests: [] })
    await ask('POST', `/v2/metrics/app/blobs/uploads/?digest=${digestOf(Buffer.from(layer))}`, layer)
    await ask('PUT', `/v2/metrics/app/manifests/t${round % 5}`, manifest, INDEX)
    await ask('GET', `/v2/metrics/app/manifests/t${round % 5}`)
    await ask('GET', `/v2/metrics/app/blobs/${digestOf(Buffer.from(layer))}`)
    await ask('GET', '/v2/metrics/app/tags/list')
    await ask('DELETE', `/v2/metrics/app/blobs/${digestOf(Buffer.from(layer))}`)
    await ask('GET', `/v2/metrics/none-${round}/manifests/none-${round}`)
    client.close()
  }
  return answered
}

async function killWorkers(seconds: number): Promise<void> {
  const server = await start()
  const end = Date.now() + seconds * 1000
  const isOver = (): boolean => Date.now() > end
  const clients = Promise.all(Array.from({ length: 4 }, () => use(server, isOver)))
  const counters = createCounterWatch(verdict)
  let kills = 0
  let seriesAtHalf = 0
  let nextKill = Date.now() + 2000
  while (!isOver()) {
    await sleep(200)
    if (Date.now() > nextKill) {
      nextKill = Date.now() + 2000
      const victims = processTree(server.pid).slice(1)
      const victim = victims[kills % victims.length]
      if (victim !== undefined) process.kill(victim, 'SIGKILL')
      kills++
    }
    const text = await scrape(server)
    if (text === undefined) continue
    counters.see(text)
    if (seriesAtHalf === 0 && Date.now() > end - seconds * 500) seriesAtHalf = samples(text).size
  }
  const answered = (await clients).reduce((sum, each) => sum + each, 0)
  await eventually(() => processTree(server.pid).length === WORKERS + 1)
  await sleep(1000) // the last batches
  const text = (await scrape(server)) ?? (await scrape(server)) ?? ''
  const counted = total(text, 'imageregistry_http_requests_total')
  verdict.check(
    kills > 0 && counters.seen() > kills,
    `no counter fell in ${counters.seen()} scrapes, while ${kills} processes were killed`
  )
  verdict.check(
    total(text, 'berth_worker_restarts_total') === kills,
    'each death is counted',
    `${total(text, 'berth_worker_restarts_total')} of ${kills}`
  )
  verdict.check(
    counted > answered * (1 - (kills * 0.5) / seconds),
    'of what a killed process counted only the last moment is lost',
    `${counted} of ${answered}`
  )
  verdict.note(`${answered} requests were answered to clients, ${counted} are counted, scrapes among them`)
  const series = samples(text).size
  verdict.check(
    series < seriesAtHalf * 1.2,
    'names that clients make up become no labels',
    `${seriesAtHalf} → ${series} series`
  )
  const lint = (await said('promtool', ['check', 'metrics'], text)).text
  const lines = lint.split('\n').filter((line) => line !== '')
  const others = lines.filter((line) => !IMPOSED.some((name) => line.startsWith(`${name} `)))
  verdict.check(others.length === 0, 'promtool finds fault with nothing but what is imposed', others)
  await server.stop()
}

async function scrapeWithTls(): Promise<void> {
  const server = await start({
    REGISTRY_HTTP_TLS_CERTIFICATE: join(TLS, 'localhost.crt'),
    REGISTRY_HTTP_TLS_KEY: join(TLS, 'localhost.key')
  })
  const folder = scratch()
  const secret = join(folder, 'token')
  writeFileSync(secret, SECRET, { mode: 0o600 })
  const config = {
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: [join(RULES, 'rules.yaml')],
    scrape_configs: [
      {
        job_name: 'berth',
        scheme: 'https',
        metrics_path: PATH,
        authorization: { type: 'Bearer', credentials_file: secret },
        tls_config: { ca_file: join(TLS, 'localhost.crt') },
        static_configs: [{ targets: [server.host] }]
      }
    ]
  }
  const file = join(folder, 'prometheus.yml')
  writeFileSync(file, JSON.stringify(config)) // YAML holds JSON
  const port = await freePort()
  const prometheus = await startServer({
    command: 'prometheus',
    args: [
      `--config.file=${file}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`
    ],
    env: process.env,
    port,
    root: folder,
    ready: '/-/ready'
  })
  const client = createClient(prometheus.url)
  const value = async (query: string): Promise<number | undefined> => {
    const { body } = await client.request('GET', `/api/v1/query?query=${encodeURIComponent(query)}`)
    const result = JSON.parse(body.toString()).data?.result[0]
    return result === undefined ? undefined : Number(result.value[1])
  }
  const isUp = await eventually(async () => (await value('up{job="berth"}')) === 1, 30_000)
  verdict.check(isUp, 'Prometheus scrapes a berth with TLS, by a bearer token')
  for (const query of [
    `sum(imageregistry_http_requests_total{code="200",method="get"}) > 0`,
    'sum(berth_network_received_bytes_total) > 500',
    'sum(berth_network_sent_bytes_total) > 10000',
    `count(process_resident_memory_bytes) == ${WORKERS + 1}`
  ]) {
    const holds = await eventually(async () => (await value(query)) !== undefined, 15_000)
    verdict.check(holds, `in Prometheus: ${query}`)
  }
  const { body } = await client.request('GET', '/api/v1/rules')
  const rules: { health: string; name: string }[] = JSON.parse(body.toString()).data.groups.flatMap(
    (group: { rules: object[] }) => group.rules
  )
  const unwell = rules.filter(({ health }) => health === 'err')
  verdict.check(rules.length > 0 && unwell.length === 0, 'Prometheus takes the rules', unwell)
  client.close()
  await prometheus.stop()
  await server.stop()
}
