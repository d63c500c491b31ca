import t from 'tap'
import { openGcsStore } from '../../../storage/gcs.ts'
import { createExchanging } from '../../../storage/objects/exchange.ts'
import { connectProxy } from '../../outgoing/connect-proxy.ts'
import { noise } from '../bodies.ts'
import { AUTHORITY, startFakeGcs } from './fake-gcs.ts'
import { gcsOptions, surroundings } from './support.ts'

t.test(
  'it is reached through the proxy that the environment names, and trusted by its authorities',
  async (t) => {
    const fake = await startFakeGcs('images', { isEncrypted: true })
    t.teardown(async () => fake.close())
    const tunnel = await connectProxy(t)
    // The certificate is for that name, which only the proxy finds.
    const host = `kubernetes.default.svc:${new URL(fake.url).port}`
    const env = { STORAGE_EMULATOR_HOST: `https://${host}`, HTTPS_PROXY: `http://127.0.0.1:${tunnel.port}` }
    const distrusting = createExchanging({ origin: new URL(fake.url), proxy: undefined, idleMs: 1000 })
    const message = { method: 'GET', path: '/', headers: {} } as const
    await t.rejects(distrusting.exchange(message, AbortSignal.timeout(10_000)), { code: /VERIFY|CERT/ })
    const store = await openGcsStore(gcsOptions(), surroundings({ ...env, SSL_CERT_FILE: AUTHORITY }))
    t.teardown(store.close)
    await store.put('k', [noise(3 << 20)])
    t.equal((await store.head('k'))?.size, 3 << 20)
    t.ok(tunnel.asked.length > 0 && tunnel.asked.every(({ target }) => target === host))
  }
)
