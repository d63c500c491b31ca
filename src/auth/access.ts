import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { RegistryError } from '../oci/error.ts'
import { parseName, type RepositoryName } from '../oci/name.ts'
import type { Gate } from './gate.ts'
import { demandSecret, isOfMetrics } from './metrics-secret.ts'

/** What a request wants to do. Every route states its own; cancelling an upload is a part of pushing, `token` judges
 *  credentials itself, and `none` is for a route that only refuses. */
export type Action = 'none' | 'ping' | 'token' | 'pull' | 'push' | 'delete' | 'catalog' | 'metrics'

declare module 'fastify' {
  interface FastifyContextConfig {
    action?: Action
  }
}

export interface AccessOptions {
  /** `storage.delete.enabled` */
  deletes: boolean
  /** `storage.maintenance.readonly.enabled` */
  readOnly: { isOn(): boolean; admit(request: FastifyRequest, reply: FastifyReply): void }
  /** The methods that each route's path knows, for the answer that one of them is off. */
  methods: ReadonlyMap<string, readonly string[]>
  /** Who may do what. Without it everybody may do everything, except what a web page makes its reader's browser ask. */
  gate?: Gate | undefined
  /** Who shows it may read metrics, and nobody else. Without it the gate decides. */
  metricsSecret?: string | undefined
}

/** Guards every route of `app`, before any of a request's body is read. */
export function guardAccess(app: FastifyInstance, options: AccessOptions): void {
  const { deletes, gate, metricsSecret } = options
  app.addHook('onRoute', ({ url, config }) => {
    if (config?.action === undefined) throw new Error(`the route ${url} states no action`)
  })
  app.addHook('onRequest', (request, reply, done) => {
    refuseOtherSites(request)
    if (gate === undefined) refuseOtherHosts(request)
    if (isWriting(request)) admitWriting(request, reply, options)
    if (!deletes) refuseDeletion(request, reply, options)
    if (metricsSecret !== undefined && isOfMetrics(request)) {
      demandSecret(request, reply, metricsSecret)
      return done()
    }
    const admitted = gate?.admit(request, reply)
    if (admitted === undefined) done()
    else admitted.then(() => done(), done)
  })
}

const names = new WeakMap<FastifyRequest, RepositoryName>()

/** The repository that the request's path names, parsed once: what was judged is what is used. @throws RegistryError NAME_INVALID */
export function repositoryOf(request: FastifyRequest): RepositoryName {
  let name = names.get(request)
  if (name === undefined) {
    name = parseName((request.params as { name: string }).name)
    names.set(request, name)
  }
  return name
}

const WRITING = ['DELETE', 'PATCH', 'POST', 'PUT']

function isWriting(request: FastifyRequest): boolean {
  if (!WRITING.includes(request.method)) return false
  const { action } = request.routeOptions.config // put together at each look
  return action === 'push' || action === 'delete'
}

/** @throws RegistryError UNSUPPORTED */
function admitWriting(
  request: FastifyRequest,
  reply: FastifyReply,
  { methods, readOnly }: AccessOptions
): void {
  if (!readOnly.isOn()) {
    readOnly.admit(request, reply)
    return
  }
  const others = methods.get(request.routeOptions.url ?? '')?.filter((method) => !WRITING.includes(method))
  reply.header('allow', others?.join(', '))
  throw new RegistryError('UNSUPPORTED', READ_ONLY)
}

const READ_ONLY =
  'this registry is read-only just now; ask its administrator when it takes pushes and deletions again'

/** @throws RegistryError UNSUPPORTED */
function refuseDeletion(
  { routeOptions: { config, url = '' } }: FastifyRequest,
  reply: FastifyReply,
  { methods }: AccessOptions
): void {
  if (config.action !== 'delete') return
  const others = methods.get(url)?.filter((method) => method !== 'DELETE')
  reply.header('allow', others?.join(', '))
  throw new RegistryError(
    'UNSUPPORTED',
    'deletion is off: set REGISTRY_STORAGE_DELETE_ENABLED=true (storage.delete.enabled)'
  )
}

/**
 * A registry that lets everybody in trusts whoever can reach it, and a browser can: any page its user opens may
 * send requests to this address. berth serves no pages, so no request of a page is its own, and no container engine
 * sends `Origin` or `Sec-Fetch-Site`.
 * @throws RegistryError DENIED
 */
function refuseOtherSites({ headers }: FastifyRequest): void {
  const site = headers['sec-fetch-site']
  if (site !== undefined && site !== 'same-origin' && site !== 'none') {
    throw new RegistryError('DENIED', 'Sec-Fetch-Site: requests of other web pages are refused')
  }
  if (headers.origin !== undefined)
    throw new RegistryError('DENIED', 'Origin: requests of web pages are refused')
}

/** A name or an address of this machine itself, with any port. */
const LOOPBACK =
  /^(([a-z0-9-]+\.)*localhost|127(\.\d{1,3}){3}|\[::(1|ffff:127(\.\d{1,3}){3}|ffff:7f[\da-f]{2}:[\da-f]{1,4})\])(:\d+)?$/i

const LOOPBACK_ADDRESS = /^(::ffff:)?127\.|^::1$/

/**
 * On a connection from this machine to itself, a host name that is not its own is that of a web page whose owner has
 * pointed it here, so that the browser takes the registry for a part of the page (DNS rebinding).
 * @throws RegistryError DENIED
 */
function refuseOtherHosts({ headers: { host = '' }, socket }: FastifyRequest): void {
  if (!LOOPBACK_ADDRESS.test(socket.localAddress ?? '') || LOOPBACK.test(host)) return
  throw new RegistryError(
    'DENIED',
    'Host: over loopback this registry answers to localhost, 127.0.0.1 and [::1] only; a proxy on the same machine must send one of these'
  )
}
