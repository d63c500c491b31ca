import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { globSync } from 'node:fs'
import { join, relative } from 'node:path'
import { createInterface } from 'node:readline'

/**
 * Runs the integration checks one after another: every `*.check.ts` in the folders beside this file, or those
 * named as arguments (`clients`, `reference/distribution-2`, a path). Options behind the names (`--rounds 5`) go to each of
 * them. A check is a script that prints `ok - SENTENCE` or `not ok - SENTENCE` for what it looked at, and ends with 0, with 1
 * when something is wrong, or with 77 when it cannot run here (its last line says why).
 */

const CANNOT_RUN_HERE = 77
const TIME_LIMIT_MS = 20 * 60_000

interface Tally {
  passed: number
  failed: number
  skipped: number
}

async function main(args: readonly string[]): Promise<number> {
  const at = args.findIndex((arg) => arg.startsWith('--'))
  const names = at < 0 ? args : args.slice(0, at)
  const options = args.slice(names.length)
  const files = findChecks(names)
  const tally: Tally = { passed: 0, failed: 0, skipped: 0 }
  for (const file of files) await runCheck(file, options, tally)
  console.log(`\n${tally.passed} passed, ${tally.failed} failed, ${tally.skipped} skipped`)
  return tally.failed > 0 || tally.passed + tally.skipped === 0 ? 1 : 0
}

function findChecks(names: readonly string[]): string[] {
  const all = globSync('*/*.check.ts', { cwd: import.meta.dirname }).sort()
  if (names.length === 0) return all
  return names.flatMap((name) => {
    const wanted = relative(import.meta.dirname, join(import.meta.dirname, name))
    const path = relative(import.meta.dirname, join(process.cwd(), name))
    const found = all.filter(
      (file) =>
        file === path || file === wanted || file === `${wanted}.check.ts` || file.startsWith(`${wanted}/`)
    )
    if (found.length === 0) throw new Error(`${name}: no such check; there are ${all.join(', ')}`)
    return found
  })
}

async function runCheck(file: string, options: readonly string[], tally: Tally): Promise<void> {
  console.log(`\n${file}`)
  const child = spawn(process.execPath, [join(import.meta.dirname, file), ...options], {
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit']
  })
  // SIGTERM lets it stop the servers that it started, each in a process group of its own.
  const end = (): void => signalGroup(child.pid, 'SIGTERM')
  process.once('exit', end)
  const timer = setTimeout(() => {
    console.log(`       took longer than ${TIME_LIMIT_MS / 60_000} minutes`)
    end()
    setTimeout(() => signalGroup(child.pid, 'SIGKILL'), 5_000).unref()
  }, TIME_LIMIT_MS)
  const closed = once(child, 'close')

  let failedHere = 0
  let lastLine = ''
  let since = performance.now()
  for await (const line of createInterface({ input: child.stdout })) {
    lastLine = line
    const verdict = /^(ok|not ok) - (.*)$/.exec(line)
    if (verdict === null) {
      console.log(`       ${line}`)
      continue
    }
    const seconds = ((performance.now() - since) / 1000).toFixed(1)
    since = performance.now()
    const passed = verdict[1] === 'ok'
    if (passed) tally.passed += 1
    else failedHere += 1
    console.log(`  ${passed ? 'ok  ' : 'FAIL'} ${verdict[2]} (${seconds} s)`)
  }
  await closed
  clearTimeout(timer)
  process.off('exit', end)
  signalGroup(child.pid, 'SIGKILL') // whatever it left behind

  if (child.exitCode === CANNOT_RUN_HERE) {
    tally.skipped += 1
    console.log(`  SKIP ${lastLine}`)
  } else if (child.exitCode !== 0 && failedHere === 0) {
    failedHere = 1
    console.log(`  FAIL ended with ${child.exitCode ?? child.signalCode}`)
  }
  tally.failed += failedHere
}

function signalGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(-pid, signal)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}

process.once('SIGINT', () => process.exit(130))
process.once('SIGTERM', () => process.exit(143))
process.exitCode = await main(process.argv.slice(2))
