import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CHECKOUT } from '../test/integration/support/processes.ts'
import { alternate, type Result } from './alternate.ts'
import { commandLines, isInstalled } from './commands.ts'
import { CONTENDERS, type Contender, REFERENCES } from './contenders.ts'
import { describeMachine, freeSpace, type Machine } from './machine.ts'
import type { Group, Measure } from './measure.ts'
import { listMeasures } from './measures/lists.ts'
import { pullMeasures } from './measures/pulls.ts'
import { pushMeasures } from './measures/pushes.ts'
import { requestMeasures } from './measures/requests.ts'
import { smallImageMeasures } from './measures/small-images.ts'
import { stormMeasures } from './measures/storm.ts'
import { vitalMeasures } from './measures/vitals.ts'
import { type Options, parseOptions } from './options.ts'
import { judge, promiseTable } from './promises.ts'
import { summarize, table } from './report.ts'
import { type Setup, setupName } from './setup.ts'
import type { Sizes } from './sizes.ts'

/** Left free on the disk, whatever else is stored. */
const RESERVE = 2 * 2 ** 30

async function main(options: Options): Promise<void> {
  const since = performance.now()
  const machine = await describeMachine()
  const tools = Object.entries(machine.tools).map(([name, version]) => `${name} ${version}`)
  console.log(Object.values({ ...machine, tools: tools.join(', ') }).join('\n'))
  const leftOut: string[] = []
  const leaveOut = (what: string): void => {
    leftOut.push(what)
    console.log(`LEFT OUT: ${what}`)
  }
  const contenders = await findContenders(options, leaveOut)
  const reference = REFERENCES.find((name) => contenders.some((contender) => contender.name === name))
  if (reference === undefined) leaveOut('ratios and the promises that are ratios: there is no reference')

  const results: Result[] = []
  const report = reporter(options, machine, reference, leftOut)
  for (const group of groupsOf(options.sizes)) {
    const chosen = group.measures.filter((measure) => isChosen(measure, options, leaveOut))
    for (const [setup, measures] of bySetup(chosen, options)) {
      const taking = contenders.filter(({ layout }) => group.files || layout !== 'files')
      const space = group.space(taking.length) + RESERVE
      if (freeSpace() < space) {
        const names = measures.map(({ name }) => name).join(', ')
        leaveOut(`${names}: takes ${(space / 2 ** 30).toFixed(1)} GiB of free space`)
        continue
      }
      for (const result of await alternate(group, measures, setup, taking, options.rounds)) {
        results.push(result)
        console.log(table(result, reference))
        report(results)
      }
    }
  }
  const berths = contenders.map(({ name }) => name).filter((name) => name.startsWith('berth'))
  console.log(promiseTable(judge(results, berths, reference), berths))
  for (const what of leftOut) console.log(`left out: ${what}`)
  if (options.quick) console.log('QUICK: too little of everything to be believed.')
  console.log(`${report(results)}, ${((performance.now() - since) / 1000).toFixed(0)} s`)
}

function groupsOf(sizes: Sizes): Group[] {
  return [
    requestMeasures(sizes),
    pullMeasures(sizes),
    pushMeasures(sizes),
    smallImageMeasures(sizes),
    stormMeasures(sizes),
    listMeasures('many', sizes),
    listMeasures('few', sizes),
    vitalMeasures(sizes)
  ]
}

/** Those that are named, or all that can run here, with Debian's registry only where there is no newer one. */
async function findContenders({ peers }: Options, leaveOut: (what: string) => void): Promise<Contender[]> {
  const found: Contender[] = []
  for (const contender of CONTENDERS) {
    const isSecondReference = REFERENCES.indexOf(contender.name) > 0
    const hasReference = found.some(({ name }) => REFERENCES.includes(name))
    if (peers === undefined ? isSecondReference && hasReference : !peers.includes(contender.name)) continue
    try {
      console.log(`${contender.name}: ${contender.title}: ${await contender.version()}`)
      found.push(contender)
    } catch (error) {
      leaveOut(`${contender.name}: ${error instanceof Error ? error.message.split('\n')[0] : error}`)
    }
  }
  return found
}

function isChosen(measure: Measure, { only, quick }: Options, leaveOut: (what: string) => void): boolean {
  const isNamed = only?.some((name) => measure.name === name || measure.name.startsWith(`${name}-`))
  if (!(isNamed ?? (!quick || measure.quick))) return false
  const missing = measure.tools.filter((tool) => !isInstalled(tool))
  if (missing.length > 0) leaveOut(`${measure.name}: there is no ${missing.join(', ')} on the PATH`)
  return missing.length === 0
}

function bySetup(measures: readonly Measure[], { tls, accessLog, quick }: Options): [Setup, Measure[]][] {
  const asked = tls || accessLog ? [{ tls, accessLog }] : undefined
  const groups = new Map<string, [Setup, Measure[]]>()
  for (const measure of measures) {
    for (const setup of asked ?? (quick ? measure.setups.slice(0, 1) : measure.setups)) {
      const entry = groups.get(setupName(setup)) ?? [setup, []]
      entry[1].push(measure)
      groups.set(setupName(setup), entry)
    }
  }
  return [...groups.values()]
}

/** What it gives writes the results so far, and gives the file's path. */
function reporter(options: Options, machine: Machine, reference: string | undefined, leftOut: string[]) {
  const folder = join(CHECKOUT, 'results')
  mkdirSync(folder, { recursive: true })
  const begun = new Date().toISOString()
  const file = join(folder, `bench-${begun.replaceAll(':', '')}.json`)
  return (results: readonly Result[]): string => {
    const measures = results.map(({ measure, setup, contenders }) => ({
      ...{ name: measure.name, setup: setupName(setup), title: measure.title, unit: measure.unit },
      better: measure.better,
      contenders: contenders.map((each) => ({ ...each, summary: summarize(each) }))
    }))
    const berths = ['berth-1', 'berth-2']
    const promises = judge(results, berths, reference)
    const commands = commandLines()
    const report = { begun, options, machine, reference, leftOut, measures, promises, commands }
    writeFileSync(file, JSON.stringify(report, undefined, 1))
    return file
  }
}

const options = parseOptions(process.argv.slice(2))
if (options !== undefined) await main(options)
