import { setTimeout as pause } from 'node:timers/promises'
import t from 'tap'
import { type StorageHealth, watchStorage } from '../../src/operations/storage-health.ts'
import type { Siblings } from '../../src/registry/siblings.ts'
import { berth, pushImage, refusal } from '../http/support.ts'
import { relatives } from '../registry/family.ts'

const EVERY_MS = 20

/** Until something is so, or too long has passed. */
async function until(isSo: () => boolean): Promise<boolean> {
  for (let turn = 0; turn < 500 && !isSo(); turn++) await pause(10)
  return isSo()
}

t.test(
  'a storage that fails several times in a row is in trouble, for all processes, until it answers',
  async (t) => {
    let problem: string | undefined
    const lines: string[] = []
    const probes: number[] = []
    const write = (line: string): void => void lines.push(line)
    const watch = (siblings: Siblings, index: number): StorageHealth => {
      const health = watchStorage({
        probe: async () => {
          probes.push(index)
          if (problem !== undefined) throw new Error(problem)
        },
        intervalMs: EVERY_MS,
        threshold: 3,
        leads: index === 0,
        siblings,
        logger: { info: write, error: write }
      })
      t.teardown(() => health.stop())
      return health
    }
    const family = relatives(4)
    const healths = family.slice(0, 3).map(watch)
    const troubles = (): (string | undefined)[] => healths.map(({ trouble }) => trouble())
    t.strictSame(troubles(), [undefined, undefined, undefined])
    problem = 'input/output error'
    t.ok(await until(() => troubles().every((trouble) => trouble === 'input/output error')))
    t.ok(probes.length >= 3)
    healths.push(watch(family[3] as Siblings, 3))
    t.ok(
      await until(() => troubles().length === 4 && troubles().every(Boolean)),
      'one that starts later knows, too'
    )
    problem = undefined
    t.ok(await until(() => troubles().every((trouble) => trouble === undefined)))
    t.ok(
      probes.every((index) => index === 0),
      'one process probes for all'
    )
    t.match(lines, [/does not answer, .*: input\/output error/, /answers again/])
    t.equal(lines.length, 2)
  }
)

t.test('a storage that does not answer in time is in trouble', async (t) => {
  const health = watchStorage({
    probe: () => new Promise(() => {}),
    intervalMs: EVERY_MS,
    threshold: 1,
    leads: true,
    siblings: relatives(1)[0] as Siblings,
    logger: { info() {}, error() {} }
  })
  t.teardown(() => health.stop())
  t.ok(await until(() => health.trouble() !== undefined))
  t.match(health.trouble(), /no answer within 0.02 s/)
})

t.test('while the storage is in trouble it is not asked, and only /readyz says so to probes', async (t) => {
  let problem: string | undefined
  const it = await berth(t, { trouble: () => problem })
  const { digest } = await pushImage(it, 'a', 'v1')
  problem = 'ESTALE\r\nx: y'
  for (const [method, url] of [
    ['GET', '/v2/a/manifests/v1'],
    ['HEAD', `/v2/a/manifests/${digest}`],
    ['GET', '/v2/_catalog'],
    ['POST', '/v2/a/blobs/uploads/'],
    ['DELETE', '/v2/a/manifests/v1']
  ] as const) {
    const answer = await it.ask(method, url)
    t.equal(answer.statusCode, 503, url)
    t.equal(answer.headers['retry-after'], '5')
    if (method !== 'HEAD') t.equal(refusal(answer), '503 UNAVAILABLE')
  }
  for (const url of ['/', '/healthz', '/livez', '/v2/'])
    t.equal((await it.ask('GET', url)).statusCode, 200, url)
  const readiness = await it.ask('GET', '/readyz')
  t.equal(readiness.statusCode, 503)
  t.equal(readiness.body, 'the storage does not answer\n')
  problem = undefined
  t.equal((await it.ask('GET', '/readyz')).statusCode, 200)
  t.equal((await it.ask('GET', '/v2/a/manifests/v1')).statusCode, 200)
})
