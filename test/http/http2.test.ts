import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import {
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders
} from 'node:http2'
import { request } from 'node:https'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { connect as tlsConnect } from 'node:tls'
import t, { type Test } from 'tap'
import { memoryStorage } from '../../storage/memory.ts'
import { fileLogger } from '../operations/logs/support.ts'
import { berth, digestOf, image, listen, pushBlob, startUpload } from './support.ts'

const MIB = 1024 * 1024
const FILES = join(import.meta.dirname, '../processes/tls')
const cert = readFileSync(join(FILES, 'localhost.crt'))
const key = readFileSync(join(FILES, 'localhost.key'))

interface Reply {
  status: number | undefined
  headers: IncomingHttpHeaders
  body: Buffer
}

async function replyOf(stream: ClientHttp2Stream): Promise<Reply> {
  const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders & { ':status': number }]
  const body = Buffer.concat(await stream.toArray())
  return { status: headers[':status'], headers, body }
}

async function listening(t: Test, parts: Parameters<typeof berth>[1] = {}) {
  const world = await berth(t, { ...parts, tls: { cert, key, http2: true } })
  const faults: string[] = []
  world.app.addHook('onError', async (_request, _reply, error) => {
    faults.push(error.name)
  })
  const port = await listen(world)
  const session = connect(`https://localhost:${port}`, {
    ca: cert,
    servername: '127.0.0.1',
    checkServerIdentity: () => undefined
  })
  session.on('error', () => {})
  t.teardown(() => session.destroy())
  await once(session, 'connect')
  const open = (headers: OutgoingHttpHeaders, end = true): ClientHttp2Stream =>
    session.request(headers, { endStream: end })
  return {
    ...world,
    port,
    /** The names of what was thrown. */
    faults,
    session,
    open,
    async send(
      method: string,
      path: string,
      body?: Buffer,
      headers: OutgoingHttpHeaders = {}
    ): Promise<Reply> {
      const stream = open({ ':method': method, ':path': path, ...headers }, body === undefined)
      stream.on('error', () => {})
      if (body !== undefined) stream.end(body)
      return replyOf(stream)
    }
  }
}

const codeOf = ({ body }: Reply): string => JSON.parse(body.toString()).errors[0].code

t.test('blobs and manifests travel over HTTP/2 as over HTTP/1.1, many at a time', async (t) => {
  const world = await listening(t)
  const { send, port } = world
  const bytes = Buffer.alloc(5 * MIB, 'berth')
  const digest = digestOf(bytes)
  const started = await send('POST', '/v2/a/blobs/uploads/')
  t.equal(started.status, 202)
  // Without a length, as Go's clients stream a layer.
  const patched = await send('PATCH', `${started.headers.location}`, bytes)
  t.match(patched, { status: 202, headers: { range: `0-${bytes.length - 1}` } })
  t.equal((await send('PUT', `${started.headers.location}?digest=${digest}`)).status, 201)
  const pulled = await Promise.all(Array.from({ length: 20 }, () => send('GET', `/v2/a/blobs/${digest}`)))
  for (const { status, headers, body } of pulled) {
    t.equal(status, 200)
    t.equal(headers['content-length'], `${bytes.length}`)
    t.equal(digestOf(body), digest)
  }
  const part = await send('GET', `/v2/a/blobs/${digest}`, undefined, { range: 'bytes=1-3' })
  t.match(part, { status: 206, headers: { 'content-range': `bytes 1-3/${bytes.length}` } })
  const head = await send('HEAD', `/v2/a/blobs/${digest}`)
  t.match(head, { status: 200, headers: { 'content-length': `${bytes.length}` } })
  t.equal(head.body.length, 0)
  const same = await send('GET', `/v2/a/blobs/${digest}`, undefined, { 'if-none-match': `"${digest}"` })
  t.equal(same.status, 304)

  const manifest = Buffer.from(JSON.stringify(await image(world, 'a')))
  const type = 'application/vnd.oci.image.manifest.v1+json'
  t.equal((await send('PUT', '/v2/a/manifests/v1', manifest, { 'content-type': type })).status, 201)
  const got = await send('GET', '/v2/a/manifests/v1')
  t.match(got, { status: 200, headers: { 'content-type': type } })
  t.ok(got.body.equals(manifest))

  const { promise, resolve } = Promise.withResolvers<string>()
  const http1 = request({ host: '127.0.0.1', port, ca: cert, path: '/v2/', agent: false }, (answer) => {
    answer.resume()
    resolve(`${answer.httpVersion} ${answer.statusCode}`)
  })
  http1.end()
  t.equal(await promise, '1.1 200', 'who does not ask for it gets HTTP/1.1')
})

