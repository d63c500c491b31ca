// Kills the registry at random moments while clients push, and looks at what is there after each restart: all its
// processes at once, the primary alone, or first single workers, of which no other request may notice anything.
// --rounds 200 --seed N for the long form.
import { utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createRegistry } from '../../../src/registry/registry.ts'
import { openOurs } from '../reference/owned.ts'
import { type Bucket, openBucket } from '../support/bucket.ts'
import { createClient } from '../support/client.ts'
import { createLedger } from '../support/ledger.ts'
import { freePort, type RunningServer, scratch, startBerth } from '../support/processes.ts'
import { createPusher } from '../support/pusher.ts'
import { seeded } from '../support/random.ts'
import { testStorage } from '../support/storage.ts'
import { auditStorage } from '../support/storage-folder.ts'
import { createPushing, type InFlight, isCut, type World } from '../support/traffic.ts'
import { createVerdict, eventually, numberOption, within } from '../support/verdict.ts'
import { createVerification } from '../support/verification.ts'
import { killWorker, workersOf } from '../support/workers.ts'

const CLIENTS = 8
const rounds = numberOption('rounds', 20)
const seed = numberOption('seed', 1)
const random = seeded(`kill ${seed}`)
const verdict = createVerdict()

const root = scratch()
const port = await freePort()
const url = `http://127.0.0.1:${port}`
/** Connections that a killed worker had. */
const lostPorts = new Set<number>()
const world: World = {
  connect: () => createClient(url),
  ledger: createLedger(),
  sizes: [100, 10_000, 100_000, 1_000_000, 4_000_000],
  parked: [],
  contents: [],
  isSettled: false,
  deletes: true,
  killed: false,
  expects: (error) => isCut(error, lostPorts),
  figures: {}
}
const pushing = Array.from({ length: CLIENTS }, (_, id) => createPushing(world, id, random.branch(id)))
const client = createClient(url)
const pusher = createPusher(client)
const verification = createVerification(client, world.ledger, verdict)
const sound = new Set<string>()
const bucket = testStorage() === undefined ? undefined : await openBucket(root)

verdict.note(`seed ${seed}, ${rounds} rounds, ${CLIENTS} clients`)
for (let round = 1; round <= rounds && verdict.failures() === 0; round += 1) {
  const server = await startBerth({ root, port })
  const inFlight = await killAmidTraffic(server, Math.round(random.next() ** 2 * 2000))

  const restarted = await startBerth({ root, port })
  await checkFolder(round)
  await checkParked()
  await verification.since(random, 100)
  await Promise.all(inFlight.map(retry))
  await resumeSome()
  await restarted.stop()
}
if (bucket === undefined) await checkPurged()
else await checkPurgedBucket(bucket)
bucket?.close()

for (const one of [...pushing, client]) one.close()
for (const [figure, value] of Object.entries(world.figures)) verdict.note(`${value} ${figure}`)
verdict.note(`${world.ledger.blobs.length} blobs and ${world.ledger.manifests.length} manifests acknowledged`)
verdict.note(`${world.ledger.tags.size} tags acknowledged, ${world.parked.length} uploads still open`)
verdict.check(verdict.failures() === 0, 'nothing acknowledged is lost, nothing unverified is visible')

/** All clients push at once, and in the midst of it processes are killed, in the end all of them. */
async function killAmidTraffic(server: RunningServer, afterMs: number): Promise<InFlight[]> {
  world.killed = false
  lostPorts.clear()
  const clients = pushing.map(async (one) => {
    try {
      return await one.pushUntilKilled()
    } catch (error) {
      verdict.must(false, 'a push succeeds while the registry is up', error)
      return undefined
    }
  })
  await sleep(afterMs)
  const workers = workersOf(server)
  const way = workers.length === 0 ? 'group' : random.pick(['group', 'primary', 'worker'])
  if (way === 'worker') {
    for (let kills = random.between(1, 3); kills > 0; kills -= 1) {
      const isReplaced = await killWorker(server, random.pick(workersOf(server)), lostPorts)
      verdict.must(isReplaced, 'a worker that was killed is replaced')
      count('kills of single workers')
      await sleep(Math.round(random.next() * 1000))
    }
  }
  world.killed = true
  if (way === 'primary') process.kill(server.pid, 'SIGKILL')
  else server.kill('SIGKILL')
  await server.exited
  count(`kills of ${way === 'primary' ? 'the primary' : 'all processes'}`)
  const gone = await eventually(() => workers.every(isGone), 10_000, 5)
  verdict.must(gone, 'no worker outlives its primary')
  const inFlight = await within(30_000, 'clients of a killed server', Promise.all(clients))
  world.ledger.cut()
  return inFlight.filter((one) => one !== undefined)
}

