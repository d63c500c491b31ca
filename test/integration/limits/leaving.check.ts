// Clients that go away in the midst of a transfer: the server lets go of what it held for them, knows how far
// they came, and lets them go on from there. --long also waits for those who stay and do nothing, for a minute.
import { relative } from 'node:path'
import { createClient, digestOf } from '../support/client.ts'
import { scratch, startBerth } from '../support/processes.ts'
import { createPusher, imageManifest, OCI_MANIFEST, type Upload, uploadOf } from '../support/pusher.ts'
import { seeded } from '../support/random.ts'
import { auditStorage, blobFile } from '../support/storage-folder.ts'
import { createVerdict, eventually, flagOption } from '../support/verdict.ts'
import { bytesRead, openHandles } from '../support/vitals.ts'
import { openWire, type Wire } from '../support/wire.ts'

const MIB = 2 ** 20
const CONTENT = 8 * MIB
const SENT = 3 * MIB
/** The idle limit is 60 s; a socket that had something to write when it was set takes it twice. */
const IDLE_LIMIT_MS = 180_000
const HOST = 'Host: 127.0.0.1\r\n'

const random = seeded('leaving')
const verdict = createVerdict()
const root = scratch()
const server = await startBerth({ root })
const client = createClient(server.url)
const pusher = createPusher(client)

const big = random.bytes(64 * MIB)
await pusher.blob('leaving/clients', big)
const bigFile = relative(root, blobFile(root, digestOf(big)))
const quiet = await quietHandles()

/** How a client can go away: its process dies, its user gives up, or its network is shut in good order. */
const DEPARTURES: Record<string, (wire: Wire) => void> = {
  'is reset': (wire) => wire.reset(),
  closes: (wire) => wire.close(),
  'half-closes': (wire) => wire.halfClose()
}

for (const [how, leave] of Object.entries(DEPARTURES)) {
  await leaveUpload(
    `a PATCH whose client ${how}`,
    leave,
    (location) => `PATCH ${location} HTTP/1.1\r\n${HOST}Content-Length: ${CONTENT}\r\n\r\n`
  )
  await leaveUpload(
    `a chunk whose client ${how}`,
    leave,
    (location) =>
      `PATCH ${location} HTTP/1.1\r\n${HOST}Content-Range: 0-${CONTENT - 1}\r\nContent-Length: ${CONTENT}\r\n\r\n`
  )
  await leaveUpload(
    `a stream whose client ${how}`,
    leave,
    (location) =>
      `PATCH ${location} HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n${SENT.toString(16)}\r\n`
  )
  await leaveUpload(
    `a closing PUT whose client ${how}`,
    leave,
    (location, digest) =>
      `PUT ${location}?digest=${digest} HTTP/1.1\r\n${HOST}Content-Length: ${CONTENT}\r\n\r\n`
  )
  await leavePost(`a POST of the whole whose client ${how}`, leave)
  await leaveManifest(`a manifest whose client ${how}`, leave)
  await leavePull(`a pull whose client ${how}`, leave)
}

if (flagOption('long')) await Promise.all([idleUpload(), idlePull()])

const { drafts, uploads, strays, faults } = await auditStorage(root)
const left = [...drafts, ...uploads, ...strays, ...faults]
verdict.check(left.length === 0, 'nothing half-written stays on disk', left)
client.close()
await server.stop()

/** A part of an upload comes; then the client leaves, asks how far it got, and goes on. */
async function leaveUpload(
  what: string,
  leave: (wire: Wire) => void,
  head: (location: string, digest: string) => string
): Promise<void> {
  const upload = uploadOf('leaving/clients', random.bytes(CONTENT))
  try {
    await pusher.open(upload)
    const readBefore = bytesRead(server.pid)
    const wire = await openWire(server.port)
    await wire.send(head(upload.location ?? '', upload.digest))
    await wire.send(upload.content.subarray(0, SENT))
    upload.sent = SENT
    // A reset throws away what the server has not read yet.
    await eventually(() => bytesRead(server.pid) > readBefore + SENT)
    leave(wire)
    await handlesAreBack(what)
    wire.close()
    await goOn(what, upload)
  } catch (error) {
    verdict.check(false, `${what}: it can be resumed`, error)
  }
}

async function goOn(what: string, upload: Upload): Promise<void> {
  const stored = await pusher.progress(upload)
  const truthful = stored !== undefined && stored <= upload.sent
  verdict.check(truthful, `${what}: the upload is there, with ${stored} of ${upload.sent} bytes sent`)
  if (stored === undefined) return
  upload.acknowledged = stored
  await pusher.append(upload, CONTENT - 1000)
  await pusher.finish(upload)
  const { digest, size } = await client.pull(`/v2/leaving/clients/blobs/${upload.digest}`)
  verdict.check(digest === upload.digest, `${what}: it goes on from there to its end`, { digest, size })
}

