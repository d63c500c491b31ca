import type { Limit } from '../operations/limits.ts'

/** What a holder tells of its requests. `spare`: it had none waiting, so that some more permits would save messages. */
export type ToPermits =
  | { type: 'want'; id: number; spare: boolean }
  /** It wants none any more: its client has left, or it has waited long enough. */
  | { type: 'forget'; id: number }
  | { type: 'back'; count: number }
  /** The answer to `recall`: all that were idle. */
  | { type: 'recalled'; count: number }

/** `spare`: so many beside the one for the request, to be kept for those to come. */
export type ToHolder =
  | { type: 'granted'; id: number; spare: number }
  | { type: 'refused'; id: number }
  /** Give back what is idle now, and from now on each permit when its request ends, until there are spare ones again. */
  | { type: 'recall' }

/** A process that serves requests. What is told arrives in its order, later or at once. */
export interface Holder {
  tell(word: ToHolder): void
}

/** The permits of a pod for one kind of requests. */
export interface Permits {
  join(holder: Holder): void
  /** It is dead: its permits and places are free again. What may still come from it is passed over. */
  leave(holder: Holder): void
  receive(holder: Holder, word: ToPermits): void
  /** More permits count at once, fewer as they come back. Who waits already may go on waiting. */
  set(limit: Limit): void
}

/** A holder is given at most so many to spare at a time. */
const MOST_SPARE = 16

interface Held {
  holder: Holder
  count: number
  /** `spare`: it may hold idle ones; `recalled`: it was asked for them; `scarce`: each of its permits is at work. */
  state: 'spare' | 'recalled' | 'scarce'
  tickets: Map<number, Ticket>
}

interface Ticket {
  id: number
  spare: boolean
  held: Held
}

/**
 * Gives out permits in the order in which they are wanted. While there are many, holders get some to spare and need
 * not ask for each; when they run out, those that are idle are recalled, so that nobody waits for what another does
 * not use, and nobody is refused before it is known that there is none.
 */
export function createPermits(limit: Limit): Permits {
  const holders = new Map<Holder, Held>()
  /** Who has a place in the queue, and who does not but may get what was recalled: both in the order in which they came. */
  const queue = new Set<Ticket>()
  const undecided = new Set<Ticket>()
  let held = 0
  let { maxinqueue } = limit
  let maxrunning = bound(limit)

  function drop(ticket: Ticket): void {
    ticket.held.tickets.delete(ticket.id)
    queue.delete(ticket)
    undecided.delete(ticket)
  }

  function grant(ticket: Ticket): void {
    drop(ticket)
    const { held: to, id } = ticket
    const isPlenty = ticket.spare && to.state !== 'recalled' && queue.size === 0 && undecided.size === 0
    const share = Math.floor((maxrunning - held - 1) / (2 * holders.size))
    const spare = isPlenty ? Math.min(MOST_SPARE, share) : 0
    if (spare > 0) to.state = 'spare'
    to.count += 1 + spare
    held += 1 + spare
    to.holder.tell({ type: 'granted', id, spare })
  }

  /** After each event: leaves nobody waiting for a permit that is free. Telling a holder may be an event as well. */
  function settle(): void {
    while (held < maxrunning) {
      const [next] = queue.size > 0 ? queue : undecided
      if (next === undefined) return
      grant(next)
    }
    if (queue.size + undecided.size === 0 && held === maxrunning) return
    for (const each of holders.values()) {
      if (each.state !== 'spare') continue
      each.state = 'recalled'
      each.holder.tell({ type: 'recall' })
    }
    decide()
  }

  function decide(): void {
    if (undecided.size === 0) return
    let hoped = 0
    for (const { state, count } of holders.values()) if (state === 'recalled') hoped += count
    for (const ticket of undecided) {
      if (queue.size < maxinqueue) {
        undecided.delete(ticket)
        queue.add(ticket)
      } else if (hoped > 0) hoped--
      else {
        drop(ticket)
        ticket.held.holder.tell({ type: 'refused', id: ticket.id })
      }
    }
  }

  function giveBack(from: Held, count: number): void {
    from.count -= count
    held -= count
  }

  return {
    join: (holder) => holders.set(holder, { holder, count: 0, state: 'scarce', tickets: new Map() }),

    leave(holder) {
      const from = holders.get(holder)
      if (from === undefined) return
      holders.delete(holder)
      for (const ticket of from.tickets.values()) drop(ticket)
      giveBack(from, from.count)
      settle()
    },

    receive(holder, word) {
      const from = holders.get(holder)
      if (from === undefined) return
      if (word.type === 'want') {
        const ticket = { id: word.id, spare: word.spare, held: from }
        from.tickets.set(word.id, ticket)
        undecided.add(ticket)
      } else if (word.type === 'forget') {
        const ticket = from.tickets.get(word.id)
        if (ticket !== undefined) drop(ticket)
      } else {
        if (word.type === 'recalled') from.state = 'scarce'
        giveBack(from, word.count)
      }
      settle()
    },

    set(limit) {
      maxrunning = bound(limit)
      maxinqueue = limit.maxinqueue
      settle()
    }
  }
}

const bound = ({ maxrunning }: Limit): number => (maxrunning > 0 ? maxrunning : Number.POSITIVE_INFINITY)
