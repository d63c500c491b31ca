import { setTimeout as pause } from 'node:timers/promises'
import t from 'tap'
import { createRetrying, type Fault } from '../../../storage/objects/retry.ts'

class Failure extends Error {
  readonly fault: Fault
  constructor(fault: Fault) {
    super(fault.code)
    this.fault = fault
  }
}

const busy = (retryAfterMs?: number) => new Failure({ code: 'SlowDown', isPassing: true, retryAfterMs })

/** A clock that moves only while somebody waits, and all that happened. */
function scene({ random = 1, callMs = 0, bytes = 0 } = {}) {
  let time = 0
  const waits: number[] = []
  const calls: unknown[] = []
  const retries: unknown[] = []
  const retrying = createRetrying({
    judge: (error) => (error as Failure).fault,
    onCall: (...call) => calls.push(call),
    onRetry: (...retry) => retries.push(retry),
    now: () => time,
    pause: async (ms) => {
      waits.push(ms)
      time += ms
    },
    random: () => random
  })
  /** Fails with each of these in turn, then succeeds. */
  async function call(...failures: Failure[]): Promise<string> {
    const left = [...failures]
    return retrying(
      'put',
      async () => {
        time += callMs
        const failure = left.shift()
        if (failure !== undefined) throw failure
        return 'done'
      },
      bytes
    )
  }
  const wait = (ms: number): number => (time += ms)
  return { call, wait, waits, calls, retries }
}

t.test('a call that succeeds is told of once', async (t) => {
  const { call, waits, calls } = scene({ callMs: 7 })
  t.equal(await call(), 'done')
  t.same(waits, [])
  t.same(calls, [['put', 7]])
})

t.test('case 27, 53: what may pass is tried again, at most five times, with pauses that grow', async (t) => {
  const { call, waits, calls, retries } = scene()
  t.equal(await call(busy(), busy(), busy(), busy()), 'done')
  t.same(waits, [100, 200, 400, 800])
  t.equal(calls.length, 5)
  t.same(retries, Array(4).fill(['put', 'SlowDown']))
  const last = busy()
  await t.rejects(call(busy(), busy(), busy(), busy(), last), last)
  t.equal(calls.length, 10)
})

t.test('pauses are random, so that not all come back at once', async (t) => {
  const { call, waits } = scene({ random: 0.25 })
  await call(busy(), busy())
  t.same(waits, [25, 50])
})

t.test('what cannot pass is not tried again', async (t) => {
  const { call, calls, retries } = scene()
  const refusal = new Failure({ code: 'AccessDenied', isPassing: false })
  await t.rejects(call(refusal), refusal)
  t.same(calls, [['put', 0, 'AccessDenied']])
  t.same(retries, [])
})

t.test('case 53: the store says how long it wants to be left alone', async (t) => {
  const { call, waits } = scene()
  await call(busy(3000), busy(20))
  t.same(waits, [3000, 200])
})

t.test('case 53: no try begins after the deadline', async (t) => {
  const { call, waits } = scene({ callMs: 50_000 })
  await t.rejects(call(busy(), busy(), busy()), { message: 'SlowDown' })
  t.equal(waits.length, 2)
  const other = scene()
  await t.rejects(other.call(busy(121_000)))
  t.same(other.waits, [], 'nor is one waited for')
})

t.test('a try is told when its time is over', async (t) => {
  const retrying = createRetrying({ judge: () => ({ code: 'timeout', isPassing: false }), tryMs: 5 })
  const hanging = retrying('get', (signal) => {
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  })
  // The timer of a signal holds no process: the test would end before it.
  const holding = setTimeout(() => {}, 10_000)
  await t.rejects(hanging, { name: 'TimeoutError' })
  clearTimeout(holding)
})

t.test('a store that seems dead is left alone, but for one call every five seconds', async (t) => {
  const { call, wait, calls } = scene()
  const five = () => Array.from({ length: 5 }, () => busy())
  for (let i = 0; i < 3; i++) await t.rejects(call(...five()), { message: 'SlowDown' })
  t.equal(calls.length, 15, 'three calls are given up in 4.5 seconds: it may recover')
  wait(1000)
  await t.rejects(call(...five()))
  t.equal(calls.length, 20)
  await t.rejects(call(), { message: 'SlowDown' })
  t.equal(calls.length, 20, 'it is not asked any more')
  wait(5000)
  await t.rejects(call(...five()))
  t.equal(calls.length, 21, 'one try shows that it is still dead')
  await t.rejects(call())
  t.equal(calls.length, 21)
  wait(5000)
  t.equal(await call(), 'done')
  t.equal(await call(busy()), 'done', 'and all is as before')
})

t.test('a store that refuses is not dead, nor is one that answers others', async (t) => {
  const { call, wait, calls } = scene()
  const five = () => Array.from({ length: 5 }, () => busy())
  for (let i = 0; i < 10; i++) {
    wait(10_000)
    await t.rejects(call(...five()))
    await t.rejects(call(...five()))
    if (i % 2 === 0) await call()
    else await t.rejects(call(new Failure({ code: 'AccessDenied', isPassing: false })))
  }
  t.equal(calls.length, 110)
})

t.test('a store that wants fewer changes of one object is not dead, however often it says so', async (t) => {
  const { call, wait, calls } = scene()
  const limited = () => new Failure({ code: 'rateLimitExceeded', isPassing: true, isAlive: true })
  for (let i = 0; i < 5; i++) {
    wait(10_000)
    await t.rejects(call(...Array.from({ length: 5 }, limited)))
  }
  t.equal(calls.length, 25)
  t.equal(await call(), 'done')
})

t.test('what sends much has the time for it', async (t) => {
  const retrying = createRetrying({ judge: () => ({ code: 'timeout', isPassing: false }), tryMs: 5 })
  const sending = (bytes: number) =>
    retrying(
      'put',
      async (signal) => {
        await pause(100)
        signal.throwIfAborted()
        return 'sent'
      },
      bytes
    )
  await t.rejects(sending(1000), { name: 'TimeoutError' })
  t.equal(await sending((100 << 20) + 1), 'sent', 'also where no whole millisecond comes of it')
})

t.test('a large body that is sent in vain is tried once more', async (t) => {
  const { call, calls } = scene({ callMs: 390_000, bytes: 100 << 20 })
  t.equal(await call(busy()), 'done')
  t.equal(calls.length, 2)
})
