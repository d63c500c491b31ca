// A file system that is full, and one that has become read-only: what can be answered still is, what cannot
// is refused in so many words, and nothing half-written stays.
import { spawnSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient, type Reply } from '../support/client.ts'
import { errorShapeFault, parseErrors } from '../support/error-shape.ts'
import { run, scratch, startBerth } from '../support/processes.ts'
import {
  createPusher,
  imageManifest,
  OCI_MANIFEST,
  pieces,
  UnexpectedReply,
  uploadOf
} from '../support/pusher.ts'
import { seeded } from '../support/random.ts'
import { auditStorage, freeSpace, usedSpace } from '../support/storage-folder.ts'
import { createVerdict, eventually, skip } from '../support/verdict.ts'
import { mebibytes } from '../support/vitals.ts'

const MIB = 2 ** 20
/** A few pages: for folders and links that a refused push may leave in its repository. */
const CRUMBS = 64 * 1024
const OCTETS = { 'content-type': 'application/octet-stream' }

const verdict = createVerdict()
const mountPoint = scratch()
await mountOrSkip()
const root = join(mountPoint, 'registry')
const filler = join(mountPoint, 'filler')
const random = seeded('storage full')

// First to the last byte.
let server = await startBerth({ root, env: { REGISTRY_STORAGE_FILESYSTEM_RESERVE: '0%' } })
let client = createClient(server.url)
let pusher = createPusher(client)

const layer = random.bytes(MIB)
const image = { digest: await pusher.blob('small/image', layer), size: layer.length }
await pusher.manifest('small/image', 'latest', imageManifest(image, [image]))
const before = await usedSpace(mountPoint)
verdict.note(`${mebibytes(await freeSpace(mountPoint))} of 16 MiB are free`)

await checkTooBigABlob()
await checkNoSpaceAtAll()
await checkSpaceThatComesBack()
await checkReadOnly()

verdict.check(!(await hasEnded()), 'the server was up all the time')
client.close()
await server.stop()
await checkReserve()

/** Twice the size of the file system, in each way a client may send it. */
async function checkTooBigABlob(): Promise<void> {
  const big = random.bytes(32 * MIB)
  const upload = uploadOf('small/image', big)
  const start = async (): Promise<string> => {
    await pusher.open(upload)
    return upload.location ?? ''
  }
  const query = `?digest=${upload.digest}`
  const send = (
    method: string,
    path: string,
    headers = {},
    body: Uint8Array | AsyncIterable<Uint8Array> = big
  ) => client.request(method, path, { headers: { ...OCTETS, ...headers }, body })
  const length = { 'content-length': big.length }
  const ways: Record<string, () => Promise<Reply>> = {
    'a closing PUT with all of it': async () => send('PUT', `${await start()}${query}`, length),
    'a PATCH of stated length': async () => send('PATCH', await start(), length),
    'a PATCH as a stream': async () => send('PATCH', await start(), {}, pieces(big, 65536)),
    'a POST with all of it': () => send('POST', `/v2/small/image/blobs/uploads/${query}`, length),
    'chunk after chunk': async () => {
      const location = await start()
      for (let at = 0; ; at += 3 * MIB) {
        const headers = { 'content-range': `${at}-${at + 3 * MIB - 1}`, 'content-length': 3 * MIB }
        const reply = await send('PATCH', location, headers, big.subarray(at, at + 3 * MIB))
        if (reply.status !== 202) return reply
      }
    }
  }
  for (const [way, attempt] of Object.entries(ways)) {
    upload.location = undefined
    await checkRefusal(`a blob beyond the space, sent by ${way}`, 507, attempt)
    if (upload.location !== undefined) {
      const { status } = await client.request('DELETE', upload.location)
      verdict.check(status === 204 || status === 404, `its upload can be cancelled (${status})`)
    }
    await checkNothingStays(way)
  }
  await checkPush('a smaller push works afterwards')
}

