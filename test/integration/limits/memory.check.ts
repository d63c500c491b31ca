// One big blob in and out again, as a stream and in chunks: the server's memory must not notice its size.
// --bytes N for another size than 4 GiB.
import { createHash } from 'node:crypto'
import { rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { BLOCK, blocks } from '../support/blocks.ts'
import { createClient } from '../support/client.ts'
import { scratch, startBerth } from '../support/processes.ts'
import { freeSpace } from '../support/storage-folder.ts'
import { createVerdict, numberOption, skip } from '../support/verdict.ts'
import { type Memory, mebibytes, memoryOf } from '../support/vitals.ts'

const GIB = 2 ** 30
const CHUNK = 256 * BLOCK
const GROWTH = 100 * BLOCK

const size = numberOption('bytes', 4 * GIB)
const verdict = createVerdict()
const spare = await freeSpace(scratch())
if (spare < size + GIB) {
  skip(`skipped: a blob of ${mebibytes(size)} and some air do not fit into ${mebibytes(spare)} of free space`)
}

for (const way of ['stream', 'chunks'] as const) await judge(way)

async function judge(way: 'stream' | 'chunks'): Promise<void> {
  const root = scratch()
  const server = await startBerth({ root })
  const client = createClient(server.url)
  await sleep(1000)
  const baseline = memoryOf(server.pid)
  const peak = { ...baseline }
  const sampler = setInterval(() => raise(peak, memoryOf(server.pid)), 100)
  try {
    const hash = createHash('sha256')
    const pushed = performance.now()
    const opened = await client.request('POST', '/v2/big/blob/blobs/uploads/')
    const location = String(opened.headers.location)
    const step = way === 'stream' ? size : CHUNK
    for (let start = 0; start < size; start += step) {
      const end = Math.min(start + step, size)
      const range = { 'content-range': `${start}-${end - 1}`, 'content-length': end - start }
      const reply = await client.request('PATCH', location, {
        headers: { 'content-type': 'application/octet-stream', ...(way === 'chunks' && range) },
        body: blocks(start, end, hash)
      })
      verdict.must(reply.status === 202, `PATCH from ${start}`, `${reply.status} ${reply.body}`)
    }
    const digest = `sha256:${hash.digest('hex')}`
    const closed = await client.request('PUT', `${location}?digest=${digest}`)
    verdict.check(
      closed.status === 201,
      `${mebibytes(size)} pushed as ${way}`,
      `${closed.status} ${closed.body}`
    )
    const pulling = performance.now()
    const pulled = await client.pull(`/v2/big/blob/blobs/${digest}`)
    const done = performance.now()
    verdict.check(pulled.size === size && pulled.digest === digest, 'and pulled with the right bytes', pulled)
    verdict.note(`push ${rate(pulling - pushed)}, pull ${rate(done - pulling)}`)
  } catch (error) {
    verdict.check(false, `${mebibytes(size)} pushed as ${way} and pulled`, error)
  }
  clearInterval(sampler)
  for (const kind of ['anonymous', 'proportional'] as const) {
    verdict.check(
      peak[kind] - baseline[kind] < GROWTH,
      `${kind} memory grew from ${mebibytes(baseline[kind])} to ${mebibytes(peak[kind])}, by less than 100 MiB`
    )
  }
  client.close()
  await server.stop()
  rmSync(root, { recursive: true })
}

function raise(peak: Memory, now: Memory): void {
  peak.anonymous = Math.max(peak.anonymous, now.anonymous)
  peak.proportional = Math.max(peak.proportional, now.proportional)
}

function rate(ms: number): string {
  return `${mebibytes(size / (ms / 1000))}/s`
}
