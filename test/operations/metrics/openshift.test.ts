import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse, parseAllDocuments } from 'yaml'
import { createRecorder } from '../../../src/operations/metrics/recorder.ts'
import { createMetrics } from '../../../src/operations/metrics/registry.ts'

/** What recording rules, alerts and dashboards of OpenShift's registry go by, as far as berth has a part for it. */
const NAMES: [name: string, type: string, labels: string][] = [
  ['imageregistry_build_info', 'gauge', 'gitCommit gitVersion major minor'],
  ['imageregistry_request_duration_seconds', 'summary', 'operation'],
  ['imageregistry_http_in_flight_requests', 'gauge', ''],
  ['imageregistry_http_requests_total', 'counter', 'code method'],
  ['imageregistry_http_request_duration_seconds', 'summary', 'method'],
  ['imageregistry_http_request_size_bytes', 'summary', ''],
  ['imageregistry_http_response_size_bytes', 'summary', ''],
  ['imageregistry_storage_duration_seconds', 'summary', 'operation'],
  ['imageregistry_storage_errors_total', 'counter', 'code operation'],
  ['imageregistry_digest_cache_requests_total', 'counter', 'type'],
  ['imageregistry_digest_cache_scoped_requests_total', 'counter', 'type']
]

t.test('names, types and labels are those of OpenShift’s registry, and nothing is made up', async (t) => {
  const recorder = createRecorder()
  recorder.counter('requests', '200', 'get').add()
  recorder.counter('storageErrors', 'FileWriter.Write', 'UNKNOWN').add()
  recorder.counter('digestCache', 'Hit').add()
  recorder.counter('scopedDigestCache', 'Miss').add()
  recorder.gauge('inFlight').set(1)
  recorder.distribution('operations', 'ManifestService.Get').observe(1)
  recorder.distribution('requestTime', 'get').observe(1)
  recorder.distribution('requestSize').observe(1)
  recorder.distribution('responseSize').observe(1)
  recorder.distribution('storage', 'filesystem', 'StorageDriver.Stat').observe(1)
  const metrics = createMetrics({ version: '1.2.3' })
  metrics.add({}, recorder.take()!)
  const text = await metrics.text()
  const types = [...text.matchAll(/^# TYPE (imageregistry_\S+) (\S+)$/gm)]
  const shown = types.map(([, name = '', type]) => {
    const suffix = type === 'summary' ? '_count' : ''
    const [, labels = ''] = new RegExp(`^${name}${suffix}(?:\\{(.*)\\})? `, 'm').exec(text) ?? []
    const names = [...labels.matchAll(/(\w+)="/g)].map(([, label]) => label)
    return [name, type, names.sort().join(' ')]
  })
  t.strictSame(shown.sort(), NAMES.toSorted())
  for (const [name, type] of NAMES) {
    if (type !== 'summary') continue
    const quantiles = [...text.matchAll(new RegExp(`^${name}\\{.*quantile="([\\d.]+)"`, 'gm'))]
    t.strictSame(
      quantiles.map(([, quantile]) => quantile),
      ['0.5', '0.9', '0.99'],
      name
    )
  }
})

const DEPLOY = join(import.meta.dirname, '../../../deploy')

t.test('the ServiceMonitor finds the Service of the example, and its page', async (t) => {
  const monitor = parse(readFileSync(join(DEPLOY, 'monitoring/servicemonitor.yaml'), 'utf8'))
  const documents = parseAllDocuments(readFileSync(join(DEPLOY, 'berth.yaml'), 'utf8')).map((document) =>
    document.toJS()
  )
  const service = documents.find(({ kind }) => kind === 'Service')
  const { selector, namespaceSelector, endpoints } = monitor.spec
  t.match(service.metadata.labels, selector.matchLabels)
  t.strictSame(namespaceSelector.matchNames, [service.metadata.namespace])
  const { name, namespace } = service.metadata
  t.match(endpoints, [
    {
      port: service.spec.ports[0].name,
      scheme: 'https',
      path: '/extensions/v2/metrics',
      interval: '30s',
      tlsConfig: { serverName: `${name}.${namespace}.svc` }
    }
  ])
  const secrets = documents
    .find(({ kind }) => kind === 'Deployment')
    .spec.template.spec.volumes.map(({ secret }: { secret?: { secretName: string } }) => secret?.secretName)
  t.ok(secrets.includes(endpoints[0].tlsConfig.ca.secret.name))
})
