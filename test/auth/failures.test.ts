import t from 'tap'
import { createFailures, type Failures } from '../../src/auth/failures.ts'

/** At a second, an address does something with a credential. `limited` is what is to come out of it. */
type Act = [second: number, address: string, act: 'fails' | 'tries', credential: string, limited?: number]

const HERE = '192.0.2.1'
const OTHER = '192.0.2.77'
const THERE = '192.0.2.2'

/** Ways in which an address is written, and another of the same network. */
const SAME_NETWORK = [
  ['192.0.2.1', '::ffff:192.0.2.1'],
  ['::ffff:192.0.2.1', '::FFFF:c000:201'],
  ['192.0.2.1', '0:0:0:0:0:ffff:192.0.2.1'],
  ['2001:db8:1:2::1', '2001:db8:1:2:ffff:ffff:ffff:ffff'],
  ['2001:db8::1', '2001:0DB8:0:0:5::'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::'],
  ['::1', '::2'],
  ['1::', '1::5:6:7:8'],
  ['fe80::1%eth0', 'fe80::2'],
  ['unknown', 'unknown']
] as const

const OTHER_NETWORK = [
  ['192.0.2.1', '192.0.2.2'],
  ['::ffff:192.0.2.1', '::ffff:192.0.2.2'],
  ['2001:db8:1:2::1', '2001:db8:1:3::1'],
  ['2001:db8::1', '2001:db8:0:1::1'],
  ['::ffff:192.0.2.1', '::ffff:0:192.0.2.1'],
  ['192.0.2.1', '::c000:201'],
  ['unknown', '']
] as const

const CASES: Record<string, Act[]> = {
  'so many different credentials may fail, and no more are tried until a minute after the first': [
    [0, HERE, 'fails', 'a'],
    [10, HERE, 'fails', 'b'],
    [10, HERE, 'tries', 'c'],
    [20, HERE, 'fails', 'c'],
    [20, HERE, 'tries', 'd', 40],
    [59, HERE, 'tries', 'a', 1],
    [59.9, HERE, 'tries', 'd', 1],
    [60, HERE, 'tries', 'd']
  ],
  'a new window begins with the first failure after the last one': [
    [0, HERE, 'fails', 'a'],
    [50, HERE, 'fails', 'b'],
    [70, HERE, 'fails', 'c'],
    [80, HERE, 'fails', 'd'],
    [80, HERE, 'tries', 'e'],
    [90, HERE, 'fails', 'e'],
    [90, HERE, 'tries', 'f', 40]
  ],
  'one that is tried again and again is limited itself, wherever it comes from, and its address is not': [
    [0, HERE, 'fails', 'stale'],
    [1, HERE, 'fails', 'stale'],
    [2, THERE, 'tries', 'stale'],
    [2, THERE, 'fails', 'stale'],
    [3, HERE, 'tries', 'stale', 57],
    [3, '2001:db8::1', 'tries', 'stale', 57],
    [3, HERE, 'tries', 'other'],
    [60, HERE, 'tries', 'stale']
  ],
  'what fails while it is limited does not make it longer': [
    [0, HERE, 'fails', 'a'],
    [0, HERE, 'fails', 'b'],
    [0, HERE, 'fails', 'c'],
    [50, HERE, 'fails', 'd'],
    [60, HERE, 'tries', 'e']
  ],
  'both limits hold, and the longer one counts': [
    [0, THERE, 'fails', 'a'],
    [0, THERE, 'fails', 'a'],
    [0, THERE, 'fails', 'a'],
    [30, HERE, 'fails', 'b'],
    [30, HERE, 'fails', 'c'],
    [30, HERE, 'fails', 'd'],
    [40, HERE, 'tries', 'a', 50],
    [40, THERE, 'tries', 'a', 20]
  ],
  ...Object.fromEntries(
    SAME_NETWORK.map(([one, other]) => [
      `${one} and ${other} are counted together`,
      [
        [0, one, 'fails', 'a'],
        [0, other, 'fails', 'b'],
        [0, one, 'fails', 'c'],
        [0, one, 'tries', 'd', 60],
        [0, other, 'tries', 'd', 60]
      ] satisfies Act[]
    ])
  ),
  ...Object.fromEntries(
    OTHER_NETWORK.map(([one, other]) => [
      `${one} and ${other} are not`,
      [
        [0, one, 'fails', 'a'],
        [0, one, 'fails', 'b'],
        [0, one, 'fails', 'c'],
        [0, one, 'tries', 'd', 60],
        [0, other, 'tries', 'd']
      ] satisfies Act[]
    ])
  )
}

for (const [title, acts] of Object.entries(CASES)) {
  t.test(title, async (t) => {
    let ms = 5000
    const failures = createFailures({ max: 3, now: () => ms })
    for (const [second, address, act, credential, limited] of acts) {
      ms = 5000 + second * 1000
      if (act === 'fails') failures.failed(address, credential)
      else t.equal(failures.limited(address, credential), limited, `${credential} at ${second} s`)
    }
  })
}

function exhaust(failures: Failures, address: string): void {
  for (let count = 0; count < 3; count++) failures.failed(address, `bad ${address} ${count}`)
}

t.test('a credential that was good is never limited, and limits nobody when it has expired', async (t) => {
  const failures = createFailures({ max: 3 })
  for (let time = 0; time < 3; time++) failures.failed(THERE, 'good')
  t.ok(failures.limited(HERE, 'good'))
  failures.succeeded('good')
  exhaust(failures, HERE)
  t.equal(failures.limited(HERE, 'good'), undefined)
  t.ok(failures.limited(HERE, 'another'))
  for (let time = 0; time < 10; time++) failures.failed(OTHER, 'good')
  t.equal(failures.limited(HERE, 'good'), undefined)
  failures.failed(OTHER, 'one')
  failures.failed(OTHER, 'two')
  t.equal(failures.limited(OTHER, 'another'), undefined)
})

t.test('the window can be another', async (t) => {
  let ms = 0
  const failures = createFailures({ max: 1, windowMs: 5000, now: () => ms })
  failures.failed(HERE, 'a')
  t.equal(failures.limited(HERE, 'b'), 5)
  ms = 5000
  t.equal(failures.limited(HERE, 'b'), undefined)
})

t.test('more addresses than can be kept do not grow the memory, and the oldest are forgotten', async (t) => {
  const failures = createFailures({ max: 1 })
  for (let index = 0; index < 100_001; index++) failures.failed(`host ${index}`, `credential ${index}`)
  t.equal(failures.limited('host 0', 'credential 0'), undefined)
  t.ok(failures.limited('host 1', 'x'))
  t.ok(failures.limited('host 100000', 'x'))
  for (let index = 0; index < 10_001; index++) failures.succeeded(`good ${index}`)
  t.ok(failures.limited('host 100000', 'good 0'))
  t.equal(failures.limited('host 100000', 'good 1'), undefined)
})

t.test('an address that tries many takes as much memory as many that try one', async (t) => {
  const failures = createFailures({ max: 1000 })
  for (let index = 0; index < 101_000; index++) {
    failures.failed(`host ${Math.floor(index / 1000)}`, `credential ${index}`)
  }
  t.equal(failures.limited('host 0', 'x'), undefined)
  t.ok(failures.limited('host 1', 'x'))
  for (let index = 0; index < 101_000; index++) failures.failed('host 100', `another ${index}`)
  t.ok(failures.limited('host 1', 'x'), 'what it tries beyond its limit is not kept')
})
