import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import Fastify, { type FastifyInstance, type FastifyRequest, type HTTPMethods, LogController } from 'fastify'
import { guardAccess } from './auth/access.ts'
import { createExternalOrigin, type ExternalOrigin, incomingOf } from './auth/external-origin.ts'
import type { Identity, IdentityParts } from './auth/identity.ts'
import { answerBadConnection } from './http/bad-connections.ts'
import { baseRoutes } from './http/base.ts'
import { blobRoutes } from './http/blobs.ts'
import { refusalOf, sendError } from './http/errors.ts'
import { manifestRoutes } from './http/manifests.ts'
import { metricsRoutes } from './http/metrics.ts'
import { boundPipeline } from './http/pipelining.ts'
import { isHttp2 } from './http/protocol.ts'
import { referrerRoutes } from './http/referrers.ts'
import { foldRepositoryName } from './http/repository-url.ts'
import {
  answerThenDrain,
  contentTypeOf,
  giveUpWhenIdle,
  isBodyComing,
  setContentTypeAside,
  stopBody
} from './http/request-body.ts'
import { sentOf } from './http/send-body.ts'
import { type PageLimits, tagRoutes } from './http/tags.ts'
import { prepareTls, type Tls, tlsOptions } from './http/tls.ts'
import { uploadRoutes } from './http/uploads.ts'
import { RegistryError } from './oci/error.ts'
import { healthRoutes } from './operations/health.ts'
import type { Limits } from './operations/limits.ts'
import { logRequest } from './operations/logs/access.ts'
import { auditRequests } from './operations/logs/audit.ts'
import { createOpenRequests, type OpenRequests } from './operations/logs/open-requests.ts'
import { type LogParts, REQUEST_ID, requestIdOf } from './operations/logs/requests.ts'
import type { Logger } from './operations/logs.ts'
import type { Recorder } from './operations/metrics/recorder.ts'
import { createRequestMeter, measureTraffic } from './operations/metrics/requests.ts'
import { createReadOnly, type ReadOnly } from './operations/read-only.ts'
import type { Registry } from './registry/registry.ts'

export interface AppParts {
  registry: Registry
  /** Without one nothing is logged. */
  logger?: Logger
  accessLog: boolean
  /** `openshift.audit.enabled` */
  isAudited?: boolean
  /** Whether tags, manifests and blobs may be deleted. */
  deletes: boolean
  /** How many requests run at once. Without it as many as come. */
  limits?: Limits
  /** Which of them have still to be told of, for who stops the server. */
  open?: OpenRequests
  /** Without it the server speaks plain HTTP. */
  tls?: Tls
  /** `storage.maintenance.readonly.enabled`; without it never. */
  readOnly?: ReadOnly
  /** What is wrong with the storage, if anything is. */
  trouble?: () => string | undefined
  /** What every answer gets, by names in lower case. */
  headers?: Readonly<Record<string, string | readonly string[]>>
  pages?: PageLimits
  /** How clients reach this server, where there are proxies in front of it. */
  origin?: ExternalOrigin
  /** Who callers are and what they may do. Without it everybody may do everything. */
  identity?: IdentityParts | undefined
  /** Without it nothing is counted, and there is no page of metrics. */
  metrics?: MetricsParts | undefined
}

export interface MetricsParts {
  recorder: Recorder
  /** Who shows it may read them; without one the cluster decides. */
  secret: string | undefined
  /** What all processes of the pod have counted, in Prometheus' text format. */
  text(): Promise<string>
}

/** Longer than Go's HTTP clients keep an idle connection, so that it is they who close it. */
const KEEP_ALIVE_MS = 95_000

/** Room for a long token and for a pull of a thousand ranges. */
const MAX_HEADER_BYTES = 64 * 1024

/** Where nobody says otherwise. */
const PAGES: PageLimits = { repositories: 1000, tags: 10_000 }

const ALWAYS = { 'docker-distribution-api-version': 'registry/2.0', 'x-content-type-options': 'nosniff' }

