import { createServer, type IncomingHttpHeaders, request as send } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Readable } from 'node:stream'

export interface Seen {
  method: string
  /** With the query. */
  path: string
  headers: IncomingHttpHeaders
}

export interface Told {
  status: number
  headers: IncomingHttpHeaders
  body: Buffer
  /** The connection ends in the middle of the body. */
  cut?: boolean
}

/** One thing that a registry does wrong. */
export interface Fault {
  /** What it does, as a sentence goes on after "a registry that". */
  does: string
  caughtBy: string
  /** What the case then ends with; `fail` if not said. `note`: it passes with a remark. */
  as?: 'skip' | 'error' | 'note'
  /** Changes a request on its way, answers it in the registry's place, or leaves it without an answer for ever. */
  request?(seen: Seen, memory: Map<string, Told>): Told | 'hang' | undefined
  /** Changes an answer on its way. */
  answer?(told: Told, seen: Seen, memory: Map<string, Told>): void
}

export interface FaultyRegistry {
  url: URL
  close(): Promise<void>
}

function passOn(registry: string, { method, path, headers }: Seen, body: Readable): Promise<Told> {
  return new Promise((resolve, reject) => {
    const upstream = send(new URL(path, registry), { method, headers })
    upstream.on('error', reject)
    upstream.on('response', async (response) => {
      const chunks: Buffer[] = []
      for await (const chunk of response) chunks.push(chunk)
      resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) })
    })
    upstream.flushHeaders()
    body.pipe(upstream)
  })
}

/** A registry that is as good as the one behind it, but for the fault. */
export async function startFaulty(registry: string, fault: Partial<Fault>): Promise<FaultyRegistry> {
  const memory = new Map<string, Told>()
  const server = createServer(async (incoming, outgoing) => {
    const { method = '', url: path = '', headers } = incoming
    const seen: Seen = { method, path, headers: { ...headers } }
    const own = fault.request?.(seen, memory)
    if (own === 'hang') return
    const told = own ?? (await passOn(registry, seen, incoming).catch(() => undefined))
    if (told === undefined) {
      outgoing.destroy()
      return
    }
    const length = own === undefined ? told.body.length : 0 // as plain answers say
    fault.answer?.(told, seen, memory)
    if (method !== 'HEAD' && told.body.length !== length)
      told.headers['content-length'] = `${told.body.length}`
    outgoing.writeHead(told.status, told.headers)
    if (!told.cut) outgoing.end(told.body)
    else outgoing.write(told.body.subarray(0, 1), () => outgoing.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: new URL(`http://127.0.0.1:${port}`),
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
  }
}
