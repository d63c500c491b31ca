import type { Server, Socket } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { onceOver } from '../once-over.ts'
import { isUntagging, OPERATIONS, UNTAG, UPLOAD, UPLOADS } from '../operation-names.ts'
import type { Counter, Distribution, Recorder } from './recorder.ts'

/** Of requests that were refused before anything was done. */
const REFUSED = new Set([401, 403, 405, 429])

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/** Nobody got the answer. */
const GONE = 499

/** What is counted of requests with one method. */
interface ByMethod {
  time: Distribution
  codes: Map<number, Counter>
  /** By route. */
  operations: Map<string, Distribution>
}

export type MeasureRequest = (request: FastifyRequest, reply: FastifyReply) => void

/** Counts each request when its answer has left or its client has. Called once for each, when it comes. */
export function createRequestMeter(recorder: Recorder): MeasureRequest {
  const inFlight = recorder.gauge('inFlight')
  const receiving = recorder.gauge('receivingUploads')
  const requestSize = recorder.distribution('requestSize')
  const responseSize = recorder.distribution('responseSize')
  const untag = recorder.distribution('operations', UNTAG)
  const methods = new Map<string, ByMethod>()

  function byMethod(method: string): ByMethod {
    const operations = [...(OPERATIONS.get(method) ?? [])].map(
      ([route, name]) => [route, recorder.distribution('operations', name)] as const
    )
    const made = {
      time: recorder.distribution('requestTime', labelOf(method)),
      codes: new Map(),
      operations: new Map(operations)
    }
    methods.set(method, made)
    return made
  }

  function counterOf(method: string, code: number, codes: Map<number, Counter>): Counter {
    const made = recorder.counter('requests', `${code}`, labelOf(method))
    codes.set(code, made)
    return made
  }

  // This runs for every request: nothing here is looked up by a text that is put together first.
  function count(request: FastifyRequest, reply: FastifyReply, route: string, seconds: number): void {
    const { raw } = reply
    const { method } = request
    const { time, codes, operations } = methods.get(method) ?? byMethod(method)
    const code = raw.headersSent ? raw.statusCode : GONE
    time.observe(seconds)
    const counter = codes.get(code) ?? counterOf(method, code, codes)
    counter.add()
    if (raw.writableFinished && method !== 'HEAD') {
      responseSize.observe(Number(reply.getHeader('content-length') ?? 0))
    }
    if (REFUSED.has(code)) return
    const operation = isUntagging(request) ? untag : operations.get(route)
    operation?.observe(seconds)
  }

  return (request, reply) => {
    const since = performance.now()
    const { raw } = reply
    const { method, headers } = request
    const { url: route = '' } = request.routeOptions
    const isOfUploads = route.startsWith(UPLOADS)
    const isUpload = isOfUploads && method !== 'GET' && method !== 'DELETE'
    const { socket } = request.raw
    const before = headers['transfer-encoding'] === undefined ? undefined : socket.bytesRead
    inFlight.add(1)
    if (isUpload) receiving.add(1)

    onceOver(request, reply, () => {
      inFlight.add(-1)
      if (isUpload) receiving.add(-1)
      const length = before === undefined ? headers['content-length'] : socket.bytesRead - before
      requestSize.observe(length === undefined ? 0 : Number(length) || 0)
      count(request, reply, route, (performance.now() - since) / 1000)
      const event = isOfUploads ? eventOf(request, raw.statusCode, route) : undefined
      if (event !== undefined) recorder.counter('uploads', event).add()
    })
  }
}

/** Others are not told by their names, of which a client could make up many. */
const labelOf = (method: string): string => (METHODS.has(method) ? method.toLowerCase() : 'unknown')

/** What has become of an upload. */
function eventOf({ method, query }: FastifyRequest, code: number, route: string): string | undefined {
  if (method === 'DELETE') return code === 204 ? 'cancelled' : undefined
  if (method === 'PUT') return code === 201 ? 'committed' : undefined
  if (method !== 'POST' || route === UPLOAD) return undefined
  if (code === 202) return 'started'
  if (code !== 201) return undefined
  return (query as { digest?: unknown }).digest === undefined ? 'mounted' : 'whole'
}

/** So often bytes on their way are counted. */
const TRAFFIC_MS = 250

/** Counts connections and their bytes, also those of transfers that are under way. */
export function measureTraffic(server: Server, recorder: Recorder): void {
  const received = recorder.counter('received')
  const sent = recorder.counter('sent')
  const connections = recorder.gauge('connections')
  const open = new Map<Socket, { read: number; written: number }>()

  function look(socket: Socket, counted: { read: number; written: number }): void {
    const { bytesRead, bytesWritten } = socket
    received.add(Math.max(0, bytesRead - counted.read))
    sent.add(Math.max(0, bytesWritten - counted.written))
    counted.read = Math.max(counted.read, bytesRead)
    counted.written = Math.max(counted.written, bytesWritten)
  }

  server.on('connection', (socket) => {
    const counted = { read: 0, written: 0 }
    open.set(socket, counted)
    connections.add(1)
    socket.once('close', () => {
      look(socket, counted)
      open.delete(socket)
      connections.add(-1)
    })
  })
  const timer = setInterval(() => {
    for (const [socket, counted] of open) look(socket, counted)
  }, TRAFFIC_MS)
  timer.unref()
  server.once('close', () => clearInterval(timer))
}
