import type { AddressInfo } from 'node:net'
import { resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Server as SecureServer } from 'node:tls'
import type { FastifyInstance } from 'fastify'
import { type StorageDriver, StorageUnavailable } from '../storage/driver.ts'
import { openStorage } from '../storage/open.ts'
import { createApp, type MetricsParts } from './app.ts'
import { createExternalOrigin } from './auth/external-origin.ts'
import { createKeyRing, deriveKeys, type KeyRing, TOKEN_LIFE_MS } from './auth/keys.ts'
import { openIdentity } from './auth/open.ts'
import type { Config } from './config/config.ts'
import { placeOf } from './config/place.ts'
import { follow } from './operations/follow.ts'
import { createInherit } from './operations/inherit.ts'
import { createLimits, type Leases } from './operations/limits.ts'
import { createOpenRequests, type OpenRequests } from './operations/logs/open-requests.ts'
import type { Logger } from './operations/logs.ts'
import {
  countCalls,
  countLookups,
  countPurged,
  countStoreCalls,
  showState
} from './operations/metrics/counts.ts'
import { meteredStorage } from './operations/metrics/storage.ts'
import { inOneLine } from './operations/one-line.ts'
import { schedulePurge } from './operations/purge.ts'
import { answerAlways, createReadOnly } from './operations/read-only.ts'
import { guardStorage } from './operations/storage-guard.ts'
import { watchStorage } from './operations/storage-health.ts'
import {
  formatTls,
  isSameTls,
  parseTls,
  readTlsFiles,
  type TlsContext,
  type TlsOptions
} from './operations/tls-files.ts'
import { createRegistry, type Inherit, type Registry, type Siblings } from './registry/registry.ts'

/** For uploads that were cut, to make safe what has come of them. It is the last part of the drain. */
export const SEAL_MS = 1000

/** So often a storage that takes no writes is tried again where its health is not looked at. */
const WRITE_TRY_MS = 10_000

/** More clients than this, at once and not yet accepted, are turned away (if the kernel's somaxconn allows so many). */
const BACKLOG = 4096

/** So often the TLS files are read anew. */
const TLS_MS = 5000

/** By which processes ask each other for them. */
const TLS_TOPIC = 'tls files'

/** Replicas may notice new TLS files so long after each other: a kubelet brings a Secret's up to date once a minute. */
const SETTLE_MS = 120_000

export interface ServeOptions {
  config: Config
  /** What tokens are signed with, if callers must be known. */
  secret: string
  /** The process's, where the cluster says how it is reached. */
  environment: Readonly<Record<string, string | undefined>>
  logger: Logger
  siblings: Siblings
  /** Whether this process does what only one of a pod's may do. */
  leads: boolean
  /** What is logged once requests are answered. */
  announce: (address: string) => string
  /** Shares of the pod's permits for requests, where their number is limited. */
  leases: Leases
  /** Where what is done is counted, and what all processes have counted. Without it nothing is. */
  metrics?: Omit<MetricsParts, 'secret'> | undefined
}

export interface Serving {
  /** Resolves when the last open request is answered or has had its time. */
  stop(): Promise<void>
  /** Goes by what has changed of the settings that may. Resolves when nothing goes by the former ones any more. */
  reload(config: Config): Promise<void>
}

export async function serve(options: ServeOptions): Promise<Serving> {
  const { config, logger, siblings, leads, metrics } = options
  const recorder = metrics?.recorder
  const inherit = createInherit(siblings, logger)
  const tls = config.http.tls && (await openTlsFiles(config.http.tls, inherit))
  const { storageHealth } = config
  const opened = await open(options)
  const readOnly = createReadOnly(config.storage.maintenance.readonly.enabled)
  const guarded = guardStorage(
    recorder === undefined ? opened : meteredStorage(opened, config.storage.driver, recorder),
    {
      reserve: config.storage.driver === 'filesystem' ? config.storage.filesystem.reserve : 0,
      intervalMs: storageHealth?.intervalMs ?? WRITE_TRY_MS,
      leads,
      siblings,
      isReadOnly: readOnly.isOn,
      isQuiet: readOnly.isQuiet,
      logger,
      recorder
    }
  )
  const registry = createRegistry(guarded.storage, {
    siblings: answerAlways(siblings, readOnly),
    leads,
    requireSpace: guarded.requireSpace,
    lookups: recorder && countLookups(recorder)
  })
  const keys = createKeyRing(deriveKeys(options.secret, tls?.key), {
    tokenLifeMs: TOKEN_LIFE_MS,
    settleMs: SETTLE_MS
  })
  const health =
    storageHealth && watchStorage({ ...storageHealth, probe: registry.probe, leads, siblings, logger })
  const limits = createLimits({ leases: options.leases, limits: config.openshift.requests, recorder })
  const openRequests = createOpenRequests()
  const app = await createApp({
    open: openRequests,
    registry,
    ...(health !== undefined && { trouble: health.trouble }),
    logger,
    accessLog: !config.log.accesslog.disabled,
    limits,
    isAudited: config.openshift.audit.enabled,
    deletes: config.storage.delete.enabled,
    readOnly,
    headers: config.http.headers,
    pages: config.pages,
    origin: createExternalOrigin({
      trustedProxies: config.http.trustedproxies,
      tokenRealm: config.openshift.auth.tokenrealm
    }),
    identity: await openIdentity({
      ...options,
      keys,
      inherit,
      owners: registry.owners,
      calls: recorder && countCalls(recorder)
    }),
    metrics: metrics && { ...metrics, secret: config.openshift.metrics.secret },
    ...(tls !== undefined && {
      tls: { ...tls, clientauth: config.http.tls?.clientauth, http2: config.http.tls?.http2 }
    })
  })
  const state =
    recorder && leads
      ? showState(recorder, { trouble: health?.trouble, countUploads: registry.countUploads })
      : undefined
  app.addHook('onClose', async () => {
    state?.stop()
    health?.stop()
    guarded.stop()
  })
  if (tls !== undefined) followTls(app, tls, keys, options)
  await listen(app, options)
  if (leads) tellIfEmpty(registry, options)
  const { uploadpurging } = config.storage.maintenance
  if (leads && uploadpurging.enabled) {
    const { uploads, purging } = registry
    schedulePurge({
      purge: recorder === undefined ? uploads.purge : countPurged(recorder, uploads.purge),
      takeTurn: (...turn) => readOnly.during(() => purging.take(...turn)),
      ageMs: uploadpurging.age,
      intervalMs: uploadpurging.interval,
      dryrun: uploadpurging.dryrun,
      isReadOnly: readOnly.isOn,
      log: logger
    })
  }
  return {
    stop: () => stop(app, guarded.settled, openRequests, options),
    async reload({ log, storage, openshift }) {
      logger.setLevel(log.level)
      limits.set(openshift.requests)
      await readOnly.set(storage.maintenance.readonly.enabled)
      // A client that has left may have left a write behind that is still at it.
      if (readOnly.isQuiet()) await guarded.settled()
    }
  }
}

