import t from 'tap'
import { CASES } from '../../conformance/cases.ts'
import { createClient } from '../../conformance/client.ts'
import { type Result, runCases } from '../../conformance/runner.ts'
import { startBerthToJudge } from '../../conformance/start.ts'
import { ANSWER_FAULTS } from './faults/answers.ts'
import { DISCOVERY_FAULTS } from './faults/finding.ts'
import { LOGIN_FAULTS } from './faults/logins.ts'
import { MANIFEST_FAULTS } from './faults/manifests.ts'
import { PULL_FAULTS } from './faults/pulling.ts'
import { PUSH_FAULTS } from './faults/pushing.ts'
import { TOKEN_FAULTS } from './faults/tokens.ts'
import { UPLOAD_FAULTS } from './faults/uploads.ts'
import { type Fault, startFaulty } from './faulty.ts'

const FAULTS = [
  ...[...PULL_FAULTS, ...PUSH_FAULTS, ...DISCOVERY_FAULTS, ...LOGIN_FAULTS],
  ...[...ANSWER_FAULTS, ...MANIFEST_FAULTS, ...UPLOAD_FAULTS, ...TOKEN_FAULTS]
]

t.jobs = 8
// A login for each fault, and each login costs what bcrypt does: on a busy machine a minute.
t.setTimeout(180_000)

const berth = await startBerthToJudge({ login: true })
t.teardown(() => berth.stop())

async function judge(fault: Partial<Fault>, ids: readonly string[], seed: string): Promise<Result[]> {
  const faulty = await startFaulty(berth.url, fault)
  // Only what never answers has to wait for this.
  const client = createClient({ timeoutMs: fault.request === undefined ? 20_000 : 5_000 })
  const { credentials } = berth
  const cases = CASES.filter(({ id }) => ids.includes(id))
  try {
    return await runCases(cases, { registry: faulty.url, client, credentials, repository: 'faults', seed })
  } finally {
    client.close()
    await faulty.close()
  }
}

t.test('every case finds a fault', async (t) => {
  const found = new Set(FAULTS.map(({ caughtBy }) => caughtBy))
  t.strictSame(
    CASES.filter(({ id }) => !found.has(id)).map(({ id }) => id),
    []
  )
})

t.test('without a fault no case fails, and those pass that a fault makes skip', async (t) => {
  const ids = CASES.map(({ id }) => id)
  const results = await judge({}, ids, 'sound')
  const mustPass = new Set(FAULTS.filter(({ as }) => as !== undefined).map(({ caughtBy }) => caughtBy))
  const isRight = ({ id, status, notes }: Result): boolean =>
    (status === 'pass' || (status === 'skip' && !mustPass.has(id))) && notes.length === 0
  t.strictSame(
    results.filter((result) => !isRight(result)),
    []
  )
  t.equal(results.length, ids.length)
})

for (const [index, fault] of FAULTS.entries()) {
  t.test(`a registry that ${fault.does} is told so by ${fault.caughtBy}`, async (t) => {
    const [result] = await judge(fault, [fault.caughtBy], `fault${index}`)
    const { status, message = '', notes = [] } = result ?? {}
    if (fault.as === 'note') t.ok(status === 'pass' && notes.length > 0, message)
    else t.equal(status, fault.as ?? 'fail', message)
  })
}
