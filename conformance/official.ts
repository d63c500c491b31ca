import { randomUUID } from 'node:crypto'
import { mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { goTool, type ToolName } from '../test/go/build.ts'
import { type Bridge, bridgeToHttp2 } from '../test/integration/support/http2-bridge.ts'
import { type Login, loginSettings } from '../test/integration/support/logins.ts'
import { CHECKOUT, CommandFailed, run, startBerth } from '../test/integration/support/processes.ts'

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

const CERTIFICATE = join(CHECKOUT, 'test/processes/tls/localhost.crt')
const HTTP2_SETTINGS = {
  REGISTRY_HTTP_TLS_CERTIFICATE: CERTIFICATE,
  REGISTRY_HTTP_TLS_KEY: CERTIFICATE.replace(/crt$/, 'key'),
  REGISTRY_HTTP_HTTP2_DISABLED: 'false'
}

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

/** A registry, and who the suites log in as, if anybody. */
interface Judged {
  url: string
  login: Login | undefined
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      url: { type: 'string' },
      username: { type: 'string' },
      password: { type: 'string' },
      login: { type: 'boolean', default: false },
      http2: { type: 'boolean', default: false }
    }
  })
  const { url, username, password } = values
  if ((username === undefined) !== (password === undefined)) throw new Error('--username takes --password')
  if (url === undefined && username !== undefined) throw new Error('--username takes --url')
  if (url !== undefined && (values.login || values.http2)) {
    throw new Error('--login and --http2 take no --url: they start berth')
  }
  if (url !== undefined) {
    return judge({ url, login: password === undefined ? undefined : { username: username ?? '', password } })
  }

  const login = values.login ? { username: 'judge', password: randomUUID() } : undefined
  const env = { ...(login && (await loginSettings(login))), ...(values.http2 && HTTP2_SETTINGS) }
  const berth = await startBerth({ env })
  let bridge: Bridge | undefined
  try {
    // The suites themselves speak HTTP/1.1 only.
    bridge = values.http2 ? await bridgeToHttp2(berth.url, CERTIFICATE) : undefined
    const { url } = bridge ?? berth
    if (login !== undefined) await mustAskForLogin(url)
    const code = await judge({ url, login })
    if (bridge) console.log(`\n${bridge.requests()} requests went over HTTP/2`)
    return code
  } finally {
    bridge?.close()
    await berth.stop()
  }
}

/** Otherwise the suites would pass without ever logging in. */
async function mustAskForLogin(url: string): Promise<void> {
  const { status } = await fetch(`${url}/v2/`)
  if (status !== 401) throw new Error(`GET /v2/ without a login: ${status}, not 401`)
}

async function judge(judged: Judged): Promise<number> {
  const { url, login } = judged
  console.log(`Judging ${url}${login === undefined ? '' : `, logged in as ${login.username}`}`)
  const reports: Report[] = []
  for (const suite of SUITES) {
    reports.push(await runSuite(suite, judged, undefined))
    // The specification lets a registry mount without `from`, or not: one of the two settings must hold.
    const mounts = await runSuite(suite, judged, '1')
    const refuses = mounts.failed.length === 0 ? undefined : await runSuite(suite, judged, '0')
    reports.push(refuses?.failed.length === 0 ? refuses : mounts)
  }
  print(reports)
  return reports.some(({ failed }) => failed.length > 0) ? 1 : 0
}

/** @throws when the suite leaves no report, or one that contradicts its exit status */
async function runSuite(
  suite: Suite,
  { url, login }: Judged,
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

process.exitCode = await main()
