import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Result } from '../runner.ts'
import { totalsOf } from './table.ts'

/** A run of the suite, as its files tell it. */
export interface Run {
  /** What was judged: its address, or another name that is the same from run to run. */
  registry: string
  seed: string
  started: Date
  durationMs: number
  results: readonly Result[]
}

const PACKAGE = join(import.meta.dirname, '..', '..', 'package.json')

export function json({ registry, seed, started, durationMs, results }: Run): string {
  const { version } = JSON.parse(readFileSync(PACKAGE, 'utf8'))
  const about = { registry, suite: `berth ${version}`, started, durationMs, seed, totals: totalsOf(results) }
  return `${JSON.stringify({ ...about, cases: results }, null, 2)}\n`
}

/** The results as CI servers read them: one test suite, a test case for each. */
export function junit({ registry, seed, started, durationMs, results }: Run): string {
  const { fail, error, skip } = totalsOf(results)
  const counts = `tests="${results.length}" failures="${fail}" errors="${error}" skipped="${skip}"`
  const seconds = (ms: number): string => (ms / 1000).toFixed(3)
  const totals = `${counts} time="${seconds(durationMs)}"`
  const cases = results.map((result) => {
    const name = `name="${xml(`${result.id}: ${result.title}`)}" classname="${xml(result.section)}"`
    const notes = result.notes.map((note) => `<system-out>${xml(note)}</system-out>`).join('')
    const inside = properties({ level: result.level }) + outcome(result) + notes
    return `    <testcase ${name} time="${seconds(result.durationMs)}">${inside}</testcase>\n`
  })
  const suite = `name="${xml(`conformance of ${registry}`)}" timestamp="${started.toISOString()}"`
  return (
    `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites ${totals}>\n` +
    `  <testsuite ${suite} ${totals}>\n    ${properties({ seed })}\n` +
    `${cases.join('')}  </testsuite>\n</testsuites>\n`
  )
}

function properties(values: Record<string, string>): string {
  const each = Object.entries(values).map(
    ([name, value]) => `<property name="${name}" value="${xml(value)}"/>`
  )
  return `<properties>${each.join('')}</properties>`
}

function outcome({ status, level, message }: Result): string {
  if (status === 'pass') return ''
  const text = xml(message)
  if (status === 'skip') return `<skipped message="${text}"/>`
  const tag = status === 'fail' ? 'failure' : 'error'
  return `<${tag} type="${level}" message="${text}">${text}</${tag}>`
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