/** Assembles the server; it opens and listens on nothing. */
export async function createApp(parts: AppParts): Promise<FastifyInstance> {
  const { registry, logger, deletes, tls, metrics, limits } = parts
  const accessLog = parts.accessLog ? logger : undefined
  const { origin = createExternalOrigin({ trustedProxies: [] }) } = parts
  const addressOf = (request: FastifyRequest) => origin.clientAddress(incomingOf(request))
  const { trouble = () => undefined, readOnly = createReadOnly(false), pages = PAGES } = parts
  const { open = createOpenRequests() } = parts
  const headers = { ...ALWAYS, ...parts.headers }
  const logParts: LogParts = { refusalOf, addressOf, contentTypeOf, sentOf, open }
  const measureRequest = metrics && createRequestMeter(metrics.recorder)
  // A request without Host is refused in refuseDoubles, in the words of the specification.
  const http = { maxHeaderSize: MAX_HEADER_BYTES, requireHostHeader: false, optimizeEmptyRequests: true }
  const app = Fastify({
    // Fastify logs nothing itself: with a logger of ours it would watch every answer, and try each request's.
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: requestIdOf,
    ...(tls === undefined ? { http } : { https: { ...http, ...tlsOptions(tls) } }),
    keepAliveTimeout: KEEP_ALIVE_MS,
    // A transfer may last as long as it likes while bytes move: see IDLE_MS in http/request-body.ts.
    requestTimeout: 0,
    connectionTimeout: 0,
    // Keep-alive connections of a server that is closing are served to the end of their request.
    return503OnClosing: false,
    exposeHeadRoutes: false,
    // A path's parts are judged by their parsers, which say what is wrong, not by the router.
    routerOptions: { maxParamLength: MAX_HEADER_BYTES },
    rewriteUrl: ({ url = '/' }) => foldRepositoryName(url),
    // What the router cannot read runs no hooks.
    frameworkErrors: (error, request, reply) => {
      measureRequest?.(request, reply)
      if (accessLog !== undefined) logRequest(accessLog, request, reply, logParts)
      if (!isHttp2(request)) reply.header('connection', 'close')
      sendError(error, request, reply.headers(headers).header('x-request-id', request.id))
    },
    clientErrorHandler: (error, socket) => answerBadConnection(error, socket, logger)
  })

  // 100 Continue is sent when a handler begins to read the body, not by the server on its own.
  app.server.on('checkContinue', (request, response) => app.routing(request, response))

  if (tls !== undefined) {
    await prepareTls(app, tls, { idleMs: KEEP_ALIVE_MS, maxHeaderBytes: MAX_HEADER_BYTES, log: logger })
  }

  if (metrics !== undefined) measureTraffic(app.server, metrics.recorder)

  app.setErrorHandler(sendError)
  app.setNotFoundHandler((request, reply) => {
    const isMethod = app.supportedMethods.includes(request.method)
    return sendError(new RegistryError(isMethod ? 'ROUTE_UNKNOWN' : 'METHOD_NOT_ALLOWED'), request, reply)
  })
  // Bodies reach the handlers as they come, see http/request-body.ts.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, _payload, done) => done(null))
  // These two run for every request: with callbacks, since promises would cost a tenth of the rate.
  app.addHook('onRequest', (request, reply, done) => {
    if (logger !== undefined) request.log = reply.log = logger.child({ [REQUEST_ID]: request.id })
    boundPipeline(request, reply)
    measureRequest?.(request, reply)
    if (accessLog !== undefined) logRequest(accessLog, request, reply, logParts)
    reply.headers(headers).header('x-request-id', request.id)
    refuseDoubles(request)
    setContentTypeAside(request)
    done()
  })
  app.addHook('onSend', (request, reply, payload, done) => {
    giveUpWhenIdle(request)
    if (!isBodyComing(request)) return done(null, payload)
    if (isHttp2(request)) {
      stopBody(request, reply)
      return done(null, payload)
    }
    // What came together with the headers is still being parsed.
    setImmediate(() => {
      if (!isBodyComing(request)) return done(null, payload)
      // The answer would be lost to a client that is still sending if the connection were closed at once.
      const answer = typeof payload === 'string' || payload instanceof Buffer ? payload : ''
      reply.headers({ connection: 'close', 'content-length': Buffer.byteLength(answer) })
      done(null, Readable.from(answerThenDrain(request, answer)))
    })
  })

  // A connection whose last request was answered while the server closes would be kept alive by its client.
  app.addHook('preClose', async () => {
    const closing = setInterval(() => app.server.closeIdleConnections(), 100)
    app.server.once('close', () => clearInterval(closing))
  })

  const identity =
    parts.identity === undefined
      ? undefined
      : await knowCallers(app, { ...parts, origin, isReadOnly: readOnly.isOn }, parts.identity)
  if (identity !== undefined) logParts.userOf = identity.gate.userOf
  const { repositories } = registry
  await app.register(healthRoutes, { trouble })
  await app.register(async (v2) => {
    const known = collectMethods(v2)
    if (parts.isAudited && logger !== undefined) auditRequests(v2, logger, logParts)
    v2.addHook('onRequest', (request, reply, done) => {
      if (trouble() !== undefined && needsStorage(request)) done(new RegistryError('UNAVAILABLE'))
      else if (limits === undefined) done()
      else limits.admit(request, reply, done)
    })
    const { gate } = identity ?? {}
    guardAccess(v2, { deletes, readOnly, methods: known, gate, metricsSecret: metrics?.secret })
    if (identity !== undefined) {
      const { tokenRoutes } = await import('./http/token.ts')
      await v2.register(tokenRoutes, { ...identity, ...whenCured(metrics) })
    }
    if (metrics !== undefined) await v2.register(metricsRoutes, metrics)
    await v2.register(baseRoutes)
    await v2.register(uploadRoutes, { ...registry, mayPull: identity?.gate.mayPull ?? (async () => true) })
    await v2.register(blobRoutes, { ...registry, addressOf })
    await v2.register(manifestRoutes, {
      ...registry,
      pushAgain: identity?.gate.pushAgain ?? (async () => {})
    })
    const listVisible = identity?.listVisible ?? ((_request, page) => repositories.list(page))
    await v2.register(tagRoutes, { ...registry, listVisible, most: pages })
    await v2.register(referrerRoutes, registry)
    refuseOtherMethods(v2, known)
  })
  return app
}

