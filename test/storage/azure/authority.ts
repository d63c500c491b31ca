import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { pem } from '../../kubernetes/faulty-server.ts'

/** Of 127.0.0.1, good for who trusts `ca.crt`. */
export const TLS = { key: pem('server.key'), cert: pem('server.crt') }

type TokenOf = (count: number) => string | undefined

/** Gives tokens, as Microsoft Entra does. @param tokenOf of the how manieth request; undefined: it is never answered */
export async function startAuthority(t: Test, tokenOf: TokenOf = (count) => `token-${count}`, tls = TLS) {
  const asked: URLSearchParams[] = []
  let refusal: { status: number; body: unknown } | undefined
  const server = createServer(tls, async (request, response) => {
    const base = `https://127.0.0.1:${(server.address() as AddressInfo).port}/tenant`
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const reply = (status: number, body: unknown): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    }
    if (request.method === 'GET') {
      return reply(200, {
        issuer: `${base}/v2.0`,
        authorization_endpoint: `${base}/oauth2/v2.0/authorize`,
        token_endpoint: `${base}/oauth2/v2.0/token`,
        jwks_uri: `${base}/discovery/v2.0/keys`
      })
    }
    asked.push(new URLSearchParams(Buffer.concat(chunks).toString()))
    if (refusal !== undefined) return reply(refusal.status, refusal.body)
    const token = tokenOf(asked.length)
    if (token === undefined) return
    reply(200, { token_type: 'Bearer', expires_in: 3600, ext_expires_in: 3600, access_token: token })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    refuse(status: number, body: unknown) {
      refusal = { status, body }
    }
  }
}