function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return false
  } catch {
    return true
  }
}

/** After a purge to which all that is unfinished seems old, nothing but what was pushed is left, and that is whole. */
async function checkPurged(): Promise<void> {
  const before = await auditStorage(root, sound)
  for (const file of [...before.drafts, ...before.unfinished]) {
    const old = new Date(Date.now() - 2 * 3_600_000)
    await utimes(join(root, file), old, old)
  }
  const env = {
    REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_AGE: '1h',
    REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_INTERVAL: '1m'
  }
  const server = await startBerth({ root, port, env })
  let left: string[] = []
  const isGone = await eventually(
    async () => {
      const { drafts, unfinished } = await auditStorage(root, sound)
      left = [...drafts, ...unfinished]
      return left.length === 0
    },
    60_000,
    500
  )
  verdict.note(`${before.drafts.length} drafts and ${before.uploads.length} uploads were there to be purged`)
  verdict.check(isGone, 'a purge removes all that kills have left', left)
  await verification.everything()
  await checkFolder(rounds)
  await server.stop()
}

/** The same in an object store, where nothing can be made to seem old: the purge is told of a later time. */
async function checkPurgedBucket({ unfinished }: Bucket): Promise<void> {
  const before = await unfinished()
  const { uploads } = createRegistry(await openOurs(root))
  await uploads.purge(new Date(Date.now() + 3_600_000))
  const left = await unfinished()
  verdict.note(`${before.length} objects of what was unfinished were there to be purged`)
  verdict.check(left.length === 0, 'a purge removes all that kills have left', left)
  const server = await startBerth({ root, port })
  await verification.everything()
  await checkFolder(rounds)
  await server.stop()
}

/** Drafts and open uploads may be left over; a blob that is not what its name says, or a dead link, may not. */
async function checkFolder(round: number): Promise<void> {
  const folder = bucket === undefined ? root : await bucket.copy()
  const { faults, strays, drafts, blobs, links } = await auditStorage(folder, sound)
  verdict.must(faults.length === 0, `every blob and link that is stored is whole after kill ${round}`, faults)
  verdict.must(strays.length === 0, `every file is where the layout has it after kill ${round}`, strays)
  Object.assign(world.figures, {
    'blobs stored': blobs,
    'links stored': links,
    ...(bucket === undefined && { 'drafts on disk': drafts.length })
  })
}

async function checkParked(): Promise<void> {
  for (const upload of world.parked) {
    const stored = await pusher.progress(upload)
    const { acknowledged, location } = upload
    verdict.must(stored === acknowledged, 'an upload left open keeps its bytes', {
      location,
      acknowledged,
      stored
    })
  }
}

async function retry(one: InFlight): Promise<void> {
  try {
    await within(60_000, one.title, one.retry())
    count('retries')
  } catch (error) {
    verdict.must(false, `a retry after the restart succeeds: ${one.title}`, error)
  }
}

/** About half of the uploads left open are finished; the others stay for a later round. */
async function resumeSome(): Promise<void> {
  const [first] = pushing
  const chosen = world.parked.filter(() => random.chance(0.5))
  world.parked = world.parked.filter((upload) => !chosen.includes(upload))
  for (const upload of chosen) {
    const title = `upload ${upload.location}`
    if (first !== undefined) await retry({ title, retry: () => first.resume(upload) })
  }
}

function count(figure: string): void {
  world.figures[figure] = (world.figures[figure] ?? 0) + 1
}
