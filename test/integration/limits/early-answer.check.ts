// Refusals that are decided before the body has come: the client, still sending, must be able to read them,
// the server must not swallow the body, and 100 Continue comes only when somebody will read it.
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from '../support/client.ts'
import { errorShapeFault } from '../support/error-shape.ts'
import { scratch, startBerth } from '../support/processes.ts'
import { createPusher, imageManifest, OCI_MANIFEST, uploadOf } from '../support/pusher.ts'
import { seeded } from '../support/random.ts'
import { createVerdict, eventually, within } from '../support/verdict.ts'
import { bytesRead, mebibytes, openHandles } from '../support/vitals.ts'
import { type Answer, openWire, type Silence } from '../support/wire.ts'

const MIB = 2 ** 20
const BODY = 100 * MIB
/** About 1 MiB is drained; the stream's buffers take in as much again, and on a busy machine one reading of the socket 2 MiB. */
const DRAINED_AT_MOST = 6 * MIB
/** And what the kernel had taken in when the connection was torn down. */
const READ_AT_MOST = 8 * MIB
/** Whether the answer or the reset is seen first can be a matter of luck: not always of good luck. */
const TIMES = 5
const NOWHERE = '018f2f4e-8d3c-4c5a-9d5a-1f2e3d4c5b6a'

const random = seeded('early answer')
const verdict = createVerdict()
const server = await startBerth({ root: scratch() })
const client = createClient(server.url)
const pusher = createPusher(client)

const blob = random.bytes(1000)
const image = { digest: await pusher.blob('early/answer', blob), size: blob.length }
const upload = uploadOf('early/answer', blob)
await pusher.open(upload)
await pusher.append(upload, 500)

interface Case {
  what: string
  line: string
  headers?: string[]
  status: number
  /** So much of a body of unstated length must be read before it can be refused. */
  readFirst?: number
}

const REFUSED: readonly Case[] = [
  {
    what: 'a PUT to a name that is none',
    line: `PUT /v2/Early/blobs/uploads/${NOWHERE}?digest=${image.digest}`,
    status: 400
  },
  {
    what: 'a POST with a digest that is none',
    line: 'POST /v2/early/answer/blobs/uploads/?digest=none',
    status: 400
  },
  {
    what: 'a PATCH of an upload that is not there',
    line: `PATCH /v2/early/answer/blobs/uploads/${NOWHERE}`,
    status: 404
  },
  {
    what: 'a PATCH out of order',
    line: `PATCH ${upload.location}`,
    headers: [`Content-Range: 600-${600 + BODY - 1}`],
    status: 416
  },
  {
    what: 'a PUT out of order',
    line: `PUT ${upload.location}?digest=${image.digest}`,
    headers: [`Content-Range: 600-${600 + BODY - 1}`],
    status: 416
  },
  {
    what: 'a manifest that says it is too large',
    line: 'PUT /v2/early/answer/manifests/large',
    headers: [`Content-Type: ${OCI_MANIFEST}`],
    status: 413,
    readFirst: 4 * MIB
  },
  { what: 'a path that is none', line: 'POST /v2/early/answer/nothing', status: 404 },
  { what: 'a method that the path does not know', line: 'PUT /v2/early/answer/tags/list', status: 405 }
]

for (const one of REFUSED) {
  await refuseWhileSending({ ...one, readFirst: 0 }, [`Content-Length: ${BODY}`], (piece) => piece)
  if (one.status === 416) continue // a Content-Range without a Content-Length is a mistake of another kind
  await refuseWhileSending(
    { ...one, what: `${one.what}, as a stream` },
    ['Transfer-Encoding: chunked'],
    asChunk
  )
}
for (const one of REFUSED) await refuseBeforeContinue(one)
await continueWhenRead()

const stored = await pusher.progress(upload)
verdict.check(stored === 500, 'the upload that was pushed to out of order is as it was', stored)
client.close()
const closed = await eventually(() => !openHandles(server.pid).some((handle) => handle.includes('/data')))
verdict.check(closed, 'no blob or upload is still held open', openHandles(server.pid))
await server.stop()