/** Frames as they go over the line: Node's client ends a stream before it resets it. RFC 9113 section 4.1. */
async function rawHttp2(t: Test, port: number) {
  const socket = tlsConnect({ host: '127.0.0.1', port, ca: cert, ALPNProtocols: ['h2'] })
  socket.on('error', () => {})
  t.teardown(() => socket.destroy())
  await once(socket, 'secureConnect')
  socket.resume()
  const frame = (type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): void => {
    const head = Buffer.alloc(9)
    head.writeUIntBE(payload.length, 0, 3)
    head.writeUInt8(type, 3)
    head.writeUInt8(flags, 4)
    head.writeUInt32BE(stream, 5)
    socket.write(Buffer.concat([head, payload]))
  }
  socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
  frame(4, 0, 0) // SETTINGS
  /** Literals without Huffman's code. RFC 7541 section 6.2.2. */
  const field = (text: string): Buffer<ArrayBuffer> => {
    const { length } = text
    const size =
      length < 127 ? [length] : [127, ((length - 127) % 128) | 128, Math.floor((length - 127) / 128)]
    return Buffer.concat([Buffer.from(size), Buffer.from(text)])
  }
  return {
    socket,
    begin(stream: number, fields: Record<string, string>): void {
      const all = { ':scheme': 'https', ':authority': 'localhost', ...fields }
      const block = Object.entries(all).map(([name, value]) =>
        Buffer.concat([Buffer.from([0]), field(name), field(value)])
      )
      frame(1, 4, stream, Buffer.concat(block)) // HEADERS, all of them
    },
    data: (stream: number, bytes: Buffer, isLast = false) => frame(0, Number(isLast), stream, bytes),
    reset: (stream: number) => frame(3, 0, stream, Buffer.from([0, 0, 0, constants.NGHTTP2_CANCEL]))
  }
}

t.test('an upload that is cut off is not taken for the whole', async (t) => {
  const { port, send, faults } = await listening(t)
  const cuts: Record<string, (raw: Awaited<ReturnType<typeof rawHttp2>>) => void> = {
    'by its client': (raw) => raw.reset(1),
    'with its connection': ({ socket }) => socket.destroy()
  }
  for (const [how, cut] of Object.entries(cuts)) {
    const bytes = Buffer.from(`all of it, cut off ${how}`)
    const blob = await rawHttp2(t, port)
    blob.begin(1, { ':method': 'POST', ':path': `/v2/a/blobs/uploads/?digest=${digestOf(bytes)}` })
    blob.data(1, bytes)
    await pause(200)
    cut(blob)
    await pause(200)
    t.equal((await send('HEAD', `/v2/a/blobs/${digestOf(bytes)}`)).status, 404, how)

    const { location } = (await send('POST', '/v2/a/blobs/uploads/')).headers
    const chunk = await rawHttp2(t, port)
    chunk.begin(1, { ':method': 'PATCH', ':path': `${location}` })
    chunk.data(1, bytes)
    await pause(200)
    cut(chunk)
    await pause(200)
    const { status, headers } = await send('GET', `${location}`)
    t.equal(`${status} ${headers.range}`, `204 0-${bytes.length - 1}`, `${how}: what has come is kept`)
    const closing = await rawHttp2(t, port)
    closing.begin(1, { ':method': 'PUT', ':path': `${location}?digest=${digestOf(bytes)}` })
    await pause(100)
    cut(closing)
    await pause(200)
    t.equal((await send('HEAD', `/v2/a/blobs/${digestOf(bytes)}`)).status, 404, `${how}: the closing request`)
  }
  t.same(new Set(faults), new Set(['BLOB_UNKNOWN', 'CLIENT_GONE']))
})

