import { readFileSync, writeFileSync } from 'node:fs'
import { ABSENT } from '../src/config/drivers.ts'
import { variableOf } from '../src/config/environment.ts'
import { OTHERS } from '../src/config/others.ts'
import { SETTINGS, type Setting } from '../src/config/schema.ts'

// Writes the tables of docs/configuration.md from the settings as the program has them; with --check it only says
// whether they are as they should be.

const PAGE = new URL('configuration.md', import.meta.url)

const code = (text: string): string => `\`${text}\``
const list = (names: string[]): string => names.map(code).join(', ')
const table = (head: string[], rows: string[][]): string =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')

function defaults({ plain, file, shown }: Setting): string[] {
  const without = shown ?? (plain === undefined || plain === '' ? '' : code(plain))
  const withFile = file === undefined ? without : file === null ? 'must be set' : code(file)
  return [without, withFile]
}

const settings = (of: string): string[][] =>
  Object.entries<Setting>(SETTINGS)
    .filter(([path]) => path.split('.')[0] === of || (of === 'version' && path === 'version'))
    .map(([path, setting]) => [
      path === 'version' ? code(path) : `${code(path)}<br>${code(variableOf(path))}`,
      ...defaults(setting),
      `${setting.about}${setting.secret ? '. A secret: it is never printed' : ''}${setting.live ? '. May change while berth runs' : ''}`
    ])

const SECTIONS = [
  'version',
  'log',
  'http',
  'storage',
  'middleware',
  'health',
  'catalog',
  'tags',
  'auth',
  'openshift'
]

const others = (of: 'refused' | 'ignored'): string[][] =>
  Object.entries(OTHERS)
    .filter(([, other]) => other[of] !== undefined)
    .map(([path, { fine = [], ...other }]) => [code(path), list([...fine]), other[of] ?? ''])

const drivers = (['storage', 'auth'] as const).flatMap((choice) =>
  Object.entries(ABSENT[choice]).map(([name, { why }]) => [code(`${choice}.${name}`), '', why])
)

const TABLES: Record<string, string> = {
  settings: table(
    ['setting, variable', 'without a file', 'with a file', 'meaning'],
    SECTIONS.flatMap(settings)
  ),
  refused: table(['setting', 'accepted', 'why'], [...drivers, ...others('refused')]),
  ignored: table(['setting', 'no warning for', 'why'], others('ignored'))
}

const before = readFileSync(PAGE, 'utf8')
const after = before.replace(
  /(<!-- (\w+): .*? -->\n)[\s\S]*?(<!-- end -->)/g,
  (_, start, name, end) => `${start}\n${TABLES[name]}\n\n${end}`
)
if (process.argv.includes('--check')) {
  if (before !== after) {
    console.error(
      'docs/configuration.md is not as the settings are: node docs/generate.ts writes its tables anew'
    )
    process.exitCode = 1
  }
} else writeFileSync(PAGE, after)
