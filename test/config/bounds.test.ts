import t from 'tap'
import type { Config } from '../../src/config/config.ts'
import { readConfig } from '../../src/config/read.ts'
import { problemsOf } from './problems.ts'

/** A setting's variable, its default, what it can be, and what it cannot. */
interface Case {
  variable: string
  value(config: Config): unknown
  plain: unknown
  right: [string, unknown][]
  wrong: string[]
  expected: RegExp
}

const CASES: Case[] = [
  {
    variable: 'REGISTRY_HTTP_DRAINTIMEOUT',
    value: ({ http }) => http.draintimeout,
    plain: 29_000,
    right: [
      ['0s', 0],
      ['1m30s', 90_000],
      ['1h', 3_600_000]
    ],
    wrong: ['29', '-1s', '61m', 'soon'],
    expected: /^REGISTRY_HTTP_DRAINTIMEOUT: must be a duration from 0s to 1h/
  },
  {
    variable: 'REGISTRY_STORAGE_FILESYSTEM_RESERVE',
    value: ({ storage }) => storage.filesystem.reserve,
    plain: 0.05,
    right: [
      ['0%', 0],
      ['2.5%', 0.025],
      ['50%', 0.5]
    ],
    wrong: ['5', '0.05', '51%', '-1%', '100%', 'much'],
    expected: /^REGISTRY_STORAGE_FILESYSTEM_RESERVE: must be a percentage from 0% to 50%, such as 5%/
  }
]

for (const { variable, value, plain, right, wrong, expected } of CASES) {
  t.test(`${variable} has bounds`, async (t) => {
    t.equal(value((await readConfig({})).config), plain)
    for (const [text, meant] of right) {
      t.equal(value((await readConfig({ [variable]: text })).config), meant, text)
    }
    for (const text of wrong) t.match(await problemsOf({ [variable]: text }), [expected], text)
  })
}
