import { isIP, isIPv6 } from 'node:net'
import { isEmpty, itemsOf, leaf, type Node } from './tree.ts'

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** What is asked of clients' certificates; the names are distribution's. */
export const CLIENT_AUTHS = [
  'request-client-cert',
  'require-any-client-cert',
  'verify-client-cert-if-given',
  'require-and-verify-client-cert'
] as const
export type ClientAuth = (typeof CLIENT_AUTHS)[number]

/** More than any registry needs: a mistake rather than a wish. */
const MAX_PROCESSES = 64

/** What a value may be. */
export interface Type<T> {
  /** For the message that says that a value is something else. */
  expected: string
  /** Undefined for what it cannot be. */
  parse(node: Node): T | undefined
}

export const ofText = <T>(expected: string, parse: (text: string) => T | undefined): Type<T> => ({
  expected,
  parse: (node) => (node.kind === 'leaf' ? parse(node.text.trim()) : undefined)
})

export const textOf = (expected: string): Type<string> => ofText(expected, (value) => value)

export const text = textOf('text')

/** Also in the words of YAML 1.1, which distribution reads. */
export const boolean: Type<boolean> = ofText('true or false', (value) =>
  /^(true|y|yes|on)$/i.test(value) ? true : /^(false|n|no|off)$/i.test(value) ? false : undefined
)

export const oneOf = <const T extends string>(...known: T[]): Type<T> =>
  ofText(known.length === 1 ? known.join() : `one of ${known.join(', ')}`, (value) =>
    known.find((each) => each === value)
  )

/** In capitals as well, as distribution takes them. */
export const level: Type<LogLevel> = ofText(`one of ${LOG_LEVELS.join(', ')}`, (value) =>
  LOG_LEVELS.find((known) => known === value.toLowerCase())
)

export const whole = (least: number, most: number): Type<number> =>
  ofText(`a whole number from ${least} to ${most}`, (value) =>
    /^-?\d{1,15}$/.test(value) && Number(value) >= least && Number(value) <= most ? Number(value) : undefined
  )

export const processes = whole(1, MAX_PROCESSES)
export const failures = whole(1, 1000)
export const requests = whole(0, 1_000_000)

export const number: Type<number> = ofText('a whole number', (value) =>
  /^-?\d{1,15}$/.test(value) ? Number(value) : undefined
)

export const threshold = whole(1, 1000)

const DURATION = /^-?(0|((\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h))+)$/
const UNITS_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000
}

/** As Go writes them; gives milliseconds. */
export const duration: Type<number> = ofText('a duration such as 10s, 5m or 168h', parseDuration)

function parseDuration(value: string): number | undefined {
  if (!DURATION.test(value)) return undefined
  let ms = 0
  for (const [, count, unit = ''] of value.matchAll(/([\d.]+)([a-zµ]+)/g))
    ms += Number(count) * (UNITS_MS[unit] ?? 0)
  return value.startsWith('-') ? -ms : ms
}

/** A duration. @param expected names the bounds */
export const between = (expected: string, leastMs: number, mostMs: number): Type<number> =>
  ofText(expected, (value) => {
    const ms = parseDuration(value)
    return ms !== undefined && ms >= leastMs && ms <= mostMs ? ms : undefined
  })

/** Timers take no more than 24 days, and a second is as often as anything need be asked. */
export const interval = between('a duration from 1s to 24h, such as 10s', 1000, 86_400_000)

export const wait = between('a duration of 0s or more, such as 30s', 0, Number.POSITIVE_INFINITY)

export const drain = between('a duration from 0s to 1h, such as 29s', 0, 3_600_000)

export const redirectDuration = between('a duration from 1m to 168h, such as 10m', 60_000, 168 * 3_600_000)

export const purgeAge = between('a duration from 1h to 8760h, such as 168h', 3_600_000, 8760 * 3_600_000)
// Beyond that timers do not go.
export const purgeInterval = between('a duration from 1m to 576h, such as 24h', 60_000, 576 * 3_600_000)

/** Gives a part of 1. */
export const reserve: Type<number> = ofText('a percentage from 0% to 50%, such as 5%', (value) => {
  const percent = /^\d{1,2}(\.\d{1,3})?%$/.test(value) ? Number.parseFloat(value) : 100
  return percent <= 50 ? percent / 100 : undefined
})

const ADDRESS = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]*)):(\d{1,5})$/

export const address: Type<{ host: string; port: number }> = ofText(
  'host:port with a port up to 65535, such as 127.0.0.1:5000, [::1]:5000 or :5000 for every address',
  (value) => {
    const [, ipv6, host = '', port = ''] = ADDRESS.exec(value) ?? []
    if (port === '' || Number(port) > 65535 || (ipv6 !== undefined && !isIPv6(ipv6))) return undefined
    // An empty host means every address. `localhost` is one address, so that there is one server.
    const given = ipv6 ?? host
    return { host: given === '' ? '::' : given === 'localhost' ? '127.0.0.1' : given, port: Number(port) }
  }
)

/** A YAML list, or one text with items separated by commas or spaces. */
export const textsOf = (node: Node): string[] | undefined =>
  node.kind === 'leaf' ? node.text.split(/[\s,]+/).filter((item) => item !== '') : leavesOf(node)

