import { nearest } from './nearest.ts'

/** Those of TLS 1.3 are called the same everywhere. */
const TLS_1_3 = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256']

/** IANA's names, of suites that Go has and Node too, and OpenSSL's. */
export const OFFERED: Readonly<Record<string, string>> = {
  ...Object.fromEntries(TLS_1_3.map((name) => [name, name])),
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: 'ECDHE-ECDSA-AES128-GCM-SHA256',
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: 'ECDHE-RSA-AES128-GCM-SHA256',
  TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: 'ECDHE-ECDSA-AES256-GCM-SHA384',
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: 'ECDHE-RSA-AES256-GCM-SHA384',
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-ECDSA-CHACHA20-POLY1305',
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: 'ECDHE-RSA-CHACHA20-POLY1305',
  // As Go called them first.
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305: 'ECDHE-ECDSA-CHACHA20-POLY1305',
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305: 'ECDHE-RSA-CHACHA20-POLY1305',
  TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256: 'ECDHE-ECDSA-AES128-SHA256',
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256: 'ECDHE-RSA-AES128-SHA256',
  TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384: 'ECDHE-ECDSA-AES256-SHA384',
  TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384: 'ECDHE-RSA-AES256-SHA384',
  TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA: 'ECDHE-ECDSA-AES128-SHA',
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA: 'ECDHE-RSA-AES128-SHA',
  TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA: 'ECDHE-ECDSA-AES256-SHA',
  TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA: 'ECDHE-RSA-AES256-SHA',
  TLS_RSA_WITH_AES_128_GCM_SHA256: 'AES128-GCM-SHA256',
  TLS_RSA_WITH_AES_256_GCM_SHA384: 'AES256-GCM-SHA384',
  TLS_RSA_WITH_AES_128_CBC_SHA256: 'AES128-SHA256',
  TLS_RSA_WITH_AES_256_CBC_SHA256: 'AES256-SHA256',
  TLS_RSA_WITH_AES_128_CBC_SHA: 'AES128-SHA',
  TLS_RSA_WITH_AES_256_CBC_SHA: 'AES256-SHA'
}

/**
 * Known, and not offered: Node's OpenSSL has no RC4 and 3DES, and berth, as Go, no exchange of keys by DHE, with which
 * anybody can make a server compute.
 */
const NOT_OFFERED = [
  'TLS_RSA_WITH_RC4_128_SHA',
  'TLS_RSA_WITH_3DES_EDE_CBC_SHA',
  'TLS_ECDHE_ECDSA_WITH_RC4_128_SHA',
  'TLS_ECDHE_RSA_WITH_RC4_128_SHA',
  'TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA',
  'TLS_DHE_RSA_WITH_AES_128_GCM_SHA256',
  'TLS_DHE_RSA_WITH_AES_256_GCM_SHA384',
  'TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256',
  'TLS_DHE_RSA_WITH_AES_128_CBC_SHA256',
  'TLS_DHE_RSA_WITH_AES_256_CBC_SHA256',
  'TLS_DHE_RSA_WITH_AES_128_CBC_SHA',
  'TLS_DHE_RSA_WITH_AES_256_CBC_SHA'
]

export interface CipherSuites {
  /** For node:tls; undefined when none is left. */
  readonly openssl: string | undefined
  /** Those left out. */
  readonly notOffered: readonly string[]
  /** Names that are none, each with the nearest that is one. */
  readonly unknown: readonly string[]
}

/** IANA's name of what OpenSSL calls otherwise; Go's first name is none. */
const nameOf = (openssl: string): string | undefined =>
  Object.keys(OFFERED).find((name) => OFFERED[name] === openssl.toUpperCase())

/** @param names IANA's. Without one of TLS 1.3 all three are offered: in Go, whose setting this is, it does not touch them */
export function parseCipherSuites(names: readonly string[]): CipherSuites {
  const known = [...Object.keys(OFFERED), ...NOT_OFFERED]
  const unknown = names.filter((name) => !known.includes(name))
  const offered = names.flatMap((name) => OFFERED[name] ?? [])
  const all = offered.some((name) => TLS_1_3.includes(name)) ? offered : [...TLS_1_3, ...offered]
  return {
    openssl: offered.length === 0 ? undefined : [...new Set(all)].join(':'),
    notOffered: names.filter((name) => NOT_OFFERED.includes(name)),
    unknown: unknown.map((name) => {
      const best = nameOf(name) ?? nearest(name, known)
      return best === undefined ? name : `${name} (did you mean ${best}?)`
    })
  }
}
