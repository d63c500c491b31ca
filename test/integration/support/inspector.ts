import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'

/** So many processes one after the other, each of which gets the next port. */
const PORTS = 50

/**
 * What lets a Node process and those that it starts be inspected. Their ports lie below those that the system gives
 * to connections, any of which may be taken when a process starts.
 */
export async function inspectOption(): Promise<string> {
  for (;;) {
    const first = randomInt(10_000, 30_000)
    const ports = Array.from({ length: PORTS }, (_, index) => first + index)
    if ((await Promise.all(ports.map(isFree))).every(Boolean)) return `--inspect=127.0.0.1:${first}`
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening')
    return true
  } catch {
    return false
  } finally {
    server.close()
  }
}

/**
 * What a process holds on to in bytes, its heap and its buffers, once all garbage is gone.
 * @param log of a Node process with `--inspect` and of its workers, which say in it where they can be asked
 * @throws Error when no process with this id answers
 */
export async function liveMemory(log: string, pid: number): Promise<number> {
  for (const [url] of log.matchAll(/ws:\/\/\S+/g)) {
    const inspector = await connect(url)
    if (inspector === undefined) continue
    try {
      if ((await inspector.evaluate('process.pid')) !== pid) continue
      // What is freed with the first may have kept what is freed with the second.
      for (let time = 0; time < 2; time += 1) await inspector.call('HeapProfiler.collectGarbage')
      const usage = await inspector.evaluate('JSON.stringify(process.memoryUsage())')
      const { heapUsed, external } = JSON.parse(String(usage))
      return heapUsed + external
    } finally {
      inspector.close()
    }
  }
  throw new Error(`no inspector of process ${pid} in its log`)
}

/** Undefined where nobody listens any more; who ends meanwhile answers with nothing. Chrome DevTools Protocol. */
async function connect(url: string) {
  const socket = new WebSocket(url)
  const closed = new Promise<undefined>((resolve) => {
    for (const event of ['close', 'error']) socket.addEventListener(event, () => resolve(undefined))
  })
  const opened = new Promise<true>((resolve) => socket.addEventListener('open', () => resolve(true)))
  if (!(await Promise.race([opened, closed]))) return undefined
  let calls = 0
  async function call(method: string, params: object = {}): Promise<Answer | undefined> {
    const id = ++calls
    const { promise, resolve } = Promise.withResolvers<Answer>()
    const receive = ({ data }: MessageEvent): void => {
      const answer = JSON.parse(String(data))
      if (answer.id !== id) return
      socket.removeEventListener('message', receive)
      resolve(answer.result)
    }
    socket.addEventListener('message', receive)
    socket.send(JSON.stringify({ id, method, params }))
    return Promise.race([promise, closed])
  }
  return {
    call,
    evaluate: async (expression: string) => (await call('Runtime.evaluate', { expression }))?.result?.value,
    close: () => socket.close()
  }
}

interface Answer {
  result?: { value?: unknown }
}