/** The others answer all the same. */
function needsStorage({ routeOptions }: FastifyRequest): boolean {
  const { action } = routeOptions.config
  return action !== 'none' && action !== 'ping' && action !== 'token' && action !== 'metrics'
}

function whenCured(metrics: MetricsParts | undefined): { onCured?: () => void } {
  const counter = metrics?.recorder.counter('staleCredentialsCured')
  return counter === undefined ? {} : { onCured: () => counter.add() }
}

/** Registers what signs tokens, and puts together what knows callers. */
async function knowCallers(
  app: FastifyInstance,
  { registry: { repositories }, origin, isReadOnly }: Surroundings,
  parts: IdentityParts
): Promise<Identity & { cureStaleCredentials: boolean }> {
  const [{ default: jwt }, { createIdentity }] = await Promise.all([
    import('@fastify/jwt'),
    import('./auth/identity.ts')
  ])
  // Each call says which key it means; this one is for none.
  await app.register(jwt, { secret: randomBytes(32) })
  app.addHook('onClose', async () => parts.close())
  const { sign, verify } = app.jwt
  const identity = createIdentity({ ...parts, sign, verify, repositories, origin, isReadOnly })
  return { ...identity, cureStaleCredentials: parts.cureStaleCredentials }
}

type Surroundings = Pick<AppParts, 'registry'> & { origin: ExternalOrigin; isReadOnly(): boolean }

/**
 * Several hosts could mean one to a proxy and another to us, and so could several credentials. RFC 9112 §3.2.
 * @throws RegistryError REQUEST_INVALID
 */
function refuseDoubles({ raw: { rawHeaders, httpVersion, headers } }: FastifyRequest): void {
  // In HTTP/2 this is the host; some proxies send the other as well. RFC 9113 section 8.3.1.
  const authority = headers[':authority']
  let hosts = authority === undefined ? 0 : 1
  let credentials = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as string
    if (name.length === 4 && name.toLowerCase() === 'host') {
      if (rawHeaders[index + 1] !== authority) hosts++
    } else if (name.length === 13 && name.toLowerCase() === 'authorization') credentials++
  }
  if (credentials > 1) {
    throw new RegistryError('REQUEST_INVALID', `Authorization: at most one is allowed, not ${credentials}`)
  }
  if (hosts === 1 || (hosts === 0 && httpVersion === '1.0')) return
  throw new RegistryError('REQUEST_INVALID', `Host: exactly one is needed, not ${hosts}`)
}

/** Which methods each path knows, as its routes are added. */
function collectMethods(app: FastifyInstance): Map<string, string[]> {
  const known = new Map<string, string[]>()
  app.addHook('onRoute', ({ url, method, config }) => {
    if (config?.action === 'none') return
    known.set(url, [...(known.get(url) ?? []), ...[method].flat()].sort())
  })
  return known
}

/** A known path asked with a method that it does not have is 405, and says which it has. */
function refuseOtherMethods(app: FastifyInstance, known: Map<string, string[]>): void {
  for (const [url, methods] of known) {
    const allow = methods.join(', ')
    app.route({
      method: app.supportedMethods.filter((method) => !methods.includes(method)) as HTTPMethods[],
      url,
      config: { action: 'none' },
      handler: (request, reply) => {
        reply.header('allow', allow)
        throw new RegistryError('METHOD_NOT_ALLOWED', `${request.method}: this path knows ${allow}`)
      }
    })
  }
}
