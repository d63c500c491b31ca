import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { bridgeToHttp2 } from '../test/integration/support/http2-bridge.ts'
import { loginSettings } from '../test/integration/support/logins.ts'
import { CHECKOUT, startBerth } from '../test/integration/support/processes.ts'

export interface StartedBerth {
  url: string
  /** Whom it knows; undefined when it asks for no login. */
  credentials: { username: string; password: string } | undefined
  stop(): Promise<void>
}

const CERTIFICATE = join(CHECKOUT, 'test/processes/tls/localhost.crt')
const HTTP2_SETTINGS = {
  REGISTRY_HTTP_TLS_CERTIFICATE: CERTIFICATE,
  REGISTRY_HTTP_TLS_KEY: CERTIFICATE.replace(/crt$/, 'key'),
  REGISTRY_HTTP_HTTP2_DISABLED: 'false',
  // The proxy is asked without TLS, and so must the token endpoint be.
  REGISTRY_HTTP_TRUSTEDPROXIES: '127.0.0.1'
}

/**
 * Starts berth as `npm start` does, over a fresh folder, on a free port. With `login` it asks for one; with `http2` all
 * requests reach it by HTTP/2, through a proxy, since the suites speak HTTP/1.1 only.
 */
export async function startBerthToJudge({ login = false, http2 = false } = {}): Promise<StartedBerth> {
  const credentials = login ? { username: 'judge', password: randomUUID() } : undefined
  const env = { ...(credentials && (await loginSettings(credentials))), ...(http2 && HTTP2_SETTINGS) }
  const berth = await startBerth({ env })
  const bridge = http2 ? await bridgeToHttp2(berth.url, CERTIFICATE) : undefined
  const { url } = bridge ?? berth
  if (login) await mustAskForLogin(url)
  return {
    url,
    credentials,
    async stop() {
      if (bridge !== undefined) console.log(`\n${bridge.requests()} requests went over HTTP/2`)
      bridge?.close()
      await berth.stop()
    }
  }
}

/** Otherwise everything would pass without ever logging in. */
async function mustAskForLogin(url: string): Promise<void> {
  const { status } = await fetch(`${url}/v2/`)
  if (status !== 401) throw new Error(`GET /v2/ without a login: ${status}, not 401`)
}
