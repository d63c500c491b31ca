// Large blobs pushed side by side to two processes on S3: what is on its way to the store is bounded for the whole pod.
// --bytes N of each blob, 1073741824 for the long form.
import { createHash } from 'node:crypto'
import { BLOCK, blocks } from '../support/blocks.ts'
import { createClient } from '../support/client.ts'
import { scratch, startBerth } from '../support/processes.ts'
import { toEnvironment } from '../support/storage.ts'
import { STORES } from '../support/stores.ts'
import { createVerdict, numberOption } from '../support/verdict.ts'
import { mebibytes, memoryOf } from '../support/vitals.ts'

const PUSHERS = 16
/** Of the processes themselves, and of bodies as the configuration's default has it. */
const MOST = (256 + 64) * BLOCK

const size = numberOption('bytes', 128 * BLOCK)
const verdict = createVerdict()
const store = await STORES.s3?.()
if (store === undefined) throw new Error('there is no S3')
Object.assign(process.env, toEnvironment(store.storage))
const server = await startBerth({ root: scratch(), env: { REGISTRY_HTTP_PROCESSES: '2' } })
let peak = 0
const sampler = setInterval(() => {
  peak = Math.max(peak, memoryOf(server.pid).proportional)
}, 100)
const since = performance.now()
try {
  await Promise.all(Array.from({ length: PUSHERS }, (_, pusher) => push(pusher * size)))
  const seconds = (performance.now() - since) / 1000
  verdict.check(true, `${PUSHERS} blobs of ${mebibytes(size)} are pushed at once`)
  verdict.note(`${mebibytes((PUSHERS * size) / seconds)}/s`)
} catch (error) {
  verdict.check(false, `${PUSHERS} blobs of ${mebibytes(size)} are pushed at once`, error)
}
clearInterval(sampler)
verdict.check(peak < MOST, `memory reaches ${mebibytes(peak)}, less than ${mebibytes(MOST)}`)
await server.stop()
await store.stop()

async function push(start: number): Promise<void> {
  const client = createClient(server.url)
  const hash = createHash('sha256')
  const opened = await client.request('POST', '/v2/big/blob/blobs/uploads/')
  const location = String(opened.headers.location)
  const sent = await client.request('PATCH', location, {
    headers: { 'content-type': 'application/octet-stream' },
    body: blocks(start, start + size, hash)
  })
  if (sent.status !== 202) throw new Error(`PATCH: ${sent.status} ${sent.body}`)
  const closed = await client.request('PUT', `${location}?digest=sha256:${hash.digest('hex')}`)
  client.close()
  if (closed.status !== 201) throw new Error(`PUT: ${closed.status} ${closed.body}`)
}