/** Not one page is left: pulls go on, pushes are refused, and deleting is possible. */
async function checkNoSpaceAtAll(): Promise<void> {
  const open = uploadOf('small/image', random.bytes(2 * MIB))
  await pusher.open(open)
  await pusher.append(open, MIB)
  await pusher.manifest('small/image', 'unneeded', imageManifest(image, [], 'unneeded'))
  fill()
  await checkRefusal('a new blob on a full disk', 507, () =>
    client.request('POST', `/v2/small/image/blobs/uploads/?digest=${open.digest}`, { body: open.content })
  )
  await checkRefusal('a manifest on a full disk', 507, () => putManifest('full'))
  await checkPull('on a full disk')
  const tag = await client.request('DELETE', '/v2/small/image/manifests/unneeded')
  verdict.check(tag.status === 202, 'a tag can be deleted on a full disk', `${tag.status} ${tag.body}`)
  const cancelled = await client.request('DELETE', open.location ?? '')
  verdict.check(cancelled.status === 204, 'an upload can be cancelled on a full disk', cancelled.status)
  rmSync(filler)
  await checkPush('a push works once there is space')
}

/** An upload that met a full disk goes on from where it was told to be. */
async function checkSpaceThatComesBack(): Promise<void> {
  const upload = uploadOf('small/image', random.bytes(6 * MIB))
  await pusher.open(upload)
  await pusher.append(upload, 2 * MIB)
  fill(MIB)
  await checkRefusal('a chunk that no longer fits', 507, async () => {
    const headers = { ...OCTETS, 'content-range': `${2 * MIB}-${5 * MIB - 1}`, 'content-length': 3 * MIB }
    const body = upload.content.subarray(2 * MIB, 5 * MIB)
    return client.request('PATCH', upload.location ?? '', { headers, body })
  })
  rmSync(filler)
  try {
    const stored = await pusher.progress(upload)
    const right = stored !== undefined && stored >= 2 * MIB && stored <= 5 * MIB
    verdict.check(right, `the upload keeps what was acknowledged (${stored} bytes)`)
    upload.acknowledged = stored ?? 0
    await pusher.finish(upload)
    const { digest } = await client.pull(`/v2/small/image/blobs/${upload.digest}`)
    verdict.check(digest === upload.digest, 'and goes on to its end once there is space')
  } catch (error) {
    verdict.check(false, 'an upload goes on once there is space', error)
  }
}

async function checkReadOnly(): Promise<void> {
  const open = uploadOf('small/image', random.bytes(MIB))
  await pusher.open(open)
  await pusher.append(open, MIB / 2)
  await run('mount', ['-o', 'remount,ro', mountPoint])
  const writes: Record<string, () => Promise<Reply>> = {
    'a new upload': () => client.request('POST', '/v2/small/image/blobs/uploads/'),
    'a chunk': () => client.request('PATCH', open.location ?? '', { body: random.bytes(1000) }),
    'a closing PUT': () =>
      client.request('PUT', `${open.location}?digest=${open.digest}`, {
        body: open.content.subarray(MIB / 2)
      }),
    'a POST with all of it': () =>
      client.request('POST', `/v2/small/image/blobs/uploads/?digest=${open.digest}`, { body: open.content }),
    'a manifest': () => putManifest('read-only'),
    'a deletion of a tag': () => client.request('DELETE', '/v2/small/image/manifests/latest')
  }
  for (const [what, attempt] of Object.entries(writes)) {
    const reply = await checkRefusal(`${what} on a read-only file system`, 503, attempt)
    const wait = reply?.headers['retry-after']
    verdict.check(/^\d+$/.test(wait ?? ''), `${what}: says when to try again`, { 'retry-after': wait })
  }
  await checkPull('from a read-only file system')
  const isTold = (words: string): boolean => server.log().includes(words)
  verdict.check(await eventually(() => isTold('the storage takes no writes')), 'the log says so')
  const health = await client.request('GET', '/healthz')
  verdict.check(health.status === 200, 'the process is healthy all the same', health.status)
  await run('mount', ['-o', 'remount,rw', mountPoint])
  await checkPush('a push works once the file system is writable')
  try {
    open.acknowledged = (await pusher.progress(open)) ?? 0
    await pusher.finish(open)
    verdict.check(true, 'and the upload that was open goes on')
  } catch (error) {
    verdict.check(false, 'the upload that was open goes on', error)
  }
  const isOver = await eventually(() => isTold('the storage takes writes again'), 20_000)
  verdict.check(isOver, 'and the log says that it is over')
}

