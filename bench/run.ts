import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { CHECKOUT } from '../test/integration/support/processes.ts'
import { testStorage } from '../test/integration/support/storage.ts'
import { alternate } from './alternate.ts'
import { isInstalled } from './commands.ts'
import { CONTENDERS, type Contender, REFERENCES } from './contenders.ts'
import { describeMachine, freeSpace } from './machine.ts'
import { type Group, type Measure, takesPart } from './measure.ts'
import { callMeasures } from './measures/calls.ts'
import { listMeasures } from './measures/lists.ts'
import { pullMeasures } from './measures/pulls.ts'
import { pushMeasures } from './measures/pushes.ts'
import { requestMeasures } from './measures/requests.ts'
import { smallImageMeasures } from './measures/small-images.ts'
import { stormMeasures } from './measures/storm.ts'
import { tokenMeasures } from './measures/tokens.ts'
import { vitalMeasures } from './measures/vitals.ts'
import { type Options, parseOptions } from './options.ts'
import { openRecord } from './record.ts'
import { table } from './report.ts'
import { type Setup, setupName } from './setup.ts'
import type { Sizes } from './sizes.ts'

/**
 * berth beside other registries on one disk: `contenders.ts` says who, `measures/` what, `sizes.ts` how much of it;
 * `alternate.ts` lets them take turns, `load/` is what our own clients do, and `report.ts` and `promises.ts` say what
 * came of it. `--help` tells the rest.
 */

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
  const versions: Record<string, string> = {}
  const contenders = await findContenders(options, versions, leaveOut)
  const reference = REFERENCES.find((name) => contenders.some((contender) => contender.name === name))
  if (reference === undefined) leaveOut('ratios and the promises that are ratios: there is no reference')

  const record = openRecord(options.into, { machine, contenders: versions, reference, leftOut })
  for (const group of groupsOf(options.sizes)) {
    const chosen = group.measures.filter((measure) => isChosen(measure, options, leaveOut))
    for (const [setup, measures] of bySetup(chosen, options)) {
      const taking = contenders.filter((each) => measures.some((measure) => takesPart(each, measure)))
      const space = group.space(taking.length) + RESERVE
      if (freeSpace() < space) {
        const names = measures.map(({ name }) => name).join(', ')
        leaveOut(`${names}: takes ${(space / 2 ** 30).toFixed(1)} GiB of free space`)
        continue
      }
      for (const result of await alternate(group, measures, setup, taking, options.rounds)) {
        record.add(result)
        console.log(table(result, reference))
      }
    }
  }
  console.log(options.into === undefined ? record.promises() : record.everything())
  for (const what of leftOut) console.log(`left out: ${what}`)
  if (options.quick) console.log('QUICK: too little of everything to be believed.')
  console.log(`${record.path}, ${((performance.now() - since) / 1000).toFixed(0)} s`)
}

function groupsOf(sizes: Sizes): Group[] {
  return [
    requestMeasures(sizes),
    tokenMeasures(sizes),
    pullMeasures(sizes),
    pushMeasures(sizes),
    smallImageMeasures(sizes),
    stormMeasures(sizes),
    listMeasures('tags', 'many', sizes),
    listMeasures('tags', 'few', sizes),
    listMeasures('catalog', 'many', sizes),
    listMeasures('catalog', 'few', sizes),
    vitalMeasures(sizes),
    callMeasures()
  ]
}

/** Those that are named, or all that can run here, with Debian's registry only where there is no newer one. */
async function findContenders(
  { peers, storage }: Options,
  versions: Record<string, string>,
  leaveOut: (what: string) => void
): Promise<Contender[]> {
  const found: Contender[] = []
  for (const contender of CONTENDERS) {
    const isSecondReference = REFERENCES.indexOf(contender.name) > 0
    const hasReference = found.some(({ name }) => REFERENCES.includes(name))
    if (peers === undefined ? isSecondReference && hasReference : !peers.includes(contender.name)) continue
    if (storage !== undefined && contender.layout !== 'distribution') continue
    try {
      versions[contender.name] = `${contender.title}: ${await contender.version()}`
      console.log(`${contender.name}: ${versions[contender.name]}`)
      found.push(contender)
    } catch (error) {
      leaveOut(`${contender.name}: ${error instanceof Error ? error.message.split('\n')[0] : error}`)
    }
  }
  return found
}

/** They look at files, or make them. */
const ON_FOLDERS = /^(pull-cold|tags-|catalog-)/

function isChosen(
  measure: Measure,
  { only, quick, storage }: Options,
  leaveOut: (what: string) => void
): boolean {
  if (storage !== undefined && ON_FOLDERS.test(measure.name)) return false
  const isNamed = only?.some((name) => measure.name === name || measure.name.startsWith(`${name}-`))
  if (!(isNamed ?? (!quick || measure.quick))) return false
  if (measure.storage !== undefined && measure.storage !== storage) {
    leaveOut(`${measure.name}: takes --storage ${measure.storage}`)
    return false
  }
  const missing = measure.tools.filter((tool) => !isInstalled(tool))
  if (missing.length > 0) leaveOut(`${measure.name}: there is no ${missing.join(', ')} on the PATH`)
  return missing.length === 0
}

function bySetup(measures: readonly Measure[], { tls, accessLog, quick }: Options): [Setup, Measure[]][] {
  const asked: Setup[] | undefined = tls || accessLog ? [{ tls, accessLog }] : undefined
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

const options = parseOptions(process.argv.slice(2))
if (options?.storage === undefined || testStorage() !== undefined) {
  if (options !== undefined) await main(options)
} else process.exitCode = await runOn(options.storage)

/** Once more, with an object store that lives as long. */
async function runOn(store: string): Promise<number> {
  const script = join(CHECKOUT, 'test/integration/with-storage.ts')
  const args = [script, store, process.execPath, ...process.argv.slice(1)]
  const env = { ...process.env, REGISTRY_STORAGE_REDIRECT_DISABLE: 'true' }
  const child = spawn(process.execPath, args, { stdio: 'inherit', env })
  await once(child, 'exit')
  return child.exitCode ?? 1
}
