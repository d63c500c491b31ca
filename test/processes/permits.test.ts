import t from 'tap'
import type { Limit } from '../../src/operations/limits.ts'
import { createLease } from '../../src/processes/lease.ts'
import { createPermits, type Holder, type ToHolder, type ToPermits } from '../../src/processes/permits.ts'
import { seeded } from '../integration/support/random.ts'

type State = 'waiting' | 'running' | 'refused' | 'over'

interface Request {
  state: State
  /** Its client leaves, while it waits. */
  leave(): void
  /** Its answer is complete. */
  end(): void
}

interface Worker {
  lease: ReturnType<typeof createLease>
  requests: Request[]
  /** Messages that are under way, to the permits and from them. */
  up: ToPermits[]
  down: ToHolder[]
  holder: Holder
}

/** The permits of a pod, and workers that hear from them only when messages are delivered. */
function pod(limit: Limit, count = 0) {
  const permits = createPermits(limit)
  const workers: Worker[] = []

  function start(): Worker {
    const worker: Worker = {
      lease: createLease((word) => worker.up.push(word)),
      requests: [],
      up: [],
      down: [],
      holder: { tell: (word) => worker.down.push(word) }
    }
    permits.join(worker.holder)
    workers.push(worker)
    return worker
  }

  function deliver({ up, down, lease, holder }: Worker, isUp: boolean): boolean {
    const [above, below] = isUp ? [up.shift(), undefined] : [undefined, down.shift()]
    if (above !== undefined) permits.receive(holder, above)
    if (below !== undefined) lease.receive(below)
    return above !== undefined || below !== undefined
  }

  const all = (state: State): Request[] =>
    workers.flatMap(({ requests }) => requests.filter((request) => request.state === state))
  for (let index = 0; index < count; index++) start()
  return {
    permits,
    workers,
    all,
    start,
    deliver,
    die(worker: Worker): void {
      workers.splice(workers.indexOf(worker), 1)
      permits.leave(worker.holder)
    },
    arrive({ lease, requests }: Worker): Request {
      const request: Request = {
        state: 'waiting',
        leave() {
          giveUp()
          request.state = 'over'
        },
        end() {
          lease.end()
          request.state = 'over'
        }
      }
      requests.push(request)
      let giveUp = (): void => {}
      if (lease.take()) request.state = 'running'
      else {
        giveUp = lease.ask((isGranted) => {
          request.state = isGranted ? 'running' : 'refused'
        })
      }
      return request
    },
    /** Until no message is under way. */
    settle(): void {
      while (workers.some((worker) => deliver(worker, true) || deliver(worker, false)));
    }
  }
}

const states = (requests: Request[]): State[] => requests.map(({ state }) => state)

t.test('so many run, so many wait, others are refused, over all workers', async (t) => {
  const { workers, arrive, settle } = pod({ maxrunning: 2, maxinqueue: 1 }, 4)
  const requests = workers.map(arrive)
  settle()
  t.strictSame(states(requests), ['running', 'running', 'waiting', 'refused'])
  requests[0]!.end()
  settle()
  t.strictSame(states(requests), ['over', 'running', 'running', 'refused'])
})

t.test('who came first runs first, whichever worker has it', async (t) => {
  const { workers, arrive, settle } = pod({ maxrunning: 1, maxinqueue: 10 }, 3)
  const [first, second, third] = workers as [Worker, Worker, Worker]
  const running = arrive(first)
  settle()
  const waiting = [second, first, third, second, first].map((worker) => {
    const request = arrive(worker)
    settle()
    return request
  })
  let last = running
  for (const [turn, next] of waiting.entries()) {
    last.end()
    settle()
    t.equal(next.state, 'running')
    t.ok(states(waiting.slice(turn + 1)).every((state) => state === 'waiting'))
    last = next
  }
})

t.test('a client that leaves gives up its place', async (t) => {
  const { workers, arrive, settle } = pod({ maxrunning: 1, maxinqueue: 1 }, 2)
  const [first, second] = workers as [Worker, Worker]
  const running = arrive(first)
  settle()
  const leaver = arrive(second)
  settle()
  leaver.leave()
  settle()
  const next = arrive(first)
  settle()
  t.equal(next.state, 'waiting')
  running.end()
  settle()
  t.equal(next.state, 'running')
})

t.test('a client that leaves while its permit is on the way keeps nobody waiting', async (t) => {
  const { workers, arrive, settle, deliver } = pod({ maxrunning: 1, maxinqueue: 1 }, 2)
  const [first, second] = workers as [Worker, Worker]
  const leaver = arrive(first)
  deliver(first, true)
  const next = arrive(second)
  deliver(second, true)
  leaver.leave()
  settle()
  t.equal(next.state, 'running')
})

t.test('idle permits of one worker are recalled for another, before anybody is refused', async (t) => {
  const { workers, arrive, settle } = pod({ maxrunning: 40, maxinqueue: 0 }, 2)
  const [first, second] = workers as [Worker, Worker]
  const before = Array.from({ length: 40 }, () => arrive(first))
  settle()
  t.ok(states(before).every((state) => state === 'running'))
  for (const request of before) request.end()
  settle()
  const after = Array.from({ length: 41 }, () => arrive(second))
  settle()
  t.strictSame(states(after), [...Array<State>(40).fill('running'), 'refused'])
})

