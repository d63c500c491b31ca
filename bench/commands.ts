import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { CHECKOUT, CommandFailed, type Output, run } from '../test/integration/support/processes.ts'
import type { Job } from './load/main.ts'
import type { LoadResult } from './load/tally.ts'
import type { Percentiles } from './statistics.ts'

const LIMIT_MS = 10 * 60_000

const lines: string[] = []
let printing = true

/** Runs a command to its end and prints its line unless it is told not to. @throws CommandFailed */
export async function tool(command: string, args: readonly string[]): Promise<Output> {
  const line = [command, ...args].map(quoted).join(' ')
  if (printing) console.log(`    $ ${line}`)
  lines.push(line)
  return run(command, args, { cwd: CHECKOUT, timeoutMs: LIMIT_MS })
}

/** Whether the lines of commands are printed. */
export function printCommands(on: boolean): void {
  printing = on
}

/** Of everything that was run so far. */
export function commandLines(): readonly string[] {
  return lines
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}

export function isInstalled(command: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/** What several processes of our own load do, so that it is not held to one processor. */
export function shared<T>(items: readonly T[]): T[][] {
  const parts = Math.min(2, items.length)
  return Array.from({ length: parts }, (_, part) => items.filter((_, at) => at % parts === part))
}

/** So far ahead of their start are processes of our load created that start together. */
const START_AHEAD_MS = 500

/** Runs our own load, each job in a process of its own, and adds up what they saw. @throws Error when any answer
 *  was wrong */
export async function load(...jobs: Job[]): Promise<LoadResult> {
  const startAt = Date.now() + START_AHEAD_MS
  const outputs = await Promise.all(
    jobs.map((job) => {
      const text = JSON.stringify(jobs.length > 1 ? { ...job, startAt } : job)
      return tool(process.execPath, ['bench/load/main.ts', text]).catch((error: unknown) => {
        const reason = /^\w*Error: .*/m.exec(error instanceof CommandFailed ? error.stderr : '')?.[0]
        throw reason === undefined ? error : new Error(`the load failed: ${reason}`, { cause: error })
      })
    })
  )
  const sum: LoadResult = { requests: 0, bytes: 0, seconds: 0, cpu: 0, statuses: {}, wrong: [], times: {} }
  for (const { stdout } of outputs) {
    const result: LoadResult = JSON.parse(stdout)
    sum.requests += result.requests
    sum.bytes += result.bytes
    sum.cpu += result.cpu
    sum.seconds = Math.max(sum.seconds, result.seconds)
    sum.wrong.push(...result.wrong)
    for (const [status, count] of Object.entries(result.statuses)) {
      sum.statuses[status] = (sum.statuses[status] ?? 0) + count
    }
    for (const [what, times] of Object.entries(result.times)) {
      sum.times[what] = (sum.times[what] ?? []).concat(times)
    }
  }
  if (sum.wrong.length > 0) throw new Error(`${JSON.stringify(sum.statuses)}, ${sum.wrong.join('; ')}`)
  return sum
}

export interface Hammered {
  requests: number
  seconds: number
  latencyMs: Percentiles
  loadCpus?: number
}

export interface Hammering {
  connections: number
  seconds: number
  headers?: Record<string, string>
}

/** GET over kept connections. `rawLength` is that of a whole answer, headers included.
 *  @throws Error unless every answer was 2xx and so long */
export async function wrk(url: string, rawLength: number, hammering: Hammering): Promise<Hammered> {
  const { connections, seconds, headers = {} } = hammering
  const { stdout } = await tool('wrk', [
    ...['-t', '1', '-c', `${connections}`, '-d', `${seconds}s`, '-s', 'bench/load/wrk.lua'],
    ...Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]),
    url
  ])
  const counted = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '')
  const { requests, bytes, microseconds, errors, notSuccess, p50, p90, p99 } = counted
  if (errors > 0 || notSuccess > 0) throw new Error(`${errors} failed, ${notSuccess} not 2xx or 3xx`)
  // What is under way when the time is over may be counted in bytes and not yet as a request.
  const extra = bytes - requests * rawLength
  if (requests === 0 || extra < 0 || extra > connections * rawLength) {
    throw new Error(`${bytes} bytes in ${requests} answers, which should be ${rawLength} bytes long`)
  }
  const latencyMs = { p50: p50 / 1000, p90: p90 / 1000, p99: p99 / 1000 }
  return { requests, seconds: microseconds / 1e6, latencyMs }
}

/** GET over kept connections, in HTTP/1.0. @throws Error unless every answer was 2xx and as long as `length` */
export async function ab(
  url: string,
  length: number,
  { connections, seconds }: Hammering
): Promise<Hammered> {
  const { stdout } = await tool('ab', [
    ...['-q', '-k', '-c', `${connections}`, '-t', `${seconds}`, '-n', '10000000', url]
  ])
  const number = (pattern: RegExp): number => Number(pattern.exec(stdout)?.[1])
  const requests = number(/^Complete requests: +(\d+)/m)
  const failed = number(/^Failed requests: +(\d+)/m) + (stdout.includes('Non-2xx responses') ? 1 : 0)
  const body = number(/^Document Length: +(\d+)/m)
  if (!(requests > 0) || failed > 0 || body !== length) {
    throw new Error(`${requests} answers, ${failed} of them wrong, ${body} bytes long, not ${length}`)
  }
  const percentile = (share: number): number => number(new RegExp(`^ +${share}% +(\\d+)`, 'm'))
  const latencyMs = { p50: percentile(50), p90: percentile(90), p99: percentile(99) }
  return { requests, seconds: number(/^Time taken for tests: +([\d.]+)/m), latencyMs }
}

/** One GET whose body is thrown away; gives its seconds, connecting included.
 *  @throws Error unless it is a 200 (a 206 for a range) of that length */
export async function curlPull(url: string, length: number, range?: string): Promise<number> {
  const { stdout } = await tool('curl', [
    ...['-sSk', '-o', '/dev/null', '-w', '%{http_code} %{size_download} %{time_total}'],
    ...(range === undefined ? [] : ['-r', range]),
    url
  ])
  const [status, size, seconds] = stdout.split(' ').map(Number)
  const expected = range === undefined ? 200 : 206
  if (status !== expected || size !== length || !seconds)
    throw new Error(`${stdout}, not ${expected} ${length}`)
  return seconds
}

/** A PATCH that streams a file; gives the answer's Location. @throws Error unless it is a 202 */
export async function curlPatch(url: string, file: string): Promise<string> {
  const { stdout } = await tool('curl', [
    ...['-sSk', '-X', 'PATCH', '-T', file, '-H', 'Expect:', '-H', 'Content-Type: application/octet-stream'],
    ...['-o', '/dev/null', '-w', '%{http_code} %header{location}', url]
  ])
  const [status, location] = stdout.split(' ')
  if (status !== '202' || location === undefined) throw new Error(`PATCH: ${stdout}`)
  return location
}