async function leavePost(what: string, leave: (wire: Wire) => void): Promise<void> {
  const content = random.bytes(CONTENT)
  const path = `/v2/leaving/clients/blobs/uploads/?digest=${digestOf(content)}`
  const wire = await openWire(server.port)
  await wire.send(`POST ${path} HTTP/1.1\r\n${HOST}Content-Length: ${CONTENT}\r\n\r\n`)
  await wire.send(content.subarray(0, SENT))
  leave(wire)
  await handlesAreBack(what)
  wire.close()
  const gone = await eventually(async () => {
    const { drafts, uploads } = await auditStorage(root)
    return drafts.length + uploads.length === 0
  })
  const { drafts, uploads } = await auditStorage(root)
  verdict.check(gone, `${what}: nothing of it stays`, [...drafts, ...uploads])
  await pusher.post('leaving/clients', content)
}

async function leaveManifest(what: string, leave: (wire: Wire) => void): Promise<void> {
  const described = { digest: digestOf(big), size: big.length }
  const manifest = imageManifest(described, [described], what)
  const wire = await openWire(server.port)
  await wire.send(
    `PUT /v2/leaving/clients/manifests/cut HTTP/1.1\r\n${HOST}Content-Type: ${OCI_MANIFEST}\r\nContent-Length: ${manifest.length + 1}\r\n\r\n`
  )
  await wire.send(manifest)
  leave(wire)
  await handlesAreBack(what)
  wire.close()
  const { status } = await client.request('HEAD', '/v2/leaving/clients/manifests/cut')
  verdict.check(status === 404, `${what}: nothing was tagged`, status)
}

async function leavePull(what: string, leave: (wire: Wire) => void): Promise<void> {
  const wire = await openWire(server.port)
  wire.pause()
  await wire.send(`GET /v2/leaving/clients/blobs/${digestOf(big)} HTTP/1.1\r\n${HOST}\r\n`)
  // The socket's buffers fill up, and the server has to wait in the midst of the blob.
  const waits = await eventually(
    () => openHandles(server.pid).some((handle) => handle.endsWith('/data')),
    3000
  )
  verdict.must(waits, `${what}: the server holds the blob while it sends it`)
  leave(wire)
  // Who only says that nothing more will be asked still wants the answer.
  wire.close()
  await handlesAreBack(what)
}

/** Connected still, as far as anybody can tell, but nothing comes any more (design.md 12). */
async function idleUpload(): Promise<void> {
  const what = 'an upload that stands still'
  const upload = uploadOf('leaving/clients', random.bytes(CONTENT))
  await pusher.open(upload)
  const wire = await openWire(server.port)
  await wire.send(`PATCH ${upload.location} HTTP/1.1\r\n${HOST}Content-Length: ${CONTENT}\r\n\r\n`)
  await wire.send(upload.content.subarray(0, SENT))
  upload.sent = SENT
  verdict.check((await wire.ending(IDLE_LIMIT_MS)) !== 'silent', `${what}: its client is dropped`)
  await eventually(() => !openHandles(server.pid).some((handle) => handle.includes('/@uploads/')))
  wire.close()
  await goOn(what, upload)
}

async function idlePull(): Promise<void> {
  const wire = await openWire(server.port)
  wire.pause()
  await wire.send(`GET /v2/leaving/clients/blobs/${digestOf(big)} HTTP/1.1\r\n${HOST}\r\n`)
  const isHeld = (): boolean => openHandles(server.pid).some((handle) => handle.endsWith(bigFile))
  await eventually(isHeld, 3000)
  const dropped = await eventually(() => !isHeld(), IDLE_LIMIT_MS)
  verdict.check(dropped, 'a pull that stands still: its client is dropped')
  wire.close()
}

async function handlesAreBack(what: string): Promise<void> {
  client.close()
  let now: string[] = []
  const back = await eventually(() => {
    now = openHandles(server.pid)
    return now.length <= quiet
  })
  verdict.check(back, `${what}: the server's handles are back to ${quiet}`, now)
}

/** How many handles are open when nobody is connected. */
async function quietHandles(): Promise<number> {
  client.close()
  await eventually(() => !openHandles(server.pid).some((handle) => handle.endsWith('/data')))
  await new Promise((resolve) => setTimeout(resolve, 500))
  return openHandles(server.pid).length
}
