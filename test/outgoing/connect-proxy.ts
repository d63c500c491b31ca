import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { type AddressInfo, connect } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Test } from 'tap'

/** A proxy of HTTP that finds whatever host it is asked for on this machine. It ends with the test. */
export interface ConnectProxy {
  port: number
  /** Every tunnel that was asked for. */
  asked: { target: string; authorization: string | undefined }[]
}

/** @param options.tls paths of the certificate and key with which it speaks HTTPS itself */
export async function connectProxy(
  t: Test,
  { refuses = false, tls }: { refuses?: boolean; tls?: { cert: string; key: string } } = {}
): Promise<ConnectProxy> {
  const asked: ConnectProxy['asked'] = []
  const server =
    tls === undefined
      ? createServer()
      : createSecureServer({ cert: readFileSync(tls.cert), key: readFileSync(tls.key) })
  const sockets = new Set<Duplex>()
  server.on('connect', ({ url = '', headers }: IncomingMessage, client: Duplex) => {
    asked.push({ target: url, authorization: headers['proxy-authorization'] })
    sockets.add(client.on('error', () => {}))
    if (refuses) {
      client.end('HTTP/1.1 403 Forbidden\r\n\r\n')
      return
    }
    const upstream = connect(Number(url.split(':').at(-1)), '127.0.0.1', () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n')
      upstream.pipe(client)
      client.pipe(upstream)
    })
    sockets.add(upstream.on('error', () => client.destroy()))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { asked, port: (server.address() as AddressInfo).port }
}
