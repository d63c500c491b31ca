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
  const skipped = alikeOf('skip')
  if (skipped.length > 0) print('\nSkipped: what the registry does not do, and need not\n')
  for (const [message, ids] of skipped) print(`  ${ids}: ${message}`)
  const remarked = results.filter(({ notes }) => notes.length > 0)
  if (remarked.length > 0) print('\nRemarks: what fails nothing, but could be better')
  for (const { id, level, title, notes } of remarked) {
    print(`\n  ${id} (${level}): ${title}`)
    for (const note of notes) print(`    ${note}`)
  }
  const errors = alikeOf('error')
  if (errors.length > 0) print('\nErrors: what could not be judged\n')
  for (const [message, ids] of errors) print(`  ${ids}: ${message.replaceAll('\n', '\n    ')}`)
  const failed = results.filter(({ status }) => status === 'fail')
  if (failed.length > 0) print('\nFailures')
  for (const { id, level, section, title, message } of failed) {
    print(`\n  ${id} (${level}, “${section}”): ${title}`)
    for (const line of message.split('\n')) print(`    ${line}`)
  }
  const left = results.flatMap((result) => result.left)
  if (left.length > 0) print(`\nLeft behind, since the registry does not delete it: ${inKinds(left)}`)
  const totals = totalsOf(results)
  print(`\n${results.length} cases: ${STATUSES.map((status) => `${totals[status]} ${status}`).join(', ')}`)

  /** The messages of this status, each with the numbers of all cases that say it. */
  function alikeOf(of: Status): [message: string, ids: string][] {
    const chosen = results.filter(({ status }) => status === of)
    const alike = Map.groupBy(chosen, ({ message }) => message)
    return [...alike].map(([message, those]) => [message, those.map(({ id }) => id).join(', ')])
  }
}

/** How many uploads, manifests and blobs the paths lead to. */
function inKinds(paths: readonly string[]): string {
  const kinds = Map.groupBy(
    paths,
    (path) =>
      /\/blobs\/uploads\/|\/(?:blobs|manifests)\/(?=[^/]*$)/.exec(path)?.[0].split('/').at(-2) ?? 'more'
  )
  return [...kinds].map(([kind, those]) => `${kind} (${those.length})`).join(', ')
}

export function printList(cases: readonly Case[], print: (line: string) => void): void {
  for (const { id, level, section, title } of cases) {
    print(`${id.padEnd(5)}  ${level.padEnd(7)}  ${title} (“${section}”)`)
  }
  print(`\n${cases.length} cases`)
  for (const [level, meaning] of Object.entries(LEVELS)) print(`${level.padEnd(7)}  ${meaning}`)
}
