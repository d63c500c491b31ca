import { parseArgs } from 'node:util'
import { CONTENDERS } from './contenders.ts'
import { FULL, QUICK, type Sizes } from './sizes.ts'

export interface Options {
  sizes: Sizes
  rounds: number
  quick: boolean
  /** Names of measures; all if absent. */
  only: string[] | undefined
  /** Names of contenders; all that can run if absent. */
  peers: string[] | undefined
  /** A file of results to add to. */
  into: string | undefined
  /** Measures run in this one setup if it is not plain; each in its own ones otherwise. */
  tls: boolean
  accessLog: boolean
  /** The object store that all store in; a folder each if absent. */
  storage: string | undefined
}

const USAGE = `npm run bench -- [options]: berth beside other registries, on one disk, in turns

  --quick         little of everything in under a minute: to see that it works, not to be believed
  --only A,B      these measures; a name stands for all that begin with it (pull, tags-many)
  --peers A,B     these contenders (${CONTENDERS.map(({ name }) => name).join(', ')})
  --rounds N      how often each takes its turn (3)
  --tls           everything with TLS, instead of what is measured with it anyway
  --access-log    everything with the access log on, likewise
  --storage s3    on one object store (or gcs, azure), without redirects, in place of folders; only with s3: calls
  --big SIZE      the large blobs in flight (1GiB); 8 are pushed and one is kept for each contender
  --into FILE     adds to the results of an earlier run, or measures some of them again
  --help

Everything is stored below TMPDIR and removed at the end. Results: the terminal, and results/bench-TIME.json.`

/** Undefined when only help was asked for, which is printed. @throws Error for what is no option */
export function parseOptions(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      peers: { type: 'string' },
      rounds: { type: 'string' },
      tls: { type: 'boolean', default: false },
      'access-log': { type: 'boolean', default: false },
      storage: { type: 'string' },
      big: { type: 'string' },
      into: { type: 'string' },
      help: { type: 'boolean', default: false }
    }
  })
  if (values.help) {
    console.log(USAGE)
    return undefined
  }
  const sizes = values.quick ? QUICK : FULL
  const rounds = Number(values.rounds ?? (values.quick ? 1 : 3))
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new Error(`--rounds ${values.rounds}: a number from 1 on`)
  const peers = values.peers?.split(',')
  const unknown = peers?.find((peer) => !CONTENDERS.some(({ name }) => name === peer))
  if (unknown !== undefined) throw new Error(`--peers ${unknown}: no such contender; --help lists them`)
  return {
    sizes: values.big === undefined ? sizes : { ...sizes, flight: parseSize(values.big) },
    rounds,
    quick: values.quick,
    only: values.only?.split(','),
    peers,
    into: values.into,
    tls: values.tls,
    accessLog: values['access-log'],
    storage: values.storage
  }
}

function parseSize(text: string): number {
  const [, number, unit] = /^(\d+)(MiB|GiB)$/.exec(text) ?? []
  if (number === undefined) throw new Error(`--big ${text}: say 512MiB or 4GiB`)
  return Number(number) * (unit === 'GiB' ? 2 ** 30 : 2 ** 20)
}
