import t from 'tap'
import { createTold } from '../../src/auth/told.ts'
import { ApiForbidden, ApiUnavailable } from '../../src/kubernetes/api-server.ts'

t.test(
  'trouble with the API server is told of when it begins, once a minute, and when it ends',
  async (t) => {
    let ms = 0
    const lines: string[] = []
    const write = (line: string): void => void lines.push(line)
    const told = createTold({ logger: { info: write, warn: write }, now: () => ms })
    const fail = () =>
      t.rejects(told(Promise.reject(new ApiUnavailable('it is down'))), { name: 'API_UNAVAILABLE' })
    t.equal(await told(Promise.resolve(1)), 1)
    for (let count = 0; count < 100; count++) await fail()
    ms = 59_999
    await fail()
    t.strictSame(lines, ['it is down'])
    ms = 60_000
    await fail()
    t.match(lines[1], 'it is down (102 times since it last answered)')
    await told(Promise.resolve(1))
    t.match(lines[2], 'answers again')
    await told(Promise.resolve(1))
    await fail()
    t.equal(lines.length, 4, 'the next trouble is told of at once')
  }
)

t.test('what has an answer is no trouble, and what is a fault is passed on', async (t) => {
  const lines: string[] = []
  const write = (line: string): void => void lines.push(line)
  const told = createTold({ logger: { info: write, warn: write } })
  await t.rejects(told(Promise.reject(new ApiForbidden('no')), ApiForbidden), { name: 'ApiForbidden' })
  await t.rejects(told(Promise.reject(new TypeError('a fault'))), { name: 'TypeError' })
  t.strictSame(lines, [])
  await t.rejects(told(Promise.reject(new ApiForbidden('no'))), { name: 'API_UNAVAILABLE' })
  t.strictSame(lines, ['no'])
})
