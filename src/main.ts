import cluster from 'node:cluster'
import { randomBytes } from 'node:crypto'
import { flushCompileCache } from 'node:module'
import { resolve } from 'node:path'
import { type Config, ConfigError } from './config/config.ts'
import { placeOf } from './config/place.ts'
import type { Reading } from './config/read.ts'
import { createLogger, type Logger } from './operations/logs.ts'
import { inOneLine } from './operations/one-line.ts'
import { createCounting } from './processes/counting.ts'
import { createOwnLeases, createPodPermits, createWorkerLeases } from './processes/leasing.ts'
import { type FromPrimary, type FromWorker, RELOAD } from './processes/messages.ts'
import { createSiblings } from './processes/siblings.ts'
import type { Serving } from './serve.ts'

/** What the primary tells its workers beside its own environment. */
const PLACE = 'BERTH_PROCESS'
const AGAIN = 'BERTH_PROCESS_AGAIN'
/** What holds, as JSON: a file may have changed since, and all processes are to agree. */
const CONFIG = 'BERTH_CONFIG'

/** Set when an image is built, for the metrics and --version. */
const COMMIT = 'BERTH_COMMIT'

/** A signal that comes again so soon is the same one. */
const SAME_SIGNAL_MS = 1000

/** A worker that is so late is killed. With 29 s to drain that is just before Kubernetes kills all of them. */
const LATE_MS = 500

/** A worker that drains for no time at all still gets so long. */
const LEAST_STOP_MS = 2000

/**
 * One process serves on its own, several under a primary that loads neither the web framework nor the storage.
 * A worker is this program again.
 */
async function main(): Promise<void> {
  if (cluster.isWorker) return work(JSON.parse(process.env[CONFIG] ?? ''))
  // What reads it is for the primary alone.
  const [{ parseCommand, USAGE }, { readConfig }] = await Promise.all([
    import('./config/command.ts'),
    import('./config/read.ts')
  ])
  const command = parseCommand(process.argv.slice(2))
  if (command.name === 'help') return console.log(USAGE)
  if (command.name === 'version') return printVersion()
  const reading = await readConfig(process.env, command.file)
  if (command.name === 'config') return print(reading)
  if (command.name === 'check') {
    for (const warning of reading.warnings) console.error(warning)
    // What is merely ignored is no mistake; a name that nobody knows is misspelt.
    if (reading.unknown.length > 0) process.exitCode = 1
    return
  }
  const { config, warnings } = reading
  const secret = config.http.secret ?? randomBytes(32).toString('hex')
  const logger = createLogger(config.log)
  endWithLog(logger)
  for (const warning of warnings) logger.warn(warning)
  if (config.http.secret === undefined && (config.auth === 'openshift' || config.auth === 'htpasswd')) {
    logger.warn(
      'REGISTRY_HTTP_SECRET is not set: a random one signs tokens, so those of one replica are refused by the others, ' +
        'and all by this one when it starts again'
    )
  }
  const start = config.http.processes === 1 ? startAlone : startWorkers
  const signals = onSignals(logger, config.http.draintimeout, reading.file !== undefined)
  const server = await start(config, secret, logger)
  if (server === undefined) process.exit(1)
  signals.stopWith(() => server.stop())
  if (reading.file === undefined) return
  const { followFile } = await import('./reloading.ts')
  const { reload } = followFile({
    reading,
    file: reading.file,
    env: process.env,
    logger,
    apply: (config) => server.reload(config)
  })
  signals.reloadWith(reload)
}

async function print(reading: Reading): Promise<void> {
  const { printConfig } = await import('./config/print.ts')
  process.stdout.write(printConfig(reading))
  for (const warning of reading.warnings) console.error(`# ${warning}`)
}

async function printVersion(): Promise<void> {
  const { readVersion } = await import('./operations/metrics/open.ts')
  console.log(['berth', await readVersion(), process.env[COMMIT] ?? ''].join(' ').trim())
}

