import type { FastifyReply, FastifyRequest } from 'fastify'
import { RegistryError } from '../oci/error.ts'
import type { Recorder } from './metrics/recorder.ts'

export type Kind = 'read' | 'write'

export interface Limit {
  /** So many requests may run at once; 0: as many as come. */
  maxrunning: number
  /** So many more may wait. */
  maxinqueue: number
}

/** `openshift.requests`; of one kind, `maxwaitinqueue` in milliseconds, 0: for ever. */
export type RequestLimits = Readonly<Record<Kind, Readonly<Limit & { maxwaitinqueue: number }>>>

/** A process's share of a pod's permits for one kind of requests: who runs holds one. */
export interface Lease {
  /** Whether there was one at hand: it is the caller's now. */
  take(): boolean
  /**
   * Asks for one where none is at hand. `done` is told once, maybe at once: true when the caller has it, false when
   * too many others wait already.
   * @returns gives up the place; `done` is not told any more
   */
  ask(done: (isGranted: boolean) => void): () => void
  /** One that the caller has is no longer needed. */
  end(): void
}

/** A process's shares of both. */
export interface Leases extends Readonly<Record<Kind, Lease>> {
  /** Where the permits are this process's own: changes how many there are. */
  set?(limits: RequestLimits): void
}

/** How many requests run at once, over all processes of the pod. */
export interface Limits {
  /** Calls `done` when the request may run, which may be much later, or with why it may not. */
  admit(request: FastifyRequest, reply: FastifyReply, done: (error?: RegistryError) => void): void
  /** Takes effect at once. Requests that are running go on, and count if there was a limit when they came. */
  set(limits: RequestLimits): void
}

export interface LimitsOptions {
  leases: Leases
  limits: RequestLimits
  recorder?: Recorder | undefined
}

/** In seconds; as OpenShift's registry says. */
const RETRY_AFTER = '1'

/** The longest that a timer takes. */
const LONGEST_MS = 2 ** 31 - 1

type Admit = (reply: FastifyReply, done: (error?: RegistryError) => void) => void

export function createLimits({ leases, limits, recorder }: LimitsOptions): Limits {
  const read = createLimit('read', leases.read, recorder)
  const write = createLimit('write', leases.write, recorder)

  function set(limits: RequestLimits): void {
    leases.set?.(limits)
    read.set(limits.read)
    write.set(limits.write)
  }

  set(limits)
  return {
    admit(request, reply, done) {
      const { admit } = isRead(request) ? read : write
      if (admit === undefined || request.routeOptions.config.action === 'metrics') done()
      else admit(reply, done)
    },
    set
  }
}

/** Asking for a token writes nothing, with POST either: who waits to pull does not wait for those who push. */
function isRead(request: FastifyRequest): boolean {
  const { method } = request
  if (method === 'GET' || method === 'HEAD' || method === 'OPTIONS') return true
  return method === 'POST' && request.routeOptions.config.action === 'token'
}

interface OneLimit {
  /** Undefined while there is no limit. */
  admit: Admit | undefined
  set(limit: RequestLimits[Kind]): void
}

function createLimit(kind: Kind, lease: Lease, recorder: Recorder | undefined): OneLimit {
  /** What lets in who waits, when the limit is lifted. */
  const waiting = new Set<() => void>()
  let waitMs = 0
  let meter: Meter | undefined

  function run(reply: FastifyReply, done: () => void): void {
    meter?.running.add(1)
    reply.raw.once('close', () => {
      meter?.running.add(-1)
      lease.end()
    })
    done()
  }

  function refuse(reply: FastifyReply, done: (error: RegistryError) => void, why: string): void {
    meter?.refused.add()
    reply.header('retry-after', RETRY_AFTER)
    done(new RegistryError('TOOMANYREQUESTS', `this registry is busy: ${why}; try again in a moment`))
  }

  function wait(reply: FastifyReply, done: (error?: RegistryError) => void): void {
    const { raw } = reply
    let timer: NodeJS.Timeout | undefined
    let giveUp = (): void => {}

    function stop(): void {
      waiting.delete(lift)
      raw.off('close', leave)
      clearTimeout(timer)
      meter?.waiting.add(-1)
    }
    function leave(): void {
      stop()
      giveUp()
    }
    function lift(): void {
      leave()
      done()
    }

    meter?.waiting.add(1)
    waiting.add(lift)
    raw.once('close', leave)
    if (waitMs > 0) {
      const seconds = waitMs / 1000
      timer = setTimeout(
        () => {
          leave()
          refuse(reply, done, `this ${kind} has waited ${seconds} s for its turn`)
        },
        Math.min(waitMs, LONGEST_MS)
      )
    }
    giveUp = lease.ask((isGranted) => {
      stop()
      if (isGranted) run(reply, done)
      else refuse(reply, done, `as many ${kind}s as it allows are running, and no more may wait`)
    })
  }

  function admit(reply: FastifyReply, done: (error?: RegistryError) => void): void {
    // Of requests that a client sends at once (pipelining) one at a time takes a place: the one before has given its
    // own back in the next tick.
    if (reply.raw.socket === null) reply.raw.once('socket', () => process.nextTick(admit, reply, done))
    else if (lease.take()) run(reply, done)
    else wait(reply, done)
  }

  const limited: OneLimit = {
    admit: undefined,

    set({ maxrunning, maxwaitinqueue }) {
      waitMs = maxwaitinqueue
      limited.admit = maxrunning > 0 ? admit : undefined
      if (maxrunning > 0) meter ??= recorder && createMeter(kind, recorder)
      else for (const lift of waiting) lift()
    }
  }
  return limited
}

const createMeter = (kind: Kind, recorder: Recorder) => ({
  running: recorder.gauge('limitedRunning', kind),
  waiting: recorder.gauge('limitedWaiting', kind),
  refused: recorder.counter('limitedRefused', kind)
})

type Meter = ReturnType<typeof createMeter>
