import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CASES } from '../../../conformance/cases.ts'
import type { Result, Status } from '../../../conformance/runner.ts'
import { CHECKOUT } from '../support/processes.ts'

/** What docs/conformance.md says of each case, written from results, and read again to compare. */

const PAGE = join(CHECKOUT, 'docs', 'conformance.md')
const TABLE = /(?<=<!-- cases: .*? -->\n\n)[\s\S]*?(?=\n\n<!-- end -->)/

export interface Column {
  heading: string
  /** Of each case by its number. */
  statuses: Map<string, Status>
}

export function columnOf(heading: string, results: readonly Result[]): Column {
  return { heading, statuses: new Map(results.map(({ id, status }) => [id, status])) }
}

export function tableOf(columns: readonly Column[]): string {
  const head = ['number', 'what holds', 'level', ...columns.map(({ heading }) => heading)]
  const rows = CASES.map(({ id, title, level }) => [
    id,
    title,
    level,
    ...columns.map(({ statuses }) => shown(statuses.get(id) ?? 'skip'))
  ])
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

function shown(status: Status): string {
  return status === 'fail' || status === 'error' ? `**${status}**` : status
}

/** The rows that the page has otherwise: as they are, and as they are documented. */
export function differences(table: string): string[] {
  const [documented = ''] = TABLE.exec(readFileSync(PAGE, 'utf8')) ?? []
  const [now, before] = [table.split('\n'), documented.split('\n')]
  return [...now.filter((row) => !before.includes(row)), ...before.filter((row) => !now.includes(row))]
}

export function writeTable(table: string): void {
  writeFileSync(
    PAGE,
    readFileSync(PAGE, 'utf8').replace(TABLE, () => table)
  )
}
