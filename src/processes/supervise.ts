import cluster, { type Worker } from 'node:cluster'
import type { Config } from '../config/config.ts'
import type { Logger } from '../operations/logs.ts'
import type { Metrics } from '../operations/metrics/registry.ts'
import type { PodPermits } from './leasing.ts'
import { type FromPrimary, type FromWorker, RELOAD } from './messages.ts'
import { type Correspondent, createRelay } from './relay.ts'

/** One that lived for so long is replaced at once; one that did not, after a pause that doubles up to the longest. */
const SOUND_MS = 10_000
const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 30_000

export interface SuperviseOptions {
  /** How many workers, at least 1. */
  processes: number
  /** What a worker is told beside the primary's own environment; `place` counts from 1, `again` if one had it before. */
  environment: (place: number, again: boolean) => Record<string, string>
  /** How long workers that are to stop may take before they are killed. */
  stopMs: number
  logger: Logger
  /** Counts what workers tell of. */
  metrics?: Metrics | undefined
  /** What workers lease, so that no more requests run than may. */
  permits: PodPermits
  /** Told each time that a worker takes the place of one that died. */
  onReplaced?: (() => void) | undefined
}

export interface Supervision {
  /** Resolves once the first worker serves; to false when it ended before, having said why. */
  started: Promise<boolean>
  /** Passes on what has changed. Resolves when no worker goes by what was before, or those that did are gone. */
  reload(config: Config): Promise<void>
  /** Lets all workers end what they are at. Resolves when the last is gone. */
  stop(): Promise<void>
}

/**
 * Keeps so many workers running, each in its own process with this program. All accept connections from one socket,
 * which stays open as long as one of them lives: a connection that waits in it is not lost with any of them. (Node's
 * other policy, where the primary hands out connections, lets those hang that were on the way to a dying worker.)
 */
export function supervise({
  processes,
  environment,
  stopMs,
  logger,
  metrics,
  permits,
  onReplaced
}: SuperviseOptions): Supervision {
  cluster.schedulingPolicy = cluster.SCHED_NONE
  const relay = createRelay()
  const running = new Map<Worker, Correspondent>()
  const first = Promise.withResolvers<boolean>()
  const gone = Promise.withResolvers<void>()
  let serving = false
  let stopping = false

  function start(place: number, pauseMs: number, again = false): void {
    const since = performance.now()
    let worker: Worker
    try {
      worker = cluster.fork(environment(place, again))
    } catch (error) {
      replace(place, pauseMs, `could not be started (${(error as Error).message})`)
      return
    }
    const correspondent = { send: (message: FromPrimary) => post(worker, message) }
    running.set(worker, correspondent)
    relay.join(correspondent)
    permits.join(correspondent)

    worker.on('message', (message: FromWorker) => {
      if (message.type === 'serving') onServing()
      else if (message.type === 'counted') metrics?.add(worker, message.batch)
      else if (message.type === 'metrics') {
        const { id } = message
        metrics?.text().then((text) => correspondent.send({ type: 'metrics', id, text }))
      } else if (message.type === 'permits') permits.receive(correspondent, message)
      else relay.receive(correspondent, message)
    })
    // Whoever is gone while a message is on its way will not miss it.
    worker.on('error', (error) => logger.debug(error, 'a message to a process was lost'))
    worker.once('exit', (code, signal) => {
      const lived = performance.now() - since
      const text = `(pid ${worker.process.pid}) ended by ${signal ?? `code ${code}`} after ${Math.round(lived / 1000)} s: its requests were cut`
      end(lived > SOUND_MS ? 0 : pauseMs, text)
    })
    // What the system refuses to start has an error and no exit.
    if (worker.process.pid === undefined) {
      worker.process.once('error', ({ message }) => end(pauseMs, `could not be started (${message})`))
    }

    function end(pause: number, text: string): void {
      running.delete(worker)
      relay.leave(correspondent)
      permits.leave(correspondent)
      metrics?.leave(worker)
      replace(place, pause, text)
    }
  }

  /** @param text what has become of the one that was there */
  function replace(place: number, pause: number, text: string): void {
    if (stopping && running.size === 0) gone.resolve()
    if (stopping) return
    if (!serving) {
      first.resolve(false)
      return
    }
    onReplaced?.()
    const when = pause === 0 ? '' : ` in ${pause / 1000} s`
    logger.error(`process ${place} of ${processes} ${text}; another takes its place${when}`)
    const next = pause === 0 ? FIRST_PAUSE_MS : Math.min(2 * pause, LONGEST_PAUSE_MS)
    setTimeout(() => !stopping && start(place, next, true), pause)
  }

  /** The others start when the first one serves: the first answer comes sooner, and what is wrong is said once. */
  function onServing(): void {
    if (serving) return
    serving = true
    first.resolve(true)
    for (let place = 2; place <= processes && !stopping; place++) start(place, 0)
  }

  start(1, 0)
  return {
    started: first.promise,
    async reload(config) {
      await relay.ask(RELOAD, JSON.stringify(config))
    },
    async stop() {
      stopping = true
      if (running.size === 0) gone.resolve()
      for (const worker of running.keys()) post(worker, { type: 'stop' })
      const timer = setTimeout(() => {
        for (const worker of running.keys()) worker.process.kill('SIGKILL')
      }, stopMs)
      await gone.promise
      clearTimeout(timer)
    }
  }
}

function post(worker: Worker, message: FromPrimary): void {
  if (worker.isConnected()) worker.send(message)
}
