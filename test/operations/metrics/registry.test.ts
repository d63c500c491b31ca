import t from 'tap'
import { COUNTERS, DISTRIBUTIONS, GAUGES } from '../../../src/operations/metrics/definitions.ts'
import { type Batch, createRecorder } from '../../../src/operations/metrics/recorder.ts'
import { createMetrics } from '../../../src/operations/metrics/registry.ts'
import { samples } from './samples.ts'

/** As it travels between processes. */
const sent = (batch: Batch | undefined): Batch => JSON.parse(JSON.stringify(batch))

function pod() {
  let time = 0
  const metrics = createMetrics({ version: '1.2.3', now: () => time })
  return {
    metrics,
    read: async () => samples(await metrics.text()),
    pass(ms: number) {
      time += ms
    }
  }
}

t.test('what several processes count is added up, and stays when they die', async (t) => {
  const { metrics, read } = pod()
  for (let round = 1; round <= 3; round++) {
    const source = {}
    const recorder = createRecorder()
    recorder.counter('requests', '200', 'get').add(2)
    recorder.counter('requests', '404', 'get').add()
    recorder.distribution('operations', 'ManifestService.Get').observe(0.004)
    metrics.add(source, sent(recorder.take()))
    metrics.leave(source)
    const seen = await read()
    t.equal(seen.get('imageregistry_http_requests_total{code="200",method="get"}'), 2 * round)
    t.equal(seen.get('imageregistry_http_requests_total{code="404",method="get"}'), round)
    t.equal(seen.get('imageregistry_request_duration_seconds_count{operation="ManifestService.Get"}'), round)
    t.equal(seen.get('berth_request_duration_seconds_bucket{operation="ManifestService.Get",le="0.0025"}'), 0)
    t.equal(
      seen.get('berth_request_duration_seconds_bucket{operation="ManifestService.Get",le="0.005"}'),
      round
    )
    t.equal(
      seen.get('berth_request_duration_seconds_bucket{operation="ManifestService.Get",le="+Inf"}'),
      round
    )
  }
})

t.test('a gauge is the sum of what the living say, and what the dead had open is no more', async (t) => {
  const { metrics, read } = pod()
  const sources = [{}, {}]
  for (const source of sources) {
    const recorder = createRecorder()
    recorder.gauge('inFlight').add(3)
    metrics.add(source, sent(recorder.take()))
  }
  t.equal((await read()).get('imageregistry_http_in_flight_requests'), 6)
  metrics.leave(sources[0]!)
  t.equal((await read()).get('imageregistry_http_in_flight_requests'), 3)
})

t.test('a batch holds what is new only', async (t) => {
  const recorder = createRecorder()
  t.equal(recorder.take(), undefined)
  recorder.counter('uploads', 'started').add()
  recorder.gauge('inFlight').set(1)
  recorder.distribution('requestSize').observe(10)
  const { counters, gauges, distributions } = recorder.take()!
  t.same([counters.length, gauges.length, distributions.length], [1, 1, 1])
  t.equal(recorder.take(), undefined)
})

t.test('a counter is told of before it counts', async (t) => {
  const { metrics, read } = pod()
  const recorder = createRecorder()
  recorder.counter('storageErrors', 'FileWriter.Write', 'DEVICE_OUT_OF_SPACE')
  metrics.add({}, sent(recorder.take()))
  const name = 'imageregistry_storage_errors_total{operation="FileWriter.Write",code="DEVICE_OUT_OF_SPACE"}'
  t.equal((await read()).get(name), 0)
})

t.test('a summary tells of the last ten minutes, its sum and count of all', async (t) => {
  const { metrics, read, pass } = pod()
  const observe = (value: number): void => {
    const recorder = createRecorder()
    recorder.distribution('requestTime', 'get').observe(value)
    metrics.add({}, sent(recorder.take()))
  }
  const median = async () =>
    (await read()).get('imageregistry_http_request_duration_seconds{method="get",quantile="0.5"}')!
  for (let i = 0; i < 10; i++) observe(2)
  t.ok(Math.abs((await median()) - 2) < 0.2)
  pass(5 * 60_000)
  observe(0.1)
  t.ok(Math.abs((await median()) - 2) < 0.2, 'those of five minutes ago count')
  pass(6 * 60_000)
  t.ok(Math.abs((await median()) - 0.1) < 0.01, 'those of eleven minutes ago do not')
  pass(60 * 60_000)
  t.same(await median(), Number.NaN)
  t.equal((await read()).get('imageregistry_http_request_duration_seconds_count{method="get"}'), 11)
})

t.test('the build is told of', async (t) => {
  const { read } = pod()
  const labels = 'major="1",minor="2",gitCommit="",gitVersion="v1.2.3"'
  t.equal((await read()).get(`imageregistry_build_info{${labels}}`), 1)
})

t.test('no two metrics have one name', async (t) => {
  const names = [COUNTERS, GAUGES].flatMap((table) => Object.values(table).map(({ name }) => name))
  for (const shown of Object.values(DISTRIBUTIONS)) {
    if ('summary' in shown) names.push(shown.summary.name as never)
    if ('histogram' in shown) names.push(shown.histogram.name as never)
  }
  t.equal(new Set(names).size, names.length)
})
