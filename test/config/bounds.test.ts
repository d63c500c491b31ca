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
    variable: 'REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_AGE',
    value: ({ storage }) => storage.maintenance.uploadpurging.age,
    plain: 168 * 3_600_000,
    right: [
      ['1h', 3_600_000],
      ['8760h', 8760 * 3_600_000]
    ],
    wrong: ['59m', '0', '7d', '8761h'],
    expected: /UPLOADPURGING_AGE: must be a duration from 1h to 8760h, such as 168h/
  },
  {
    variable: 'REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_INTERVAL',
    value: ({ storage }) => storage.maintenance.uploadpurging.interval,
    plain: 24 * 3_600_000,
    right: [
      ['1m', 60_000],
      ['576h', 576 * 3_600_000]
    ],
    wrong: ['1s', '-24h', '577h'],
    expected: /UPLOADPURGING_INTERVAL: must be a duration from 1m to 576h, such as 24h/
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

t.test('of how uploads are purged each part may be said alone', async (t) => {
  const { config } = await readConfig({ REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING: '{enabled: false}' })
  t.match(config.storage.maintenance.uploadpurging, { enabled: false, age: 168 * 3_600_000, dryrun: false })
})
