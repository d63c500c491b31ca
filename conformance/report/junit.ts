import type { Result } from '../runner.ts'
import { totalsOf } from './table.ts'

/** The results as CI servers read them: one test suite, a test case for each. */
export function junit(registry: URL, results: readonly Result[]): string {
  const { fail, error, skip } = totalsOf(results)
  const counts = `tests="${results.length}" failures="${fail}" errors="${error}" skipped="${skip}"`
  const seconds = (durationMs: number): string => (durationMs / 1000).toFixed(3)
  const time = seconds(results.reduce((sum, { durationMs }) => sum + durationMs, 0))
  const cases = results.map((result) => {
    const name = `name="${xml(`${result.id}: ${result.title}`)}" classname="${xml(result.section)}"`
    const inside =
      outcome(result) + result.notes.map((note) => `<system-out>${xml(note)}</system-out>`).join('')
    return `    <testcase ${name} time="${seconds(result.durationMs)}">${inside}</testcase>\n`
  })
  return (
    `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites ${counts} time="${time}">\n` +
    `  <testsuite name="${xml(`conformance of ${registry.href}`)}" ${counts} time="${time}">\n` +
    `${cases.join('')}  </testsuite>\n</testsuites>\n`
  )
}

function outcome({ status, level, message }: Result): string {
  if (status === 'pass') return ''
  const text = xml(message)
  if (status === 'skip') return `<skipped message="${text}"/>`
  return `<${status === 'fail' ? 'failure' : 'error'} type="${level}" message="${text}">${text}</${status === 'fail' ? 'failure' : 'error'}>`
}

/** Text as XML 1.0 can hold it. */
export function xml(text: string): string {
  const named: Record<string, string> = {
    '<': '&lt;',
    '>': '&gt;',
    '&': '&amp;',
    '"': '&quot;',
    '\n': '&#10;'
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what XML cannot hold, even escaped
  const sound = text.replace(/[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g, '\ufffd').toWellFormed()
  return sound.replace(/[<>&"\n]/g, (character) => named[character] ?? character)
}
