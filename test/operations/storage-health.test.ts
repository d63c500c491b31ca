import { setTimeout as pause } from 'node:timers/promises'
import t from 'tap'
import { type StorageHealth, watchStorage } from '../../src/operations/storage-health.ts'
import { createRegistry } from '../../src/registry/registry.ts'
import { alone, type Siblings } from '../../src/registry/siblings.ts'
import { StorageUnavailable } from '../../storage/driver.ts'
import { memoryStorage } from '../../storage/memory.ts'
import { berth, pushImage, refusal } from '../http/support.ts'
import { relatives } from '../registry/family.ts'
import { interposed } from '../registry/interposed.ts'

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

t.test(
  'a storage that hangs is asked no more often than it can be waited for, and is well once it answers',
  async (t) => {
    const answers: (() => void)[] = []
    let isHanging = true
    const health = watchStorage({
      probe: () => (isHanging ? new Promise<void>((resolve) => answers.push(resolve)) : Promise.resolve()),
      intervalMs: EVERY_MS,
      threshold: 1,
      leads: true,
      siblings: relatives(1)[0] as Siblings,
      logger: { info() {}, error() {} }
    })
    t.teardown(() => health.stop())
    t.ok(await until(() => answers.length === 4))
    await pause(10 * EVERY_MS)
    t.equal(answers.length, 4)
    t.ok(health.trouble() !== undefined)
    isHanging = false
    answers[0]?.()
    t.ok(await until(() => health.trouble() === undefined), 'although three hang for ever')
  }
)

t.test('a storage that hangs stops neither probes nor what needs none, and recovers', async (t) => {
  const held = Promise.withResolvers<void>()
  let isHanging = false
  const storage = interposed(memoryStorage(), () => (isHanging ? held.promise : undefined))
  const registry = createRegistry(storage)
  const health = watchStorage({
    probe: () => storage.list('docker'),
    intervalMs: EVERY_MS,
    threshold: 2,
    leads: true,
    siblings: relatives(1)[0] as Siblings,
    logger: { info() {}, error() {} }
  })
  t.teardown(() => health.stop())
  const it = await berth(t, { storage, registry, trouble: health.trouble })
  await pushImage(it, 'a', 'v1')
  isHanging = true
  const under = [it.ask('GET', '/v2/a/manifests/v1'), it.ask('POST', '/v2/a/blobs/uploads/')]
  t.ok(await until(() => health.trouble() !== undefined))
  t.equal(refusal(await it.ask('GET', '/v2/a/tags/list')), '503 UNAVAILABLE')
  t.equal(refusal(await it.ask('POST', '/v2/a/blobs/uploads/')), '503 UNAVAILABLE')
  t.equal((await it.ask('GET', '/livez')).statusCode, 200)
  t.equal((await it.ask('GET', '/readyz')).statusCode, 503)
  isHanging = false
  held.resolve()
  const codes = (await Promise.all(under)).map(({ statusCode }) => statusCode)
  t.strictSame(codes, [200, 202], 'what was under way comes to its end')
  t.ok(await until(() => health.trouble() === undefined))
  t.equal((await it.ask('GET', '/v2/a/tags/list')).statusCode, 200)
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

t.test('one failure is enough where the storage is not there any more', async (t) => {
  let probes = 0
  const health = watchStorage({
    probe: async () => {
      probes++
      throw new StorageUnavailable('gone', { isGone: true })
    },
    intervalMs: EVERY_MS,
    threshold: 1000,
    leads: true,
    siblings: alone,
    logger: { info() {}, error() {} }
  })
  t.teardown(() => health.stop())
  t.ok(await until(() => health.trouble() === 'gone'))
  t.ok(probes < 1000)
})
