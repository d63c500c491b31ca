import { randomBytes, X509Certificate } from 'node:crypto'
import { closeSync, lstatSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Case } from './case.ts'
import { CASES } from './cases.ts'
import { createClient } from './client.ts'
import { lookAt } from './first-look.ts'
import type { Credentials } from './login.ts'
import { BadUsage, type Options, parseOptions, USAGE } from './options.ts'
import { json, junit, type Run } from './report/files.ts'
import { printList, printTable, totalsOf } from './report/table.ts'
import { runCases } from './runner.ts'

/** Judges a registry by its URL, or berth. Gives the exit status. @throws BadUsage */
async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(args, process.env)
  const cases = chosen(options)
  if (options.help) console.log(USAGE)
  else if (options.list) printList(cases, console.log)
  else if (options.url !== undefined) return await judge(options.url, credentialsOf(options), cases, options)
  else return await judgeBerth(cases, options)
  return 0
}

function chosen({ filter }: Options): Case[] {
  const cases = CASES.filter(({ id, title }) => filter === undefined || filter.test(id) || filter.test(title))
  if (cases.length === 0) throw new BadUsage(`--filter: no case matches ${filter}; --list shows them all`)
  return cases
}

function credentialsOf({ username, password }: Options): Credentials | undefined {
  return username === undefined || password === undefined ? undefined : { username, password }
}

async function judgeBerth(cases: readonly Case[], options: Options): Promise<number> {
  const { startBerthToJudge } = await import('./start.ts')
  const { url, credentials, stop } = await startBerthToJudge(options)
  try {
    return await judge(new URL(url), credentials, cases, options, nameOf(options))
  } finally {
    await stop()
  }
}

/** The same from run to run, as CI servers compare them; the port is another each time. */
function nameOf({ login, http2 }: Options): string {
  return `berth${login ? ', with a login' : ''}${http2 ? ', over HTTP/2' : ''}`
}

/** @param name of the registry in the files; its address where it has none. */
async function judge(
  url: URL,
  credentials: Credentials | undefined,
  cases: readonly Case[],
  options: Options,
  name = url.origin
): Promise<number> {
  const { timeoutMs, repository, official } = options
  const ca = options.ca === undefined ? undefined : readCertificates(options.ca)
  const files = official ? [] : [options.junit, options.json]
  for (const file of files) makeRoom(file)
  const seed = options.seed ?? randomBytes(4).toString('hex')
  // The OCI's suites believe any certificate.
  const client = createClient({ timeoutMs, insecure: options.insecure || official, ...(ca && { ca }) })
  const subject = { registry: url, client, credentials, repository, seed }
  const interrupted = new AbortController()
  const interrupt = (): void => {
    console.error('Interrupted: clearing up. Once more ends at once.')
    interrupted.abort()
  }
  try {
    const asksForLogin = await lookAt(subject)
    if (official) {
      const { judgeOfficially } = await import('./official.ts')
      return await judgeOfficially(url.origin, credentials)
    }
    const whom = credentials === undefined || !asksForLogin ? '' : `, logged in as ${credentials.username}`
    console.log(`Judging ${url.origin}${whom}, below ${repository}/${seed} (--seed ${seed})\n`)
    if (credentials !== undefined && !asksForLogin)
      console.log('It asks for no login: --username and --password are not used\n')
    process.once('SIGINT', interrupt)
    const started = new Date()
    const results = await runCases(cases, subject, interrupted.signal)
    const run: Run = { registry: name, seed, started, durationMs: Date.now() - started.getTime(), results }
    printTable(results, console.log)
    writeFileSync(options.junit, junit(run))
    writeFileSync(options.json, json(run))
    console.log(`\nIn files: ${files.join(', ')}`)
    const { fail, error } = totalsOf(results)
    return interrupted.signal.aborted ? 130 : fail + error > 0 ? 1 : 0
  } finally {
    process.off('SIGINT', interrupt)
    client.close()
  }
}

/** @throws BadUsage when the file holds none */
function readCertificates(file: string): string {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new BadUsage(`--ca: ${(error as Error).message}`, { cause: error })
  }
  try {
    new X509Certificate(text)
  } catch (error) {
    throw new BadUsage(`--ca: ${file} holds no certificate (PEM)`, { cause: error })
  }
  return text
}

/** Sees that the file can be written, and takes away what a former run left there. @throws BadUsage */
function makeRoom(file: string): void {
  try {
    mkdirSync(dirname(file), { recursive: true })
    closeSync(openSync(file, 'w'))
    if (lstatSync(file).isFile()) rmSync(file) // and no terminal, say
  } catch (error) {
    throw new BadUsage(`the results cannot be written: ${(error as Error).message}`, { cause: error })
  }
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof BadUsage)) throw error
  console.error(`${error.message}\n(npm run conformance -- --help says how to call it)`)
  process.exitCode = 2
}
