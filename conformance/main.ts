import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Case } from './case.ts'
import { CASES } from './cases.ts'
import { createClient, type Send } from './client.ts'
import { type Credentials, LoginFailed, withLogin } from './login.ts'
import { BadUsage, type Options, parseOptions, USAGE } from './options.ts'
import { junit } from './report/junit.ts'
import { printList, printTable, totalsOf } from './report/table.ts'
import { runCases } from './runner.ts'

/** Judges a registry by its URL, or berth. Gives the exit status. @throws BadUsage */
async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(args)
  const cases = chosen(options)
  if (options.help) console.log(USAGE)
  else if (options.list) printList(cases, console.log)
  else if (options.url !== undefined) return await judge(options.url, credentialsOf(options), cases, options)
  else return await judgeBerth(cases, options)
  return 0
}

function chosen({ filter }: Options): Case[] {
  const cases = CASES.filter(({ id, title }) => filter === undefined || filter.test(`${id}: ${title}`))
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
    return await judge(new URL(url), credentials, cases, options)
  } finally {
    await stop()
  }
}

async function judge(
  url: URL,
  credentials: Credentials | undefined,
  cases: readonly Case[],
  options: Options
): Promise<number> {
  if (options.official) {
    const { judgeOfficially } = await import('./official.ts')
    return judgeOfficially(url.origin, credentials)
  }
  const { timeoutMs, insecure, repository, junit: junitFile, json: jsonFile } = options
  const ca = options.ca === undefined ? undefined : readCertificates(options.ca)
  const seed = options.seed ?? randomBytes(4).toString('hex')
  const whom = credentials === undefined ? '' : `, logged in as ${credentials.username}`
  console.log(`Judging ${url.origin}${whom}, below ${repository}/${seed} (--seed ${seed})\n`)

  const client = createClient({ timeoutMs, insecure, ...(ca !== undefined && { ca }) })
  try {
    await mustLetIn(withLogin(client.send, url, credentials), url, credentials)
    const results = await runCases(cases, { registry: url, client, credentials, repository, seed })
    const totals = totalsOf(results)
    printTable(results, console.log)
    write(junitFile, junit(url, results))
    write(jsonFile, `${JSON.stringify({ registry: url.origin, seed, totals, cases: results }, null, 2)}\n`)
    console.log(`\nIn files: ${junitFile}, ${jsonFile}`)
    return totals.fail + totals.error > 0 ? 1 : 0
  } finally {
    client.close()
  }
}

/** Otherwise every case would say the same. @throws BadUsage */
async function mustLetIn(send: Send, url: URL, credentials: Credentials | undefined): Promise<void> {
  const isLetIn = await send('GET', new URL('/v2/', url)).then(
    ({ status }) => status !== 401,
    (error: unknown) => !(error instanceof LoginFailed)
  )
  if (isLetIn) return
  if (credentials !== undefined) throw new BadUsage(`${url.origin} does not take this login`)
  throw new BadUsage(`${url.origin} asks for a login: --username and --password say whom to log in as`)
}

function readCertificates(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new BadUsage(`--ca: ${(error as Error).message}`, { cause: error })
  }
}

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof BadUsage)) throw error
  console.error(`${error.message}\n(npm run conformance -- --help says how to call it)`)
  process.exitCode = 2
}
