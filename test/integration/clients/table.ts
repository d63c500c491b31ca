import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { About } from './about.ts'

// Runs the checks of clients and writes what they found into docs/clients.md: node test/integration/clients/table.ts

const PAGE = new URL('../../../docs/clients.md', import.meta.url)

interface Finding {
  sentence: string
  passed: boolean
}

interface Run extends About {
  findings: Finding[]
}

const runs: Run[] = []
for (const file of globSync('*.check.ts', { cwd: import.meta.dirname }).sort())
  runs.push(await runCheck(file))

const table = (head: string[], rows: string[][]): string =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')

const status = (passed: boolean): string => (passed ? 'works' : '**fails**')
const succeeded = ({ findings }: Run): boolean => findings.every(({ passed }) => passed)

const overview = table(
  ['client', 'version', 'status', 'over plain HTTP, and more'],
  runs.map((run) => [run.client, run.version, status(succeeded(run)), run.note])
)
const tried = runs.map(
  ({ client, version, findings }) =>
    `### ${client} ${version}\n\n${table(
      ['what was tried', 'status'],
      findings.map(({ sentence, passed }) => [sentence, status(passed)])
    )}`
)
const parts: Record<string, string> = { overview, tried: tried.join('\n\n') }

writeFileSync(
  PAGE,
  readFileSync(PAGE, 'utf8').replace(
    /(<!-- (\w+): .*? -->\n)[\s\S]*?(<!-- end -->)/g,
    (_, start, name, end) => `${start}\n${parts[name]}\n\n${end}`
  )
)
if (!runs.every(succeeded)) process.exitCode = 1

async function runCheck(file: string): Promise<Run> {
  const child = spawn(process.execPath, [join(import.meta.dirname, file)], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  const closed = once(child, 'close')
  let about: About | undefined
  const findings: Finding[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    console.log(line)
    if (line.startsWith('# about: ')) about = JSON.parse(line.slice('# about: '.length))
    const [, verdict, sentence] = /^(ok|not ok) - (.*)$/.exec(line) ?? []
    if (sentence !== undefined) findings.push({ sentence, passed: verdict === 'ok' })
  }
  await closed
  const failed = findings.some(({ passed }) => !passed)
  if (about === undefined || (child.exitCode !== 0 && !failed)) {
    throw new Error(
      `${file} ended with ${child.exitCode ?? child.signalCode}: docs/clients.md stays as it was`
    )
  }
  return { ...about, findings }
}
