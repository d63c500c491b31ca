import { join } from 'node:path'
import { CHECKOUT, type Output, type RunOptions, run } from '../test/integration/support/processes.ts'
import type { Job, LoadResult, Percentiles } from './load/main.ts'

const LIMIT_MS = 10 * 60_000

const lines: string[] = []
let printing = true

/** Runs a command to its end and prints its line unless it is told not to. @throws CommandFailed */
export async function tool(
  command: string,
  args: readonly string[],
  options: RunOptions = {}
): Promise<Output> {
  const line = [command, ...args].map(quoted).join(' ')
  if (printing) console.log(`    $ ${line}`)
  lines.push(line)
  return run(command, args, { cwd: CHECKOUT, timeoutMs: LIMIT_MS, ...options })
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

/** Runs our own client in a process of its own. @throws Error when an answer was wrong */
export async function load(job: Job): Promise<LoadResult> {
  const { stdout } = await tool(process.execPath, ['bench/load/main.ts', JSON.stringify(job)])
  const result: LoadResult = JSON.parse(stdout)
  if (result.wrong.length > 0) throw new Error(result.wrong.join('; '))
  return result
}

export interface WrkResult {
  requests: number
  bytes: number
  seconds: number
  latencyMs: Percentiles
}

/** GET over kept connections. @throws Error unless every answer was 2xx and as long as `rawLength`, headers included */
export async function wrk(
  url: string,
  {
    connections,
    seconds,
    rawLength,
    headers = {}
  }: {
    connections: number
    seconds: number
    rawLength: number
    headers?: Record<string, string>
  }
): Promise<WrkResult> {
  const fields = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
  const script = join('bench', 'load', 'wrk.lua')
  const { stdout } = await tool('wrk', [
    ...['-t', '1', '-c', `${connections}`, '-d', `${seconds}s`, '--latency', '-s', script],
    ...fields,
    url
  ])
  const last = stdout.trimEnd().split('\n').at(-1) ?? ''
  const { requests, bytes, microseconds, errors, notSuccess, p50, p90, p99 } = JSON.parse(last)
  if (errors > 0 || notSuccess > 0) throw new Error(`${errors} failed, ${notSuccess} not 2xx or 3xx`)
  // What is under way when the time is over may be counted in bytes and not yet as a request.
  const extra = bytes - requests * rawLength
  if (requests === 0 || extra < 0 || extra > connections * rawLength) {
    throw new Error(`${bytes} bytes in ${requests} answers, which should be ${rawLength} bytes long`)
  }
  return {
    requests,
    bytes,
    seconds: microseconds / 1e6,
    latencyMs: { p50: p50 / 1000, p90: p90 / 1000, p99: p99 / 1000 }
  }
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
