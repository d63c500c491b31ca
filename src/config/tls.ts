import { given, type Lookup } from './build.ts'
import { parseCipherSuites } from './cipher-suites.ts'
import type { TlsConfig } from './config.ts'
import type { Path } from './schema.ts'
import type { Section } from './tree.ts'

/** Undefined without a certificate and its key. */
export function buildTls(value: Lookup): TlsConfig | undefined {
  const certificate = value('http.tls.certificate')
  const key = value('http.tls.key')
  if (certificate === undefined || key === undefined) return undefined
  const clientcas = value('http.tls.clientcas') ?? []
  // Of the two names of one setting, OpenShift's and distribution's, the stricter counts.
  const is13 = value('http.tls.minversion') === 'VersionTLS13' || value('http.tls.minimumtls') === 'tls1.3'
  return {
    certificate,
    key,
    minVersion: is13 ? 'TLSv1.3' : 'TLSv1.2',
    ciphers: parseCipherSuites(value('http.tls.ciphersuites') ?? []).openssl,
    clientcas,
    clientauth:
      clientcas.length === 0 ? undefined : (value('http.tls.clientauth') ?? 'require-and-verify-client-cert'),
    http2: value('http.http2.disabled') === false
  }
}

/** What is wrong with settings of TLS together, by the setting that is to be changed. */
export function tlsProblems(value: Lookup, root: Section): [Path, string][] {
  const problems: [Path, string][] = []
  const certificate = value('http.tls.certificate')
  const key = value('http.tls.key')
  if ((certificate === undefined) !== (key === undefined)) {
    const missing = key === undefined ? 'http.tls.key' : 'http.tls.certificate'
    if (given(root, missing) === undefined) {
      problems.push([missing, 'must be set as well, or neither: TLS takes a certificate and its key'])
    }
  }
  const clientcas = value('http.tls.clientcas') ?? []
  if (clientcas.length > 0 && certificate === undefined && key === undefined) {
    problems.push([
      'http.tls.clientcas',
      'asks for certificates of clients, which takes TLS: set http.tls.certificate and http.tls.key, or remove it'
    ])
  }
  if (clientcas.length === 0 && value('http.tls.clientauth') !== undefined) {
    problems.push([
      'http.tls.clientauth',
      'takes http.tls.clientcas, the paths of PEM files with the authorities of clients: set it, or remove this'
    ])
  }
  const { unknown, notOffered, openssl } = parseCipherSuites(value('http.tls.ciphersuites') ?? [])
  if (unknown.length > 0) {
    problems.push([
      'http.tls.ciphersuites',
      `must be names of cipher suites as IANA has them, not ${unknown.join(', ')}; docs/operations.md, "TLS", has them all`
    ])
  } else if (notOffered.length > 0 && openssl === undefined) {
    problems.push([
      'http.tls.ciphersuites',
      `leaves none that berth offers: add one to ${notOffered.join(', ')}, such as TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256`
    ])
  }
  return problems
}

/** What comes to nothing of those settings. */
export function tlsWarnings(value: Lookup): string[] {
  const { notOffered } = parseCipherSuites(value('http.tls.ciphersuites') ?? [])
  if (notOffered.length === 0) return []
  return [`cipher suites that are left out, since berth does not offer them: ${notOffered.join(', ')}`]
}