async function startAlone(config: Config, secret: string, logger: Logger): Promise<Serving> {
  const { serve } = await import('./serve.ts')
  const { alone } = await import('./registry/siblings.ts')
  return serve({
    config,
    secret,
    environment: process.env,
    logger,
    siblings: alone,
    leads: true,
    announce: (address) => startLine(config, address),
    leases: createOwnLeases(config.openshift.requests),
    metrics: await openMetrics(config, '1')
  })
}

/** What counts is loaded only where something is to be counted. */
async function openMetrics({ openshift }: Config, place: string) {
  if (!openshift.metrics.enabled) return undefined
  const { openMetrics } = await import('./operations/metrics/open.ts')
  return openMetrics(place, process.env[COMMIT] ?? '')
}

/** Undefined when the first worker could not start; it has said why. */
async function startWorkers(first: Config, secret: string, logger: Logger): Promise<Serving | undefined> {
  const { supervise } = await import('./processes/supervise.ts')
  let config = first
  const permits = createPodPermits(config.openshift.requests)
  const counting = await openMetrics(config, 'primary')
  const restarts = counting?.recorder.counter('workerRestarts')
  const supervision = supervise({
    processes: config.http.processes,
    environment: (place, again) => ({
      [PLACE]: String(place),
      [CONFIG]: JSON.stringify({ config, secret }),
      ...(again && { [AGAIN]: 'true' })
    }),
    stopMs: Math.max(config.http.draintimeout, LEAST_STOP_MS) + LATE_MS,
    logger,
    metrics: counting?.metrics,
    permits,
    onReplaced: () => restarts?.add()
  })
  if (!(await supervision.started)) return undefined
  return {
    stop: supervision.stop,
    reload(now) {
      config = now
      logger.setLevel(now.log.level)
      permits.set(now.openshift.requests)
      return supervision.reload(now)
    }
  }
}

async function work({ config, secret }: { config: Config; secret: string }): Promise<void> {
  const logger = createLogger(config.log)
  endWithLog(logger)
  // A terminal sends its signals to all processes of a group, but what to do is the primary's to say.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => {})
  const tell = (message: FromWorker): Promise<unknown> =>
    new Promise((resolve) => process.send?.(message, resolve))
  const { siblings, receive } = createSiblings(tell)
  const place = Number(process.env[PLACE])
  const counting = createCounting(tell)
  const permits = createWorkerLeases(tell)
  const metrics = config.openshift.metrics.enabled
    ? import('./operations/metrics/open.ts').then(({ openReports }) => openReports(`${place}`, counting))
    : undefined
  const server = Promise.withResolvers<Serving>()
  siblings.onQuestion(RELOAD, async (settings) => {
    await (await server.promise).reload(JSON.parse(settings))
    return undefined
  })
  process.on('message', async (message: FromPrimary) => {
    receive(message)
    counting.receive(message)
    permits.receive(message)
    if (message.type !== 'stop') return
    await (await server.promise).stop()
    await (await metrics)?.send()
    process.exit(0)
  })
  const { serve } = await import('./serve.ts')
  try {
    await begin()
  } catch (error) {
    // What keeps the first process from starting keeps berth from it: whoever starts it is told.
    if (place === 1 && process.env[AGAIN] === undefined) throw error
    const text = `process ${place} of ${config.http.processes} cannot start`
    const reason = explain(error)
    if (reason === undefined) logger.fatal(error, text)
    else logger.fatal(`${text}: ${inOneLine(reason)}`)
    process.exit(1)
  }

  async function begin(): Promise<void> {
    const serving = await serve({
      config,
      secret,
      environment: process.env,
      logger,
      siblings,
      leads: place === 1,
      announce: (address) => {
        const which = `process ${place} of ${config.http.processes} serves`
        if (process.env[AGAIN] !== undefined) return `${which} again`
        return place === 1 ? startLine(config, address) : `${which} as well`
      },
      leases: permits.leases,
      metrics: await metrics
    })
    server.resolve(serving)
    tell({ type: 'serving' })
  }
}

