import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { CASES } from '../../conformance/cases.ts'
import { createClient } from '../../conformance/client.ts'
import { withLogin } from '../../conformance/login.ts'
import { runCases } from '../../conformance/runner.ts'
import { startBerthToJudge } from '../../conformance/start.ts'

/** What berth does not do, and need not. */
const SKIPPED = {
  'R-007': 'it sends no warnings',
  'R-044': 'it sends blobs itself',
  'R-052': 'it takes chunks of any size',
  'R-068': 'the token that a client gets for such a mount lets it pull from nowhere',
  'R-113': 'it has no extensions',
  'A-08': 'it gives tokens',
  'A-14': 'it gives no refresh tokens'
}

t.test(
  'berth keeps every requirement but those that it need not, and the suite has no remarks',
  async (t) => {
    const { url, credentials, stop } = await startBerthToJudge({ login: true })
    const client = createClient({ timeoutMs: 30_000 })
    t.teardown(async () => {
      client.close()
      await stop()
    })
    const registry = new URL(url)
    const results = await runCases(CASES, {
      registry,
      client,
      credentials,
      repository: 'judged',
      seed: 'test'
    })
    t.strictSame(
      results.filter(({ status }) => status === 'fail' || status === 'error'),
      []
    )
    t.strictSame(
      results.filter(({ status }) => status === 'skip').map(({ id }) => id),
      Object.keys(SKIPPED)
    )
    t.strictSame(
      results.flatMap(({ notes }) => notes),
      []
    )

    const send = withLogin(client.send, registry, credentials)
    const { body } = await send('GET', new URL('/v2/_catalog?n=1000', registry))
    t.strictSame(JSON.parse(body.toString()), { repositories: [] }, 'it has cleared up')
  }
)

/** From the first to the last of each section. */
const NUMBERS = {
  R: ['001-011', '020-022', '030-037', '040-045', '050-073', '080-090', '100-113', '120-125'],
  A: ['01-08', '10-14', '20-23', '30-33', '40-42'],
  M: ['01-14']
}

t.test('each number has one case, a title of its own and a line in the documentation', async (t) => {
  const ids = CASES.map(({ id }) => id)
  t.equal(new Set(ids).size, ids.length)
  t.equal(new Set(CASES.map(({ title }) => title)).size, ids.length)
  const page = readFileSync(join(import.meta.dirname, '../../docs/conformance.md'), 'utf8')
  for (const { id, title } of CASES) {
    t.match(id, /^(R-[01]\d\d|[AM]-\d\d)$/)
    t.ok(page.includes(`| ${id} | ${title} |`), `${id} is as documented`)
  }
  const without = page.slice(page.indexOf('These numbers have no case'))
  for (const [letter, sections] of Object.entries(NUMBERS)) {
    for (const section of sections) {
      const [first = '', last] = section.split('-')
      for (let n = Number(first); n <= Number(last); n += 1) {
        const id = `${letter}-${String(n).padStart(first.length, '0')}`
        t.not(ids.includes(id), without.includes(id), `${id} has a case, or a reason to have none`)
      }
    }
  }
})