/** A start that hangs says why, before a probe of the cluster ends it. */
const WAITING_MS = 5000

/** @throws StorageUnavailable, and what names the setting */
async function open({ config, environment, logger, metrics }: ServeOptions): Promise<StorageDriver> {
  const { storage, http } = config
  const counts = metrics && countStoreCalls(metrics.recorder, storage.driver)
  const since = performance.now()
  const waiting = setInterval(() => {
    const seconds = Math.round((performance.now() - since) / 1000)
    logger.warn(
      `the storage has not answered for ${seconds} s, and berth starts when it does: check storage.${storage.driver} and the network`
    )
  }, WAITING_MS)
  try {
    return await openStorage(storage, { env: environment, log: logger, processes: http.processes, ...counts })
  } catch (error) {
    if (storage.driver !== 'filesystem' || !(error instanceof StorageUnavailable)) throw error
    throw new StorageUnavailable(
      `${error.message} (storage.filesystem.rootdirectory, REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY)`,
      { cause: error }
    )
  } finally {
    clearInterval(waiting)
  }
}

/** @throws TlsFileError where no sibling holds better ones */
function openTlsFiles(files: TlsOptions, inherit: Inherit): Promise<TlsContext> {
  return inherit(
    TLS_TOPIC,
    () => readTlsFiles(files),
    (held) => parseTls(files, held)
  )
}

/** Takes up renewed TLS files: connections made before go on, new ones get the new certificate, and tokens are signed with keys of the new key. */
function followTls(
  app: FastifyInstance,
  first: TlsContext,
  keys: KeyRing,
  { config, secret, logger, siblings }: ServeOptions
): void {
  let current = first
  siblings.onQuestion(TLS_TOPIC, () => formatTls(current))
  const { stop } = follow({
    first,
    read: async () => (config.http.tls === undefined ? first : readTlsFiles(config.http.tls)),
    isSame: isSameTls,
    onChange(tls) {
      current = tls
      if (app.server instanceof SecureServer) app.server.setSecureContext(tls)
      keys.replace(deriveKeys(secret, tls.key))
      logger.info('the TLS files have changed: new connections get the new certificate')
    },
    onProblem: (message) => logger.warn(`the former TLS files stay in use: ${inOneLine(message)}`),
    everyMs: TLS_MS
  })
  app.addHook('onClose', async () => stop())
}

/** A volume that is not mounted looks like a new one. */
async function tellIfEmpty({ repositories }: Registry, { config, logger }: ServeOptions): Promise<void> {
  try {
    for await (const _ of repositories.folders()) return
    const { storage } = config
    const question = storage.driver === 'filesystem' ? 'is its volume mounted?' : 'is it the right one?'
    logger.info(`nothing is stored in ${placeOf(storage, resolve)} yet; if something should be, ${question}`)
  } catch {
    // Whoever asks for something is told.
  }
}

async function listen(app: FastifyInstance, { config, logger, announce }: ServeOptions): Promise<void> {
  const { host, port } = config.http
  // Fastify would say it of each network interface.
  const how = { port, backlog: BACKLOG, listenTextResolver: () => '' }
  try {
    await app.listen({ host, ...how })
  } catch (error) {
    // `::` stands for every address, but not on a machine whose kernel knows no IPv6.
    if (host !== '::' || (error as NodeJS.ErrnoException).code !== 'EAFNOSUPPORT') throw error
    await app.listen({ host: '0.0.0.0', ...how })
  }
  const { address, family, port: bound } = app.server.address() as AddressInfo
  const scheme = config.http.tls === undefined ? 'http' : 'https'
  logger.info(announce(`${scheme}://${family === 'IPv6' ? `[${address}]` : address}:${bound}`))
}

/** @param settled resolves when no write to the storage is under way, and nothing that one has left behind */
async function stop(
  app: FastifyInstance,
  settled: () => Promise<void>,
  open: OpenRequests,
  { config, logger }: ServeOptions
): Promise<void> {
  let isClosed = false
  const done = app.close().then(() => {
    isClosed = true
    return settled()
  })
  await Promise.race([done, pause(Math.max(0, config.http.draintimeout - SEAL_MS))])
  if (!isClosed) {
    logger.warn('the requests that are still open are cut; uploads keep what has come and can go on')
    open.cut()
    app.server.closeAllConnections()
  }
  await Promise.race([Promise.all([done, open.over()]), pause(SEAL_MS)])
  open.giveUp()
}