/** With the default, the last of the space is not for new uploads. */
async function checkReserve(): Promise<void> {
  server = await startBerth({ root })
  client = createClient(server.url)
  pusher = createPusher(client)
  const open = uploadOf('small/image', random.bytes(200_000))
  await pusher.open(open)
  fill(400_000)
  await sleep(1500) // what was seen of the space counts for a second
  await checkRefusal('a new upload when little space is left', 507, () =>
    client.request('POST', '/v2/small/image/blobs/uploads/')
  )
  await checkRefusal('a POST with all of it when little space is left', 507, () =>
    client.request('POST', `/v2/small/image/blobs/uploads/?digest=${open.digest}`, { body: open.content })
  )
  await pusher.finish(open)
  verdict.check(true, 'an upload under way comes to its end when little space is left')
  const manifest = await putManifest('reserve')
  verdict.check(manifest.status === 201, 'a manifest is taken when little space is left', manifest.body)
  await checkPull('when little space is left')
  const tag = await client.request('DELETE', '/v2/small/image/manifests/reserve')
  verdict.check(tag.status === 202, 'a tag can be deleted when little space is left', tag.body)
  rmSync(filler)
  await sleep(1500)
  await checkPush('a push works once there is space again')
  client.close()
  await server.stop()
}

async function checkRefusal(
  what: string,
  status: number,
  attempt: () => Promise<Reply>
): Promise<Reply | undefined> {
  try {
    const reply = await attempt()
    const fault = errorShapeFault(reply)
    const code = parseErrors(reply.body)?.[0]?.code
    const right = reply.status === status && code === 'UNAVAILABLE' && fault === undefined
    verdict.check(
      right,
      `${what} is refused with ${status} UNAVAILABLE`,
      `${reply.status} ${reply.body} ${fault}`
    )
    return reply
  } catch (error) {
    const reply = error instanceof UnexpectedReply ? error.reply : undefined
    verdict.check(false, `${what} is refused with ${status}`, error)
    return reply
  }
}

async function checkNothingStays(way: string): Promise<void> {
  let used = 0
  const back = await eventually(async () => {
    used = await usedSpace(mountPoint)
    return used <= before + CRUMBS
  })
  verdict.check(back, `the space is back after ${way}`, { before, used })
  const { drafts, uploads, strays } = await auditStorage(root)
  const left = [...drafts, ...uploads, ...strays]
  verdict.check(left.length === 0, `nothing half-written stays after ${way}`, left)
}

async function checkPush(sentence: string): Promise<void> {
  try {
    const content = random.bytes(100_000)
    const described = { digest: await pusher.blob('small/image', content), size: content.length }
    await pusher.manifest('small/image', 'again', imageManifest(described, []))
    const { digest } = await client.pull(`/v2/small/image/blobs/${described.digest}`)
    verdict.check(digest === described.digest, sentence)
  } catch (error) {
    verdict.check(false, sentence, error)
  }
}

async function checkPull(where: string): Promise<void> {
  const manifest = await client.request('GET', '/v2/small/image/manifests/latest')
  const blob = await client.pull(`/v2/small/image/blobs/${image.digest}`)
  verdict.check(manifest.status === 200 && blob.digest === image.digest, `an image can be pulled ${where}`)
}

function putManifest(tag: string): Promise<Reply> {
  const body = imageManifest(image, [image], `for ${tag}`)
  return client.request('PUT', `/v2/small/image/manifests/${tag}`, {
    headers: { 'content-type': OCI_MANIFEST, 'content-length': body.length },
    body
  })
}

/** Takes all the space there is, but for so much. */
function fill(spare = 0): void {
  try {
    writeFileSync(filler, Buffer.alloc(32 * MIB))
  } catch {
    // full, as wanted
  }
  if (spare > 0) spawnSync('truncate', ['-s', `-${spare}`, filler])
}

async function hasEnded(): Promise<boolean> {
  return Promise.race([server.exited.then(() => true), Promise.resolve(false)])
}

async function mountOrSkip(): Promise<void> {
  process.prependOnceListener('exit', () => spawnSync('umount', ['-l', mountPoint]))
  try {
    await run('mount', ['-t', 'tmpfs', '-o', 'size=16m,mode=700', 'tmpfs', mountPoint])
  } catch (error) {
    skip(`skipped: a tmpfs cannot be mounted here (${error instanceof Error ? error.message.trim() : error})`)
  }
}
