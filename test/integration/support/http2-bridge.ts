import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect, type IncomingHttpHeaders } from 'node:http2'
import type { AddressInfo } from 'node:net'

export interface Bridge {
  url: string
  /** How many requests went over it. */
  requests(): number
  close(): void
}

/** What belongs to a connection of HTTP/1.1. RFC 9113 section 8.2.2. */
const OF_CONNECTION = [
  'connection',
  'expect',
  'host',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade'
]

/**
 * Takes requests of HTTP/1.1 without TLS to a server by HTTP/2, for clients that do not speak it, all over one
 * connection.
 * @param certificate path of the server's
 */
export async function bridgeToHttp2(url: string, certificate: string): Promise<Bridge> {
  const session = connect(url, { ca: readFileSync(certificate) })
  await once(session, 'connect')
  let count = 0

  function pass(request: IncomingMessage, response: ServerResponse): void {
    count++
    const { headers, method, url: path } = request
    const own = Object.entries(headers).filter(([name]) => !OF_CONNECTION.includes(name))
    own.push(['x-forwarded-proto', 'http'])
    const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
    const stream = session.request(
      { ...Object.fromEntries(own), ':method': method, ':path': path, ':authority': headers.host },
      { endStream: !hasBody }
    )
    if (hasBody) request.pipe(stream)
    stream.on('error', () => response.destroy())
    stream.on('response', (answer: IncomingHttpHeaders & { ':status'?: number }) => {
      const fields = Object.entries(answer).filter(([name]) => !name.startsWith(':'))
      response.writeHead(answer[':status'] ?? 502, Object.fromEntries(fields))
      stream.pipe(response)
    })
    response.once('close', () => stream.destroyed || stream.close())
  }

  const server = createServer(pass)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: () => count,
    close() {
      server.close()
      server.closeAllConnections()
      session.destroy()
    }
  }
}