/** A client that sends 100 MiB as fast as it can, and reads what comes meanwhile. */
async function refuseWhileSending(
  one: Case,
  framing: string[],
  frame: (piece: Buffer) => Buffer
): Promise<void> {
  const { what, line, headers = [], status, readFirst = 0 } = one
  const head = [`${line} HTTP/1.1`, 'Host: 127.0.0.1', ...headers, ...framing]
  const piece = frame(Buffer.alloc(64 * 1024, 'x'))
  const answers: (Answer | Silence)[] = []
  const endings: Silence[] = []
  let drained = 0
  let read = 0
  for (let time = 0; time < TIMES; time += 1) {
    const readBefore = bytesRead(server.pid)
    const wire = await openWire(server.port)
    await wire.send(`${head.join('\r\n')}\r\n\r\n`)
    const sending = (async () => {
      for (let sent = 0; sent < BODY && (await wire.send(piece)); ) sent += piece.length
    })()
    answers.push(await wire.answer({ limitMs: 20_000 }))
    // Once, the client goes on sending for as long as it is let; else it leaves, as it should.
    if (time === 0) {
      await sleep(500)
      drained = bytesRead(server.pid) - readBefore
      endings.push(await wire.ending(20_000))
    }
    wire.close()
    await within(10_000, 'the end of sending', sending)
    read = Math.max(read, bytesRead(server.pid) - readBefore)
  }
  checkRefusal(what, answers.find((answer) => !isRefusal(answer, status)) ?? answers[0] ?? 'silent', status)
  verdict.check(!endings.includes('silent'), `${what}: the connection ends after that`)
  const bounded = drained < readFirst + DRAINED_AT_MOST && read < readFirst + READ_AT_MOST
  verdict.check(
    bounded,
    `${what}: the server drains ${mebibytes(drained)} of the body and reads ${mebibytes(read)}`
  )
}

/** Nobody will read the body: the client is told so at once, and keeps it to itself. */
async function refuseBeforeContinue({ what, line, headers = [], status }: Case): Promise<void> {
  const wire = await openWire(server.port)
  const head = [`${line} HTTP/1.1`, 'Host: 127.0.0.1', ...headers, `Content-Length: ${BODY}`]
  await wire.send(`${[...head, 'Expect: 100-continue'].join('\r\n')}\r\n\r\n`)
  checkRefusal(`${what}, expecting 100`, await wire.answer({ limitMs: 20_000 }), status)
  wire.close()
}

/** Each handler that reads a body says so before it does. */
async function continueWhenRead(): Promise<void> {
  const manifest = imageManifest(image, [image], 'continued')
  const fresh = uploadOf('early/answer', blob)
  await pusher.open(fresh)
  const requests: [string, Buffer, number][] = [
    [`PATCH ${fresh.location}`, blob.subarray(0, 400), 202],
    [`PUT ${fresh.location}?digest=${image.digest}`, blob.subarray(400), 201],
    [`POST /v2/early/answer/blobs/uploads/?digest=${image.digest}`, blob, 201],
    ['PUT /v2/early/answer/manifests/continued', manifest, 201]
  ]
  for (const [line, body, status] of requests) {
    const wire = await openWire(server.port)
    const head = [`${line} HTTP/1.1`, 'Host: 127.0.0.1', `Content-Length: ${body.length}`]
    const type = line.includes('manifests') ? OCI_MANIFEST : 'application/octet-stream'
    await wire.send(`${[...head, `Content-Type: ${type}`, 'Expect: 100-continue'].join('\r\n')}\r\n\r\n`)
    const interim = await wire.answer({ limitMs: 20_000 })
    const asked = typeof interim !== 'string' && interim.status === 100
    verdict.check(asked, `${line.split('?')[0]}: 100 Continue comes before the body`, interim)
    await wire.send(body)
    const answer = asked ? await wire.answer({ limitMs: 20_000 }) : interim
    const answered = typeof answer === 'string' ? answer : answer.status
    verdict.check(answered === status, `${line.split('?')[0]}: and ${status} after it`, answered)
    wire.close()
  }
}

function checkRefusal(what: string, answer: Answer | Silence, status: number): void {
  const got =
    typeof answer === 'string' ? answer : `${answer.status} ${answer.body} ${errorShapeFault(answer) ?? ''}`
  verdict.check(isRefusal(answer, status), `${what}: the client reads a whole ${status}`, got)
}

function isRefusal(answer: Answer | Silence, status: number): boolean {
  if (typeof answer === 'string') return false
  return answer.status === status && answer.complete && errorShapeFault(answer) === undefined
}

function asChunk(piece: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')])
}