/** Whatever ends the process, the log has all that was to be said. */
function endWithLog(logger: Logger): void {
  process.on('exit', logger.flush)
  process.on('uncaughtException', (error) => {
    logger.fatal(error, 'a fault of berth, which ends this process: please report it')
    process.exit(1)
  })
}

/**
 * Before anything that may hang. A container's first process ignores what it does not handle, so a second signal has
 * to be handled as well, and one that comes before there is anything to stop.
 */
function onSignals(
  logger: Logger,
  drainMs: number,
  hasFile: boolean
): { stopWith(stop: () => Promise<void>): void; reloadWith(reload: () => Promise<void>): void } {
  let reload: (() => Promise<void>) | undefined
  let stop: (() => Promise<void>) | undefined
  let stoppingSince: number | undefined
  // Without a file there is nothing to read anew, and a terminal that is closed ends what runs in it.
  if (hasFile) process.on('SIGHUP', () => reload?.())
  for (const signal of ['SIGTERM', 'SIGINT', ...(hasFile ? [] : ['SIGHUP' as const])] as const) {
    process.on(signal, async () => {
      // npm passes on what the terminal has sent to both of them.
      if (stoppingSince !== undefined && performance.now() - stoppingSince < SAME_SIGNAL_MS) return
      if (stop === undefined || stoppingSince !== undefined) {
        logger.warn(`${signal}: ends at once`)
        for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill('SIGKILL')
        process.exit(1)
      }
      stoppingSince = performance.now()
      logger.info(
        `${signal}: no new connections; open requests get ${drainMs / 1000} s; a second signal ends them at once`
      )
      await stop()
      logger.info('stopped')
      process.exit(0)
    })
  }
  return {
    stopWith(ready) {
      stop = ready
    },
    reloadWith(ready) {
      reload = ready
    }
  }
}

function startLine({ http, storage, auth }: Config, address: string): string {
  const isReadOnly = storage.maintenance.readonly.enabled
  const may = isReadOnly ? 'may pull' : 'may pull, push and delete'
  const who = {
    none: `everybody who can connect ${may} (REGISTRY_AUTH=none)`,
    openshift: `the cluster says who ${may}`,
    htpasswd: `users of the htpasswd file ${may}`,
    nobody: `everybody on this machine ${may}; nobody else can connect`
  }[auth ?? 'nobody']
  const processes = http.processes === 1 ? '1 process' : `${http.processes} processes`
  const how = isReadOnly ? 'read-only, on what lies in' : 'stores in'
  return `berth listens on ${address} with ${processes}, ${how} ${placeOf(storage, resolve)}; ${who}`
}

/** Those that are in words for an administrator already. */
const STARTING_ERRORS = new Set([
  'ConnectionError',
  'HtpasswdError',
  'ProxyError',
  'TlsFileError',
  'TrustError'
])

/** In words for an administrator, where it is not a fault of berth. */
function explain(error: unknown): string | undefined {
  if (error instanceof ConfigError) return error.message
  if (error instanceof Error && STARTING_ERRORS.has(error.name)) return error.message
  const { name, code, syscall, message } = error as NodeJS.ErrnoException
  if (name === 'StorageUnavailable') return message
  if (code === 'EADDRINUSE')
    return `${message}: is it running already? http.addr (REGISTRY_HTTP_ADDR) sets another address`
  if (syscall === 'listen' || syscall === 'bind' || syscall === 'getaddrinfo') {
    return `${message}: http.addr (REGISTRY_HTTP_ADDR) must name an address of this machine`
  }
  return undefined
}

if (import.meta.main) {
  try {
    await main()
    flushCompileCache()
  } catch (error) {
    const reason = explain(error)
    if ((error as Error).name === 'CommandError') console.error(`berth: ${(error as Error).message}`)
    else console.error(reason === undefined ? error : `berth cannot start: ${reason}`)
    process.exitCode = 1
    if (cluster.isWorker) process.exit(1)
  }
}
