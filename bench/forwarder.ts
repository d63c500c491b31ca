import { once } from 'node:events'
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { operationOf } from '../test/integration/support/s3-operations.ts'

/** Stands between a registry and its store, and counts. */
export interface Forwarder {
  /** What the registry is told in place of the store's. */
  url: string
  /** The operations of the calls that the store has answered since this was asked last, in turn. */
  take(): string[]
  /** Waits until no call is under way, and none was for so long. */
  quiet(ms: number): Promise<void>
  close(): void
}

/** Answers to what removes something come so much later: who does not wait for them has answered until then. */
const REMOVAL_MS = 100

/** In front of a store that speaks S3 over plain HTTP, with the bucket in the path. Everything is passed on as it came,
 *  the Host that is signed included. @param target the store's URL, without a path */
export async function startForwarder(target: string): Promise<Forwarder> {
  const { hostname, port } = new URL(target)
  const agent = new Agent({ keepAlive: true })
  let calls: string[] = []
  let underWay = 0
  let lastAt = performance.now()

  async function forward(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const { method = '', url = '/', rawHeaders } = incoming
    const call = request({ hostname, port, agent, method, path: url, headers: rawHeaders })
    const answered = once(call, 'response')
    await Promise.all([
      pipeline(incoming, call),
      answered.then(async ([answer]: IncomingMessage[]) => {
        if (answer === undefined) throw new Error('unreachable')
        const operation = nameOf(incoming)
        if (operation.startsWith('Delete')) await sleep(REMOVAL_MS)
        calls.push(operation) // before anybody knows, so that no answer that waits for it can come earlier
        outgoing.writeHead(answer.statusCode ?? 0, answer.statusMessage, answer.rawHeaders)
        await pipeline(answer, outgoing)
      })
    ])
  }

  const server = createServer(async (incoming, outgoing) => {
    underWay++
    try {
      await forward(incoming, outgoing)
    } catch {
      outgoing.destroy() // whichever end broke off, the other one sees just that
    } finally {
      underWay--
      lastAt = performance.now()
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port was given')

  return {
    url: `http://localhost:${address.port}`,
    take() {
      const taken = calls
      calls = []
      return taken
    },
    async quiet(ms) {
      const since = performance.now()
      while (underWay > 0 || performance.now() - Math.max(since, lastAt) < ms) await sleep(10)
    },
    close() {
      server.close()
      server.closeAllConnections()
      agent.destroy()
    }
  }
}

function nameOf({ method = '', url = '/', headers }: IncomingMessage): string {
  const { pathname, searchParams } = new URL(url, 'http://host')
  const [, key = ''] = /^\/[^/]*\/?(.*)$/.exec(pathname) ?? []
  return operationOf(method, key, searchParams, headers)
}

/** Such as `4: 3 PutObject, 1 GetObject`. */
export function describe(operations: readonly string[]): string {
  const counts = Object.entries(Object.groupBy(operations, (operation) => operation))
    .map(([operation, calls = []]) => ({ operation, count: calls.length }))
    .sort((one, other) => other.count - one.count)
    .map(({ operation, count }) => `${count} ${operation}`)
  return counts.length === 0 ? '0' : `${operations.length}: ${counts.join(', ')}`
}
