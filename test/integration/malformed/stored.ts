import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { openBucket } from '../support/bucket.ts'
import { scratch } from '../support/processes.ts'
import { auditStorage } from '../support/storage-folder.ts'
import type { Verdict } from '../support/verdict.ts'

/** Where a registry is to store, and a look at what it has done there. */
interface Root {
  root: string
  /** @param names of all repositories that there may be, with one slash each */
  checkStored(verdict: Verdict, names: readonly string[]): Promise<void>
}

export function rootInFolder(): Root {
  const outside = scratch()
  const root = join(outside, 'registry')
  const canary = join(outside, 'canary')
  writeFileSync(canary, 'alive')
  return {
    root,
    async checkStored(verdict, names) {
      const there = readdirSync(outside).sort()
      verdict.check(there.join() === 'canary,registry', 'nothing was written outside the root', there)
      verdict.check(readFileSync(canary, 'utf8') === 'alive', 'the canary is alive')
      await judge(root, [], verdict, names)
    }
  }
}

/** A root beside all that is in the object store of `with-storage.ts`. */
export async function rootInBucket(): Promise<Root> {
  const root = scratch()
  const bucket = await openBucket(root)
  const whole = await openBucket('')
  const outside = async (): Promise<string[]> =>
    (await whole.keys()).filter((key) => !key.startsWith(`${basename(root)}/`))
  const before = new Set(await outside())
  return {
    root,
    async checkStored(verdict, names) {
      const more = (await outside()).filter((key) => !before.delete(key))
      verdict.check(more.length === 0, 'nothing was written outside the root', more)
      verdict.check(before.size === 0, 'nothing was removed outside the root', [...before])
      const drafts = (await bucket.unfinished()).filter((key) => key.startsWith('@drafts/'))
      await judge(await bucket.copy(), drafts, verdict, names)
      bucket.close()
      whole.close()
    }
  }
}

/** Uploads may be left over: many requests open one and leave it. */
async function judge(
  folder: string,
  moreDrafts: readonly string[],
  verdict: Verdict,
  names: readonly string[]
): Promise<void> {
  const { strays, faults, ...audit } = await auditStorage(folder)
  const drafts = [...audit.drafts, ...moreDrafts]
  const repositories = join(folder, 'docker/registry/v2/repositories')
  const made = readdirSync(repositories).flatMap((top) =>
    readdirSync(join(repositories, top)).map((below) => `${top}/${below}`)
  )
  verdict.check(strays.length === 0, 'no file is where the layout has none', strays)
  verdict.check(drafts.length === 0, 'nothing half-written stays', drafts)
  verdict.check(faults.length === 0, 'every blob and link that is stored is whole', faults)
  verdict.check(
    made.every((name) => names.includes(name)),
    'no other repository was made',
    made
  )
}