const leavesOf = (node: Node): string[] | undefined => {
  const items = itemsOf(node)
  return items?.every((item) => item.kind === 'leaf') ? items.map(({ text }) => text.trim()) : undefined
}

export const list = (expected: string): Type<readonly string[]> => ({ expected, parse: textsOf })

export const cidrs: Type<readonly string[]> = {
  expected: 'addresses or CIDRs, a list or separated by commas, such as 10.128.0.0/14, fd01::/48',
  parse(node) {
    const items = textsOf(node)
    return items?.every(isCidr) ? items : undefined
  }
}

function isCidr(text: string): boolean {
  const [, address = '', length] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? []
  const family = isIP(address)
  return family !== 0 && !address.includes('%') && Number(length ?? 0) <= (family === 4 ? 32 : 128)
}

/** Scheme, host and port, and nothing else. */
export const baseUrl: Type<string> = ofText(
  'a URL without a path, such as https://registry.example.com',
  (value) => {
    const url = URL.parse(value)
    const isBase = url !== null && /^https?:$/.test(url.protocol) && `${url.origin}/` === url.href
    return isBase ? url.origin : undefined
  }
)

export const realm: Type<string> = ofText(
  'at most 100 printable ASCII characters without " and \\',
  (value) => (/^[ !#-[\]-~]{1,100}$/.test(value) ? value : undefined)
)

/** Names, each with a list of values, or one. */
export const headerLists: Type<Readonly<Record<string, readonly string[]>>> = {
  expected: 'names of headers, each with a list of values',
  parse(node) {
    if (node.kind !== 'section') return node.kind === 'leaf' && node.text.trim() === '' ? {} : undefined
    const given = [...node.entries].map(
      ([name, value]) => [name, value.kind === 'leaf' ? [value.text] : leavesOf(value)] as const
    )
    return given.every((header): header is readonly [string, string[]] => header[1] !== undefined)
      ? Object.fromEntries(given)
      : undefined
  }
}

/** RFC 9110 §5.6.2 and §5.5, without what is beyond ASCII. */
const HEADER_NAME = /^[!#$%&'*+.^_`|~\w-]+$/
const HEADER_VALUE = /^[\t -~]*$/

/** What HTTP or the registry says with a meaning of its own. */
const TAKEN =
  /^(accept-ranges|allow|connection|content-(encoding|length|range|type)|date|docker-.*|etag|host|keep-alive|link|location|oci-.*|proxy-.*|range|retry-after|te|trailer|transfer-encoding|upgrade|www-authenticate|x-request-id)$/i

/** By names in lower case; what has one value is that. */
export type Headers = Readonly<Record<string, string | readonly string[]>>

export const headers: Type<Headers> = {
  expected:
    'names of headers, each with a list of values in ASCII; none that answers have anyway, such as Content-Length, ' +
    'Location or Docker-…',
  parse(node) {
    const lists = headerLists.parse(node)
    if (lists === undefined) return undefined
    const given = Object.entries(lists)
    const isFine = given.every(
      ([name, values]) =>
        HEADER_NAME.test(name) && !TAKEN.test(name) && values.every((value) => HEADER_VALUE.test(value))
    )
    if (!isFine) return undefined
    return Object.fromEntries(
      given.map(([name, [first = '', ...others]]) => [
        name.toLowerCase(),
        others.length === 0 ? first : [first, ...others]
      ])
    )
  }
}

/** How much a page holds at most. As with distribution 0 and less mean the default. */
export const pageOf = (most: number): Type<number> =>
  ofText('a whole number, such as 1000', (value) => {
    const count = /^-?\d{1,15}$/.test(value) ? Number(value) : undefined
    return count !== undefined && count <= 0 ? most : count
  })

/** What lines of the log have for themselves. */
const OWN_FIELDS = new Set(['time', 'level', 'msg', 'message', '@timestamp', '@version', 'error', 'stack'])
const MOST_FIELDS = 20
const LONGEST_FIELDS = 500

/** Names and texts that every line of the log is to have: few, since a line has to stay short. */
export const fields: Type<Readonly<Record<string, string>>> = {
  expected:
    `up to ${MOST_FIELDS} names of letters, digits and any of . _ - with a text each, together at most ` +
    `${LONGEST_FIELDS} characters, such as {service: registry}`,
  parse(node) {
    if (isEmpty(node)) return {}
    if (node.kind !== 'section' || node.entries.size > MOST_FIELDS) return undefined
    const given: Record<string, string> = {}
    let length = 0
    for (const [name, value] of node.entries) {
      if (!/^[\w.-]+$/.test(name) || OWN_FIELDS.has(name) || value.kind !== 'leaf') return undefined
      given[name] = value.text
      length += name.length + value.text.length
    }
    return length > LONGEST_FIELDS ? undefined : given
  }
}

/** For what has parts that berth does not look at. */
export const anything: Type<true> = { expected: 'anything', parse: () => true }

/** The value of a default, which is written as a file would have it. */
export const parseDefault = <T>(type: Type<T>, text: string): T | undefined =>
  type.parse(leaf(text, 'default'))