t.test('one host, however it is stated', async (t) => {
  const { send } = await listening(t)
  t.equal(
    (await send('GET', '/v2/', undefined, { ':authority': 'localhost', host: 'localhost' })).status,
    200
  )
  const two = await send('GET', '/v2/', undefined, { ':authority': 'localhost', host: '127.0.0.1' })
  t.equal(`${two.status} ${codeOf(two)}`, '400 UNSUPPORTED')
  const foreign = await send('GET', '/v2/', undefined, { ':authority': 'evil.example' })
  t.equal(`${foreign.status} ${codeOf(foreign)}`, '403 DENIED')
  t.equal((await send('GET', '/%zz')).status, 400, 'a path that the router cannot read')
})

t.test('a method that nobody knows is refused, and is no fault of ours', async (t) => {
  const { logger, text } = fileLogger(t)
  const { send, session } = await listening(t, { logger })
  for (const method of ['FOO', 'get', 'CONSTRUCTOR']) {
    const answer = await send(method, '/v2/', Buffer.from('with a body'))
    t.equal(`${answer.status} ${codeOf(answer)}`, '405 UNSUPPORTED', method)
  }
  t.equal((await send('GET', '/v2/')).status, 200)
  t.notOk(session.destroyed)
  t.equal(text(), '')
})

t.test('requests that wait hold no more than a connection may', async (t) => {
  const { session } = await listening(t)
  if (session.pendingSettingsAck || session.remoteSettings.maxConcurrentStreams === undefined) {
    await once(session, 'remoteSettings')
  }
  const { initialWindowSize = 0, maxConcurrentStreams = 0 } = session.remoteSettings
  t.ok(maxConcurrentStreams >= 100)
  t.ok(initialWindowSize * maxConcurrentStreams <= 32 * MIB)
})

t.test('a body that is not as long as it says is not taken', async (t) => {
  const { port, send, faults } = await listening(t)
  const digest = digestOf(Buffer.from('four'))
  for (const length of ['3', '5']) {
    const raw = await rawHttp2(t, port)
    raw.begin(1, {
      ':method': 'POST',
      ':path': `/v2/a/blobs/uploads/?digest=${digest}`,
      'content-length': length
    })
    raw.data(1, Buffer.from('four'), true)
    while (faults.length === 0) await pause(5)
    t.equal(faults.splice(0).join(), 'CLIENT_GONE')
    t.equal((await send('HEAD', `/v2/a/blobs/${digest}`)).status, 404, length)
    faults.length = 0
  }
})

t.test('an early answer reaches a client that is still sending, and the connection goes on', async (t) => {
  const { open, send } = await listening(t)
  const stream = open({ ':method': 'PUT', ':path': '/v2/a/blobs/uploads/nowhere' }, false)
  stream.on('error', () => {})
  const sending = setInterval(() => stream.destroyed || stream.write(Buffer.alloc(256 * 1024)), 5)
  t.teardown(() => clearInterval(sending))
  const reply = await replyOf(stream)
  t.equal(reply.status, 404)
  if (!stream.destroyed) await once(stream, 'close')
  t.equal(stream.rstCode, constants.NGHTTP2_NO_ERROR, 'it is told to stop')
  t.equal((await send('GET', '/v2/')).status, 200)
})

t.test('100 Continue comes when the body is wanted, not for one that is refused', async (t) => {
  const { open, send } = await listening(t)
  const expecting = (path: string, headers = {}) =>
    open({ ':method': 'POST', ':path': path, expect: '100-continue', ...headers }, false)
  const bytes = Buffer.from('a layer')
  const wanted = expecting(`/v2/a/blobs/uploads/?digest=${digestOf(bytes)}`)
  wanted.once('continue', () => wanted.end(bytes))
  t.equal((await replyOf(wanted)).status, 201)
  let isAsked = false
  const refused = expecting('/v2/a/blobs/uploads/?digest=none')
  refused.on('error', () => {})
  refused.on('continue', () => {
    isAsked = true
  })
  t.equal((await replyOf(refused)).status, 400)
  t.notOk(isAsked)
  t.equal((await send('GET', '/v2/')).status, 200)
})

t.test('an answer whose source fails breaks off, and the others of the connection go on', async (t) => {
  const storage = memoryStorage()
  let isBroken = true
  const world = await listening(t, {
    storage: {
      ...storage,
      async *read(key, range) {
        let left = 3
        for await (const chunk of storage.read(key, range)) {
          if (isBroken && chunk.length > 1000 && left-- === 0) throw new Error('the disk broke')
          yield chunk
        }
      }
    }
  })
  const digest = await pushBlob(world, 'a', Buffer.alloc(4 * MIB, 2))
  const stream = world.open({ ':path': `/v2/a/blobs/${digest}` })
  stream.on('error', () => {})
  stream.resume()
  await new Promise((resolve) => stream.once('close', resolve))
  t.equal(stream.rstCode, constants.NGHTTP2_INTERNAL_ERROR)
  isBroken = false
  t.equal(digestOf((await world.send('GET', `/v2/a/blobs/${digest}`)).body), digest)
})

