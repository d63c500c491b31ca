import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { run, scratch } from '../test/integration/support/processes.ts'
import { printCommands } from './commands.ts'
import type { Contender } from './contenders.ts'
import { type Group, type Measure, type Sample, type Site, takesPart } from './measure.ts'
import { type Setup, setupName } from './setup.ts'

/** What came of one measure in one setup. */
export interface Result extends Pick<Measure, 'name' | 'title' | 'unit' | 'better'> {
  /** The setup's name. */
  setup: string
  /** In the order of the contenders. */
  contenders: ContenderResult[]
}

export interface ContenderResult {
  name: string
  samples: Sample[]
  /** Why goes were void, or why it takes no part. */
  voids: string[]
}

/** How often a void sample is tried again. */
const MORE_TRIES = 1

/**
 * Runs measures of a group in one setup: all contenders are started and filled, then take turns. Everything they
 * stored is gone afterwards.
 */
export async function alternate(
  group: Group,
  measures: readonly Measure[],
  setup: Setup,
  contenders: readonly Contender[],
  rounds: number
): Promise<Result[]> {
  const results = measures.map((measure): Result => {
    const { name, title, unit, better } = measure
    const taking = contenders.filter((contender) => takesPart(contender, measure))
    const each = taking.map(({ name }): ContenderResult => ({ name, samples: [], voids: [] }))
    return { name, title, unit, better, setup: setupName(setup), contenders: each }
  })
  const sites: Site[] = []
  const folder = scratch()
  try {
    for (const contender of contenders) {
      try {
        const root = join(folder, contender.name)
        mkdirSync(root)
        const site = { contender, setup, server: await contender.start(root, setup) }
        sites.push(site)
        await group.prepare(site)
      } catch (error) {
        for (const result of results) note(result, contender, error)
      }
    }
    for (const measure of measures) {
      const result = results.find(({ name }) => name === measure.name)
      if (result === undefined) throw new Error('unreachable')
      console.log(`  ${result.name}, ${result.setup}`)
      const begun = sites.filter(({ contender }) => contenderOf(result, contender)?.voids.length === 0)
      if (!measure.fresh) await playRound(measure, result, begun, 0)
      // Who could not even warm up takes no part.
      const able = begun.filter(({ contender }) => {
        const voids = contenderOf(result, contender)?.voids.length ?? 0
        return voids <= MORE_TRIES
      })
      for (let round = 1; round <= rounds; round++) await playRound(measure, result, able, round)
    }
  } finally {
    await Promise.all(sites.map(({ server }) => server.stop()))
    rmSync(folder, { recursive: true, force: true })
  }
  return results
}

/** Round 0 warms up and does not count. Each round begins with another contender. */
async function playRound(
  measure: Measure,
  result: Result,
  sites: readonly Site[],
  round: number
): Promise<void> {
  printCommands(round === (measure.fresh ? 1 : 0)) // later rounds repeat them
  for (const site of [...sites.slice(round % sites.length), ...sites.slice(0, round % sites.length)]) {
    for (let go = 0; go <= MORE_TRIES; go++) {
      await run('sync', []) // what another one wrote must not be written while this one is measured
      try {
        const sample = await measure.sample(site, round * (MORE_TRIES + 1) + go)
        if (round > 0) contenderOf(result, site.contender)?.samples.push(sample)
        break
      } catch (error) {
        note(result, site.contender, error)
      }
    }
  }
}

function note(result: Result, contender: Contender, error: unknown): void {
  const reason = error instanceof Error ? error.message : String(error)
  console.log(`    void: ${contender.name}: ${reason.slice(0, 500).replaceAll(/\s+/g, ' ')}`)
  contenderOf(result, contender)?.voids.push(reason)
}

/** Undefined when it takes no part in the measure. */
function contenderOf(result: Result, { name }: Contender): ContenderResult | undefined {
  return result.contenders.find((each) => each.name === name)
}
