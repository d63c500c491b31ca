// berth, and CNCF distribution as Debian has it, judged by our conformance suite: each fails what docs/conformance.md
// says that it fails, and nothing else. With --write, the page is written anew.
import { CASES } from '../../../conformance/cases.ts'
import { createClient } from '../../../conformance/client.ts'
import type { Credentials } from '../../../conformance/login.ts'
import { type Result, runCases } from '../../../conformance/runner.ts'
import { startBerthToJudge } from '../../../conformance/start.ts'
import { loginSettings } from '../support/logins.ts'
import { run, scratch, startDockerRegistry } from '../support/processes.ts'
import { needCommands } from '../support/steps.ts'
import { createVerdict, flagOption } from '../support/verdict.ts'
import { columnOf, differences, tableOf, writeTable } from './page.ts'

await needCommands('docker-registry')
const verdict = createVerdict()

async function judge(url: string, credentials: Credentials | undefined): Promise<Result[]> {
  const client = createClient({ timeoutMs: 30_000 })
  try {
    const subject = { registry: new URL(url), client, credentials, repository: 'judged', seed: 'documented' }
    return await runCases(CASES, subject)
  } finally {
    client.close()
  }
}

async function judgeBerth(login: boolean): Promise<Result[]> {
  const berth = await startBerthToJudge({ login })
  try {
    return await judge(berth.url, berth.credentials)
  } finally {
    await berth.stop()
  }
}

const LOGIN: Credentials = { username: 'judge', password: 'secret' }

async function judgeDistribution(login?: Credentials): Promise<Result[]> {
  const env = login && { ...(await loginSettings(login)), REGISTRY_AUTH_HTPASSWD_REALM: 'registry' }
  const registry = await startDockerRegistry(scratch(), 'docker-registry', { ...(env && { env }) })
  try {
    return await judge(registry.url, login)
  } finally {
    await registry.stop()
  }
}

const [open, closed] = [await judgeBerth(false), await judgeBerth(true)]
const [theirOpen, theirClosed] = [await judgeDistribution(), await judgeDistribution(LOGIN)]
const { stdout: version } = await run('docker-registry', ['--version'])

const table = tableOf([
  columnOf('berth', open),
  columnOf('berth, login', closed),
  columnOf('docker-registry', theirOpen),
  columnOf('docker-registry, login', theirClosed)
])
if (flagOption('write')) writeTable(table)

const broken = (results: readonly Result[]): string[] =>
  results.filter(({ status }) => status === 'fail' || status === 'error').map(({ id }) => id)
const [mine, theirs] = [broken([...open, ...closed]), broken([...theirOpen, ...theirClosed])]
verdict.check(mine.length === 0, 'berth breaks nothing, with a login and without', mine)
verdict.check(
  theirs.length > 0,
  `the suite can fail: of ${version.trim()} it finds ${[...new Set(theirs)].join(', ')}`
)
const wrong = differences(table)
verdict.check(wrong.length === 0, 'docs/conformance.md says so of every case; --write writes it anew', wrong)