t.test('a server that stops lets go what is under way and then ends', async (t) => {
  const world = await listening(t)
  const digest = await pushBlob(world, 'a', Buffer.alloc(8 * MIB, 3))
  const { location } = await startUpload(world, 'a')
  const download = world.open({ ':path': `/v2/a/blobs/${digest}` })
  await once(download, 'response')
  const upload = world.open({ ':method': 'PATCH', ':path': location }, false)
  upload.write('first, ')
  await pause(100)
  const goaway = once(world.session, 'goaway')
  const closed = world.app.close()
  await goaway
  upload.end('then the rest')
  const [answered, body] = await Promise.all([replyOf(upload), download.toArray()])
  t.match(answered, { status: 202, headers: { range: '0-19' } })
  t.equal(digestOf(Buffer.concat(body)), digest)
  await closed
})

t.test('a connection whose client breaks the rules and leaves at once does not stay', async (t) => {
  const { app, port, send } = await listening(t)
  for (let count = 0; count < 3; count++) {
    const { socket, begin, reset } = await rawHttp2(t, port)
    socket.cork()
    for (let stream = 1; stream < 4000; stream += 2) {
      begin(stream, { ':method': 'GET', ':path': '/v2/' })
      reset(stream)
    }
    socket.uncork()
    await pause(0)
    socket.destroy()
    await once(socket, 'close')
  }
  t.equal((await send('GET', '/v2/')).status, 200)
  const open = () =>
    new Promise((resolve) => app.server.getConnections((_error, connections) => resolve(connections)))
  while ((await open()) !== 1) await pause(50)
})

t.test('connections that stay open can be cut', async (t) => {
  const world = await listening(t)
  const digest = await pushBlob(world, 'a', Buffer.alloc(8 * MIB, 3))
  const download = world.open({ ':path': `/v2/a/blobs/${digest}` })
  download.on('error', () => {})
  await once(download, 'response')
  const closed = world.app.close()
  await pause(700)
  world.app.server.closeAllConnections()
  await closed
  if (!download.closed) await new Promise((resolve) => download.once('close', resolve))
  t.ok(download.closed)
})

t.test('the log tells of requests as with HTTP/1.1, also of clients that leave', async (t) => {
  const { logger, lines } = fileLogger(t)
  const world = await listening(t, { logger, accessLog: true, isAudited: true })
  const digest = await pushBlob(world, 'a', Buffer.alloc(32 * MIB))
  const { headers } = await world.send('GET', '/v2/', undefined, { 'x-request-id': 'mine' })
  t.equal(headers['x-request-id'], 'mine')
  const { location } = await startUpload(world, 'a')
  await world.send('PATCH', location, Buffer.from('0123456789'), { 'content-length': '10' })
  const pull = world.open({ ':method': 'GET', ':path': `/v2/a/blobs/${digest}` })
  await once(pull, 'data')
  const push = world.open({ ':method': 'PATCH', ':path': location, 'content-length': '10' }, false)
  push.on('error', () => {})
  push.write('abc')
  await pause(50)
  world.session.destroy()
  const left = () => lines().filter((line) => line['http.response.aborted'] === 'true')
  while (left().length < 2) await pause(5)
  const responses = lines().filter(({ msg }) => msg === 'response')
  const with2 = (uri: string) => responses.filter((line) => line['http.request.uri'] === uri)
  t.match(with2('/v2/'), [
    { 'http.request.id': 'mine', 'http.response.status': '200', 'http.response.written': '2' }
  ])
  t.match(with2(location), [
    { 'http.request.received': '10', 'http.response.status': '202', 'http.response.aborted': undefined },
    { 'http.response.status': '499', 'http.response.aborted': 'true', 'http.request.received': undefined }
  ])
  t.match(with2(`/v2/a/blobs/${digest}`), [
    { 'http.response.status': '200', 'http.response.aborted': 'true' }
  ])
})
