import { join } from 'node:path'
import { CommandFailed, run } from '../support/processes.ts'
import type { Verdict } from '../support/verdict.ts'

/** Runs a file of cases as a script of its own, and tells each of its groups.
 *  @param file beside this one
 *  @param unable cases that the server is known to fail, which stay unproven on it */
export async function runContract(
  verdict: Verdict,
  file: string,
  env: Record<string, string>,
  unable: readonly string[] = []
): Promise<void> {
  const { stdout, stderr } = await run(process.execPath, [join(import.meta.dirname, file)], {
    env,
    timeoutMs: 900_000
  }).catch((error: unknown) => {
    if (error instanceof CommandFailed) return error
    throw error
  })
  // Four spaces a level: the cases are in groups, and those below what the file calls them.
  const cases = stdout.split('\n').flatMap((line) => /^ {8}(ok|not ok) \d+ - (.*?) # time=/.exec(line) ?? [])
  let failed = 0
  for (let i = 0; i < cases.length; i += 3) {
    const [isOk, name = ''] = [cases[i + 1] === 'ok', cases[i + 2]]
    if (!isOk) failed++
    if (!isOk && unable.includes(name)) verdict.note(`unproven here: ${name}`)
    else verdict.check(isOk, name)
  }
  for (const [, name] of stdout.matchAll(/^ +ok \d+ - (.*?) # SKIP/gm)) verdict.note(`unproven here: ${name}`)
  const isWhole =
    unable.length === 0 || failed === 0
      ? /^# \{ total: \d+, pass: \d+(, skip: \d+)? \}$/m.test(stdout)
      : /^# \{ total: \d+, pass: \d+, fail: \d+(, skip: \d+)? \}$/m.test(stdout) &&
        !stdout.includes('timeout!')
  verdict.check(
    isWhole && cases.length > 0,
    `${file} ran to its end`,
    isWhole ? undefined : stdout.slice(-20_000) + stderr
  )
}
