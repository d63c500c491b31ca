import { readFileSync } from 'node:fs'
import { getCiphers } from 'node:tls'
import t from 'tap'
import { OFFERED, parseCipherSuites } from '../../src/config/cipher-suites.ts'
import { readConfig } from '../../src/config/read.ts'
import { fileWith, problemsOf } from './problems.ts'

const TLS = { REGISTRY_HTTP_TLS_CERTIFICATE: '/c', REGISTRY_HTTP_TLS_KEY: '/k' }
const SUITES = 'OPENSHIFT_REGISTRY_HTTP_TLS_CIPHERSUITES'

const tlsOf = async (env: Record<string, string>) => (await readConfig({ ...TLS, ...env })).config.http.tls

t.test('the lowest version, by either name: the stricter counts', async (t) => {
  const cases: [string | undefined, string | undefined, string][] = [
    [undefined, undefined, 'TLSv1.2'],
    ['VersionTLS10', undefined, 'TLSv1.2'],
    ['VersionTLS12', 'tls1.1', 'TLSv1.2'],
    ['VersionTLS13', undefined, 'TLSv1.3'],
    [undefined, 'tls1.3', 'TLSv1.3'],
    ['VersionTLS13', 'tls1.0', 'TLSv1.3'],
    ['VersionTLS12', 'tls1.3', 'TLSv1.3']
  ]
  for (const [openshift = '', distribution = '', expected] of cases) {
    const env = { REGISTRY_HTTP_TLS_MINVERSION: openshift, REGISTRY_HTTP_TLS_MINIMUMTLS: distribution }
    t.equal((await tlsOf(env))?.minVersion, expected, `${openshift} ${distribution}`)
  }
  t.match(await problemsOf({ REGISTRY_HTTP_TLS_MINVERSION: '1.3' }), [/: must be one of VersionTLS10/])
})

t.test('Node has every cipher suite that is offered', async (t) => {
  const there = getCiphers().map((name) => name.toUpperCase())
  for (const name of Object.values(OFFERED)) t.ok(there.includes(name), name)
})

const MODERN = 'TLS_AES_128_GCM_SHA256,TLS_AES_256_GCM_SHA384,TLS_CHACHA20_POLY1305_SHA256'
const INTERMEDIATE = `${MODERN},TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256`
const OLD = `${INTERMEDIATE},TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256,TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256,TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA,TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA,TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,TLS_RSA_WITH_AES_128_GCM_SHA256,TLS_RSA_WITH_AES_256_GCM_SHA384,TLS_RSA_WITH_AES_128_CBC_SHA256,TLS_RSA_WITH_AES_128_CBC_SHA,TLS_RSA_WITH_AES_256_CBC_SHA`

t.test('the profiles of OpenShift are understood word for word', async (t) => {
  for (const names of [MODERN, INTERMEDIATE, OLD]) {
    const { config, warnings } = await readConfig({ ...TLS, [SUITES]: names })
    t.equal(config.http.tls?.ciphers?.split(':').length, names.split(',').length)
    t.strictSame(warnings, [])
  }
  const file = fileWith(
    t,
    'version: 0.1\nhttp: {addr: "localhost:1", tls: {certificate: /c, key: /k, ciphersuites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]}}\nstorage: {filesystem: {}}\n'
  )
  t.equal(
    (await readConfig({}, file)).config.http.tls?.ciphers,
    `${MODERN.replaceAll(',', ':')}:ECDHE-RSA-AES128-GCM-SHA256`,
    'those of TLS 1.3 stay where none of them is named'
  )
  t.equal((await tlsOf({}))?.ciphers, undefined)
})

t.test('cipher suites that there are not', async (t) => {
  const { warnings } = await readConfig({
    ...TLS,
    [SUITES]: `${INTERMEDIATE},TLS_RSA_WITH_3DES_EDE_CBC_SHA,TLS_DHE_RSA_WITH_AES_128_GCM_SHA256`
  })
  t.match(warnings, [/left out.*: TLS_RSA_WITH_3DES_EDE_CBC_SHA, TLS_DHE_RSA_WITH_AES_128_GCM_SHA256$/])
  t.match(await problemsOf({ [SUITES]: 'TLS_ECDHE_RSA_WITH_RC4_128_SHA' }), [
    new RegExp(`^${SUITES}: http.tls.ciphersuites leaves none that berth offers`)
  ])
  t.match(await problemsOf({ [SUITES]: `${MODERN},TLS_AES_128_GCM_SHA265` }), [
    /ciphersuites must be .* not TLS_AES_128_GCM_SHA265 \(did you mean TLS_AES_128_GCM_SHA256\?\); docs\/operations.md/
  ])
  t.match(await problemsOf({ [SUITES]: 'ECDHE-RSA-AES128-GCM-SHA256' }), [
    /not ECDHE-RSA-AES128-GCM-SHA256 \(did you mean TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\?\)/
  ])
  const chacha = 'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256'
  t.match(parseCipherSuites(['ECDHE-RSA-CHACHA20-POLY1305']).unknown, [`did you mean ${chacha}?`])
  t.match(parseCipherSuites(['AES128-SHA']).unknown, [
    'AES128-SHA (did you mean TLS_RSA_WITH_AES_128_CBC_SHA?)'
  ])
  const page = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8')
  for (const name of Object.keys(OFFERED)) t.ok(page.includes(`\`${name}\``), `the page has ${name}`)
})

t.test('certificates of clients', async (t) => {
  t.equal((await tlsOf({}))?.clientauth, undefined)
  t.match(await tlsOf({ REGISTRY_HTTP_TLS_CLIENTCAS: '[/a, /b]' }), {
    clientcas: ['/a', '/b'],
    clientauth: 'require-and-verify-client-cert'
  })
  const given = {
    REGISTRY_HTTP_TLS_CLIENTCAS: '/a',
    REGISTRY_HTTP_TLS_CLIENTAUTH: 'verify-client-cert-if-given'
  }
  t.match(await tlsOf(given), { clientauth: 'verify-client-cert-if-given' })
  t.match(await problemsOf({ ...TLS, REGISTRY_HTTP_TLS_CLIENTAUTH: 'request-client-cert' }), [
    /^REGISTRY_HTTP_TLS_CLIENTAUTH: takes http.tls.clientcas/
  ])
  t.match(await problemsOf({ ...TLS, ...given, REGISTRY_HTTP_TLS_CLIENTAUTH: 'none' }), [
    /must be one of request-client-cert, require-any/
  ])
})

t.test('HTTP/2 is off unless it is asked for', async (t) => {
  t.equal((await tlsOf({}))?.http2, false)
  t.equal((await tlsOf({ REGISTRY_HTTP_HTTP2_DISABLED: 'false' }))?.http2, true)
  t.equal((await tlsOf({ REGISTRY_HTTP_HTTP2_DISABLED: 'true' }))?.http2, false)
})
