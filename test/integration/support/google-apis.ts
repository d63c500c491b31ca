import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { join } from 'node:path'
import { run, scratch } from './processes.ts'

const UPLOADS = 'www.googleapis.com'

export interface GoogleApis {
  /** Of an account, with a private key. */
  keyfile: string
  /** What lets CNCF distribution 3 use the emulator. */
  env: Record<string, string>
  close(): void
}

/**
 * What CNCF distribution 3 wants of Google beside an emulator of its storage: it opens the sessions of its uploads at
 * www.googleapis.com whatever STORAGE_EMULATOR_HOST says, and needs credentials for them. A proxy of ours takes those
 * calls to the emulator, whose answer names itself for what follows, and gives a token to whoever asks.
 * @param emulator its URL
 */
export async function startGoogleApis(emulator: string): Promise<GoogleApis> {
  const folder = scratch()
  const at = (name: string): string => join(folder, name)
  const [key, cert, keyfile] = [at('tls.key'), at('tls.crt'), at('account.json')]
  await run('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
    ...['-subj', `/CN=${UPLOADS}`, '-addext', `subjectAltName=DNS:${UPLOADS}`, '-keyout', key, '-out', cert]
  ])
  const secure = createSecureServer(
    { key: readFileSync(key), cert: readFileSync(cert), ALPNProtocols: ['http/1.1'] },
    (incoming, answer) => passOn(incoming, answer, emulator)
  )
  const proxy = createServer((incoming, answer) => {
    incoming.resume()
    answer.setHeader('content-type', 'application/json')
    answer.end(JSON.stringify({ access_token: 'token', token_type: 'Bearer', expires_in: 3600 }))
  })
  proxy.on('connect', ({ url }, socket) => {
    if (url !== `${UPLOADS}:443`) return void socket.end('HTTP/1.1 403 Forbidden\r\n\r\n')
    socket.write('HTTP/1.1 200 OK\r\n\r\n')
    secure.emit('connection', socket)
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  const address = proxy.address()
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port')
  const url = `http://127.0.0.1:${address.port}`
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const account = {
    type: 'service_account',
    client_email: 'registry@tests',
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    token_uri: url
  }
  writeFileSync(keyfile, JSON.stringify(account), { mode: 0o600 })
  return {
    keyfile,
    env: { HTTPS_PROXY: url, SSL_CERT_FILE: cert },
    close() {
      proxy.close()
      proxy.closeAllConnections()
      secure.closeAllConnections()
    }
  }
}

function passOn(incoming: IncomingMessage, answer: ServerResponse, emulator: string): void {
  const { method, headers } = incoming
  const { host: _, ...rest } = headers
  const outgoing = request(new URL(incoming.url ?? '', emulator), { method, headers: rest }, (theirs) => {
    answer.writeHead(theirs.statusCode ?? 502, theirs.headers)
    theirs.pipe(answer)
  })
  outgoing.on('error', () => answer.destroy())
  incoming.pipe(outgoing)
}