t.test('while there are many, few messages are needed', async (t) => {
  const { workers, arrive, settle } = pod({ maxrunning: 1000, maxinqueue: 0 }, 2)
  let messages = 0
  for (let round = 0; round < 100; round++) {
    const requests = workers.flatMap((worker) => [arrive(worker), arrive(worker)])
    messages += workers.reduce((sum, { up }) => sum + up.length, 0)
    settle()
    for (const request of requests) request.end()
    settle()
  }
  t.ok(messages <= 4, `${messages}`)
})

t.test(
  'the permits and places of the dead are free again, and what they still say is passed over',
  async (t) => {
    const { permits, workers, arrive, settle, die } = pod({ maxrunning: 1, maxinqueue: 1 }, 2)
    const [first, second] = workers as [Worker, Worker]
    const running = arrive(first)
    settle()
    const waiting = arrive(second)
    settle()
    die(second)
    const next = arrive(first)
    settle()
    t.equal(next.state, 'waiting', 'in the place of the one that was waiting')
    permits.receive(second.holder, { type: 'back', count: 1 })
    permits.receive(second.holder, { type: 'want', id: 9, spare: true })
    settle()
    t.strictSame(states([waiting, next]), ['waiting', 'waiting'])
    running.end()
    settle()
    t.equal(next.state, 'running')
  }
)

t.test('a limit that is raised counts at once, one that is lowered as requests end', async (t) => {
  const { permits, workers, arrive, settle } = pod({ maxrunning: 2, maxinqueue: 10 }, 1)
  const [worker] = workers as [Worker]
  const requests = Array.from({ length: 6 }, () => arrive(worker))
  settle()
  permits.set({ maxrunning: 4, maxinqueue: 10 })
  settle()
  t.equal(states(requests).filter((state) => state === 'running').length, 4)
  permits.set({ maxrunning: 1, maxinqueue: 0 })
  settle()
  for (const request of requests.slice(0, 3)) {
    request.end()
    settle()
    t.equal(requests[4]!.state, 'waiting')
  }
  requests[3]!.end()
  settle()
  t.strictSame(states(requests.slice(4)), ['running', 'waiting'])
  permits.set({ maxrunning: 0, maxinqueue: 0 })
  settle()
  t.equal(requests[5]!.state, 'running', 'without a limit everybody runs')
})

/** What may happen, each with a chance that the seed chooses anew. */
function live(seed: string, steps: number): void {
  const random = seeded(seed)
  const below = (count: number): number => random.below(count)
  const limitOf = (): Limit => ({ maxrunning: 1 + below(below(2) === 0 ? 6 : 120), maxinqueue: below(5) })
  let limit = limitOf()
  /** So many may run: more than the limit while what ran before it was lowered has not ended. */
  let ceiling = limit.maxrunning
  let room = limit.maxinqueue
  const it = pod(limit, 4)
  const { workers, all } = it
  const pick = <T>(from: T[]): T | undefined => from[below(from.length)]
  const busy = 1 + below(8)

  let step = 0
  const fault = (what: string): never => {
    throw new Error(`${seed}, step ${step}: ${what}`)
  }

  for (; step < steps; step++) {
    const chance = below(100)
    const worker = pick(workers) as Worker
    if (chance < 10 + busy) it.arrive(worker)
    else if (chance < 26) pick(all('running'))?.end()
    else if (chance < 28) pick(all('waiting'))?.leave()
    else if (chance === 28 && below(4) === 0) {
      it.die(worker)
      it.start()
    } else if (chance === 29 && below(4) === 0) {
      limit = limitOf()
      ceiling = Math.max(ceiling, limit.maxrunning)
      room = Math.max(room, limit.maxinqueue)
      it.permits.set(limit)
    } else if (chance === 30) {
      it.settle()
      const running = all('running').length
      const waiting = all('waiting').length
      if (waiting > room) fault(`${waiting} wait, ${room} may`)
      ceiling = Math.max(running, limit.maxrunning)
      room = Math.max(waiting, limit.maxinqueue)
      if (waiting > 0 && running < limit.maxrunning) fault('a permit is idle')
      if (running > limit.maxrunning && workers.some(({ lease }) => lease.take())) {
        fault('more begin although too many run')
      }
    } else it.deliver(worker, below(2) === 0)
    for (const worker of workers) {
      worker.requests = worker.requests.filter(({ state }) => state === 'running' || state === 'waiting')
    }
    const running = all('running').length
    if (running > ceiling) fault(`${running} run, ${ceiling} may`)
  }

  // Nobody comes any more: all who wait get their turn, and nothing is lost.
  for (;;) {
    it.settle()
    const [one] = all('running')
    if (one === undefined) break
    one.end()
  }
  if (all('waiting').length > 0) fault('some wait for ever')
  const last = Array.from({ length: limit.maxrunning + limit.maxinqueue + 3 }, () =>
    it.arrive(pick(workers) as Worker)
  )
  it.settle()
  const count = (state: State): number => last.filter((request) => request.state === state).length
  const expected = [limit.maxrunning, limit.maxinqueue, 3]
  const seen = [count('running'), count('waiting'), count('refused')]
  if (seen.join() !== expected.join()) fault(`${seen} run, wait, are refused instead of ${expected}`)
}

t.test('whatever happens in whatever order', async (t) => {
  for (let seed = 0; seed < 400; seed++) live(`permits ${seed}`, 1500)
  t.pass('nobody waits beside an idle permit, no more run or wait than may, and nothing is lost')
})
