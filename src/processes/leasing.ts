import type { Kind, Leases, RequestLimits } from '../operations/limits.ts'
import { createLease } from './lease.ts'
import type { FromPrimary, FromWorker } from './messages.ts'
import { createPermits, type Holder, type ToHolder, type ToPermits } from './permits.ts'
import type { Correspondent } from './relay.ts'

const KINDS = ['read', 'write'] as const satisfies Kind[]

/** The primary's part in the limits on requests: it has the permits of the pod, and workers lease them. */
export interface PodPermits {
  join(worker: Correspondent): void
  /** It has died. */
  leave(worker: Correspondent): void
  receive(from: Correspondent, message: FromWorker): void
  set(limits: RequestLimits): void
}

export function createPodPermits(limits: RequestLimits): PodPermits {
  const permits = { read: createPermits(limits.read), write: createPermits(limits.write) }
  const holders = new Map<Correspondent, Record<Kind, Holder>>()

  return {
    join(worker) {
      const post = gather<ToHolder>((words) => worker.send({ type: 'permits', words }))
      const made = { read: holder('read', post), write: holder('write', post) }
      holders.set(worker, made)
      for (const kind of KINDS) permits[kind].join(made[kind])
    },

    leave(worker) {
      const gone = holders.get(worker)
      holders.delete(worker)
      if (gone !== undefined) for (const kind of KINDS) permits[kind].leave(gone[kind])
    },

    receive(from, message) {
      const known = holders.get(from)
      if (message.type !== 'permits' || known === undefined) return
      for (const [kind, word] of message.words) permits[kind].receive(known[kind], word)
    },

    set(limits) {
      for (const kind of KINDS) permits[kind].set(limits[kind])
    }
  }
}

const holder = (kind: Kind, post: Post<ToHolder>): Holder => ({ tell: (word) => post(kind, word) })

/**
 * A worker's end.
 * @param send to the primary
 */
export function createWorkerLeases(send: (message: FromWorker) => unknown): {
  leases: Leases
  /** What the primary says. */
  receive(message: FromPrimary): void
} {
  const post = gather<ToPermits>((words) => send({ type: 'permits', words }))
  const leases = {
    read: createLease((word) => post('read', word)),
    write: createLease((word) => post('write', word))
  }
  return {
    leases,
    receive(message) {
      if (message.type !== 'permits') return
      for (const [kind, word] of message.words) leases[kind].receive(word)
    }
  }
}

/** The leases of a process that serves on its own. */
export function createOwnLeases(limits: RequestLimits): Leases {
  const own = (kind: Kind) => {
    const permits = createPermits(limits[kind])
    const holder: Holder = { tell: (word) => lease.receive(word) }
    const lease = createLease((word) => permits.receive(holder, word))
    permits.join(holder)
    return { permits, lease }
  }
  const read = own('read')
  const write = own('write')
  return {
    read: read.lease,
    write: write.lease,
    set(limits) {
      read.permits.set(limits.read)
      write.permits.set(limits.write)
    }
  }
}

type Post<T> = (kind: Kind, word: T) => void

/** Sends together what is said in one turn of the event loop: a message costs more than any number of words in it. */
function gather<T>(send: (words: [Kind, T][]) => void): Post<T> {
  let words: [Kind, T][] = []
  return (kind, word) => {
    if (words.length === 0) {
      setImmediate(() => {
        const all = words
        words = []
        send(all)
      })
    }
    words.push([kind, word])
  }
}
