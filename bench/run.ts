import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { CHECKOUT } from '../test/integration/support/processes.ts'
import { alternate, type Result } from './alternate.ts'
import { commandLines } from './commands.ts'
import { CONTENDERS } from './contenders.ts'
import { PLAIN, setupName } from './measure.ts'
import { pullMeasures } from './measures/pulls.ts'
import { pushMeasures } from './measures/pushes.ts'
import { requestMeasures } from './measures/requests.ts'
import { smallImageMeasures } from './measures/small-images.ts'
import { summarize, table } from './report.ts'

const REFERENCE = 'distribution'

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    peers: { type: 'string' },
    rounds: { type: 'string', default: '3' }
  }
})
const groups = [
  requestMeasures({ seconds: 3 }),
  pullMeasures({ bigSize: 2 ** 30 }),
  pushMeasures({ bigSize: 2 ** 30 }),
  smallImageMeasures({ images: 1000, atOnce: 16 })
]
const only = values.only?.split(',')
const peers = values.peers?.split(',')
const contenders = CONTENDERS.filter(({ name }) => peers === undefined || peers.includes(name))

const results: Result[] = []
for (const group of groups) {
  const measures = group.measures.filter(({ name }) => only === undefined || only.includes(name))
  if (measures.length === 0) continue
  for (const result of await alternate(group, measures, PLAIN, contenders, Number(values.rounds))) {
    results.push(result)
    console.log(table(result, REFERENCE))
  }
}

const folder = join(CHECKOUT, 'results')
mkdirSync(folder, { recursive: true })
const file = join(folder, `bench-${new Date().toISOString().replaceAll(':', '')}.json`)
const json = {
  commands: commandLines(),
  measures: results.map(({ measure, setup, contenders }) => ({
    ...{ name: measure.name, title: measure.title, unit: measure.unit, setup: setupName(setup) },
    contenders: contenders.map((each) => ({ ...each, summary: summarize(each) }))
  }))
}
writeFileSync(file, JSON.stringify(json, undefined, 1))
console.log(file)
