import { randomUUID } from 'node:crypto'
import { mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { GoMissing, goTool, type ToolName } from '../test/go/build.ts'
import type { Login } from '../test/integration/support/logins.ts'
import { CHECKOUT, CommandFailed, run } from '../test/integration/support/processes.ts'

/**
 * Runs the OCI's own conformance suites against a registry and judges it by the reports they write, since
 * their exit status alone does not say what was left out. docs/conformance.md says what each suite covers.
 */

interface Suite {
  name: string
  tool: ToolName
}

const SUITES: readonly Suite[] = [
  { name: 'v1.1.1', tool: 'conformance-v1.1.1' },
  { name: '2026-04', tool: 'conformance-2026-04' }
]

/** The suites say only that a test was skipped; these are the conditions in their source. */
const SKIP_REASONS: readonly { test: string; reason: string }[] = [
  {
    test: 'Get tag name from environment',
    reason: 'for registries that were filled beforehand; this run fills the registry itself'
  },
  {
    test: 'Populate registry with test tags (no push)',
    reason: 'for registries that were filled beforehand; this run fills the registry itself'
  },
  {
    test: 'Cross-mounting of nonexistent blob should yield session id',
    reason: 'looks at the answer 202 to a mount; the registry mounted the blob (201)'
  },
  {
    test: 'GET request to test digest within cross-mount namespace should return 200',
    reason: 'looks at the answer 201 to a mount; the registry opened an upload (202)'
  },
  {
    test: 'Cross-mounting without from, and automatic content discovery enabled should return a 201',
    reason: 'runs only with OCI_AUTOMATIC_CROSSMOUNT=1'
  },
  {
    test: 'Cross-mounting without from, and automatic content discovery disabled should return a 202',
    reason: 'runs only with OCI_AUTOMATIC_CROSSMOUNT=0'
  }
]

interface TestCase {
  name: string
  status: string
  /** Why it failed. */
  message: string
}

interface Report {
  title: string
  passed: TestCase[]
  failed: TestCase[]
  skipped: TestCase[]
  /** What the suite remarks on without failing. */
  warnings: string[]
}

/** Gives the exit status: 1 as well where there is no Go to build the suites. */
export async function judgeOfficially(url: string, login: Login | undefined): Promise<number> {
  try {
    for (const { tool } of SUITES) await goTool(tool)
  } catch (error) {
    if (!(error instanceof GoMissing)) throw error
    console.error(error.message)
    return 1
  }
  console.log(`Judging ${url}${login === undefined ? '' : `, logged in as ${login.username}`}`)
  const reports: Report[] = []
  for (const suite of SUITES) {
    reports.push(await runSuite(suite, { url, login }, undefined))
    // The specification lets a registry mount without `from`, or not: one of the two settings must hold.
    const mounts = await runSuite(suite, { url, login }, '1')
    const refuses = mounts.failed.length === 0 ? undefined : await runSuite(suite, { url, login }, '0')
    reports.push(refuses?.failed.length === 0 ? refuses : mounts)
  }
  print(reports)
  return reports.some(({ failed }) => failed.length > 0) ? 1 : 0
}

/** @throws when the suite leaves no report, or one that contradicts its exit status */
async function runSuite(
  suite: Suite,
  { url, login }: { url: string; login: Login | undefined },
  automaticCrossmount: string | undefined
): Promise<Report> {
  const binary = await goTool(suite.tool)
  const setting = automaticCrossmount ?? 'unset'
  const folder = join(CHECKOUT, 'results', 'conformance', `${suite.name}-crossmount-${setting}`)
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  const place = `conformance-${randomUUID().slice(0, 8)}`
  const env = {
    OCI_ROOT_URL: url,
    OCI_NAMESPACE: `${place}/own`,
    OCI_CROSSMOUNT_NAMESPACE: `${place}/other`,
    OCI_TEST_PULL: '1',
    OCI_TEST_PUSH: '1',
    OCI_TEST_CONTENT_DISCOVERY: '1',
    OCI_TEST_CONTENT_MANAGEMENT: '1',
    OCI_AUTOMATIC_CROSSMOUNT: automaticCrossmount,
    OCI_REPORT_DIR: folder,
    ...(login !== undefined && { OCI_USERNAME: login.username, OCI_PASSWORD: login.password })
  }

  let output: string
  let succeeded = true
  try {
    const { stdout, stderr } = await run(binary, ['--ginkgo.no-color'], {
      cwd: folder,
      env,
      timeoutMs: 600_000
    })
    output = stdout + stderr
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error
    output = error.stdout + error.stderr
    succeeded = false
  }

  const title = `${suite.name}, OCI_AUTOMATIC_CROSSMOUNT ${setting}`
  const xml = await readFile(join(folder, 'junit.xml'), 'utf8').catch((error: unknown) => {
    throw new Error(`${title}: the suite left no report; ${lastWords(output)}`, { cause: error })
  })
  const cases = parseReport(xml)
  const report: Report = {
    title,
    passed: cases.filter(({ status }) => status === 'passed'),
    skipped: cases.filter(({ status }) => status === 'skipped'),
    failed: cases.filter(({ status }) => status !== 'passed' && status !== 'skipped'),
    warnings: [...output.matchAll(/WARNING: (.*)/g)].map(([, text]) => text ?? '')
  }
  if (report.passed.length === 0) throw new Error(`${title}: no test passed; ${lastWords(output)}`)
  if (succeeded !== (report.failed.length === 0)) {
    throw new Error(`${title}: exit status and report contradict each other; ${lastWords(output)}`)
  }
  return report
}

function lastWords(output: string): string {
  return `the suite's last words were:\n${output.slice(-4_000)}`
}

/** The tests of a JUnit file as Ginkgo writes it, without the entries of its own reporters. */
function parseReport(xml: string): TestCase[] {
  const prefix = 'OCI Distribution Conformance Tests '
  return [...xml.matchAll(/<testcase name="([^"]*)"[^>]* status="([^"]*)"[^>]*>(.*?)<\/testcase>/gs)]
    .map(([, name = '', status = '', inside = '']) => ({
      name: unescapeXml(name),
      status,
      message: unescapeXml(/<(?:failure|error) message="([^"]*)"/.exec(inside)?.[1] ?? '')
    }))
    .filter(({ name }) => name.startsWith(prefix))
    .map((test) => ({ ...test, name: test.name.slice(prefix.length) }))
}

function unescapeXml(text: string): string {
  const named: Record<string, string> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" }
  return text.replace(/&(?:#x([0-9A-Fa-f]+)|#(\d+)|(\w+));/g, (whole, hex, decimal, name) => {
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16))
    if (decimal !== undefined) return String.fromCodePoint(Number(decimal))
    return named[name] ?? whole
  })
}

function print(reports: readonly Report[]): void {
  console.log('\n| suite | passed | failed | skipped |\n|---|---|---|---|')
  for (const { title, passed, failed, skipped } of reports) {
    console.log(`| ${title} | ${passed.length} | ${failed.length} | ${skipped.length} |`)
  }
  for (const { title, failed, skipped, warnings } of reports) {
    console.log(`\n${title}`)
    for (const { name, message } of failed) console.log(`  FAIL ${name}: ${message.replace(/\s+/g, ' ')}`)
    for (const { name } of skipped) console.log(`  SKIP ${name}: ${skipReason(name)}`)
    for (const warning of warnings) console.log(`  NOTE ${warning}`)
  }
}

function skipReason(name: string): string {
  return SKIP_REASONS.find(({ test }) => name.endsWith(test))?.reason ?? 'the suite gives no reason'
}
