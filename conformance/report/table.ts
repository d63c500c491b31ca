import { type Case, LEVELS } from '../case.ts'
import type { Result, Status } from '../runner.ts'

const STATUSES: readonly Status[] = ['pass', 'fail', 'skip', 'error']

/** How many results there are of each status. */
export function totalsOf(results: readonly Result[]): Record<Status, number> {
  const totals = { pass: 0, fail: 0, skip: 0, error: 0 }
  for (const { status } of results) totals[status] += 1
  return totals
}

/** One line per case, then what was skipped, remarked on, failed, and the totals: the worst comes last. */
export function printTable(results: readonly Result[], print: (line: string) => void): void {
  for (const { id, level, title, status } of results) {
    print(`${id.padEnd(5)}  ${status.toUpperCase().padEnd(5)}  ${level.padEnd(7)}  ${title}`)
  }
  const skipped = Map.groupBy(
    results.filter(({ status }) => status === 'skip'),
    ({ message }) => message
  )
  if (skipped.size > 0) print('\nSkipped: what the registry does not do, and need not\n')
  for (const [message, alike] of skipped) print(`  ${alike.map(({ id }) => id).join(', ')}: ${message}`)
  const remarked = results.filter(({ notes }) => notes.length > 0)
  if (remarked.length > 0) print('\nRemarks: what fails nothing, but could be better')
  for (const { id, level, title, notes } of remarked) {
    print(`\n  ${id} (${level}): ${title}`)
    for (const note of notes) print(`    ${note}`)
  }
  printMessages('Errors: what could not be judged', 'error')
  printMessages('Failures', 'fail')
  const totals = totalsOf(results)
  print(`\n${results.length} cases: ${STATUSES.map((status) => `${totals[status]} ${status}`).join(', ')}`)

  function printMessages(heading: string, of: Status): void {
    const chosen = results.filter(({ status }) => status === of)
    if (chosen.length > 0) print(`\n${heading}`)
    for (const { id, level, section, title, message } of chosen) {
      print(`\n  ${id} (${level}, “${section}”): ${title}`)
      for (const line of message.split('\n')) print(`    ${line}`)
    }
  }
}

export function printList(cases: readonly Case[], print: (line: string) => void): void {
  for (const { id, level, section, title } of cases) {
    print(`${id.padEnd(5)}  ${level.padEnd(7)}  ${title} (“${section}”)`)
  }
  print(`\n${cases.length} cases`)
  for (const [level, meaning] of Object.entries(LEVELS)) print(`${level.padEnd(7)}  ${meaning}`)
}
