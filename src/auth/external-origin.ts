import type { IncomingHttpHeaders } from 'node:http'
import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net'
import { parseForwarded } from './forwarded.ts'

/** What of a request says where it came from. */
export interface Incoming {
  headers: IncomingHttpHeaders
  /** Of the connection; undefined once it is closed. */
  remoteAddress: string | undefined
  /** Whether it came over TLS. */
  encrypted: boolean
}

export function incomingOf({
  headers,
  socket
}: {
  headers: IncomingHttpHeaders
  socket: { remoteAddress?: string | undefined }
}): Incoming {
  return { headers, remoteAddress: socket.remoteAddress, encrypted: 'encrypted' in socket }
}

export interface ExternalOriginOptions {
  /** Addresses and CIDRs (`http.trustedproxies`, checked there) of proxies whose forwarding headers tell the truth. */
  trustedProxies: readonly string[]
  /** `auth.tokenrealm`, checked there: an origin, for a registry that is known by one address. */
  tokenRealm?: string | undefined
}

/** How clients reach this registry, and from where: two things that a proxy in front of it changes. */
export interface ExternalOrigin {
  /** `http[s]://host[:port]` by which the client came, without a slash at the end. Undefined where the headers name no
   *  host that could be one. */
  origin(request: Incoming): string | undefined
  /** The address of the nearest peer that is no trusted proxy; an IPv4 address in IPv4's form. Undefined for a
   *  connection that is closed. */
  clientAddress(request: Incoming): string | undefined
}

/**
 * `X-Forwarded-Host`, `-Port`, `-Proto` and `-For`, and for what they leave open `Forwarded` (RFC 7239), are believed
 * only of trusted proxies.
 */
export function createExternalOrigin({ trustedProxies, tokenRealm }: ExternalOriginOptions): ExternalOrigin {
  const proxies = blockOf(trustedProxies)
  const isTrusted = (address: string | undefined) =>
    address !== undefined && proxies.check(address, isIPv4(address) ? 'ipv4' : 'ipv6')

  return {
    origin({ headers, remoteAddress, encrypted }) {
      if (tokenRealm !== undefined) return tokenRealm
      if (!isTrusted(plainAddress(remoteAddress))) return joinOrigin(headers.host, undefined, encrypted)
      const forwarded = parseForwarded(headers.forwarded)
      if (forwarded === undefined) return undefined
      const first = (name: string) => nonEmpty(listOf(headers[name])[0])
      const host = first('x-forwarded-host')
      return joinOrigin(
        host ?? forwarded.find((hop) => hop.host)?.host ?? headers.host,
        host === undefined ? undefined : first('x-forwarded-port'),
        encrypted,
        first('x-forwarded-proto') ?? forwarded.find((hop) => hop.proto)?.proto
      )
    },

    clientAddress({ headers, remoteAddress }) {
      let address = plainAddress(remoteAddress)
      if (!isTrusted(address)) return address
      const stated = headers['x-forwarded-for']
      const hops =
        stated === undefined
          ? (parseForwarded(headers.forwarded) ?? []).map((hop) => hop.for)
          : listOf(stated)
      for (const hop of hops.reverse()) {
        const before = nodeAddress(hop)
        if (before === undefined) break
        address = before
        if (!isTrusted(address)) break
      }
      return address
    }
  }
}

function blockOf(networks: readonly string[]): BlockList {
  const block = new BlockList()
  for (const network of networks) {
    const [address = '', length] = network.split('/')
    const [family, most] = isIPv4(address) ? (['ipv4', 32] as const) : (['ipv6', 128] as const)
    block.addSubnet(address, Number(length ?? most), family)
  }
  return block
}

const SCHEME = /^https?$/i
const PORT = /^\d{1,5}$/
/** A registered name or an IPv4 address, or an IPv6 address in brackets; then perhaps a port. */
const HOST = /^(?:([\w.-]{1,253})|\[([\da-f:.]+)\])(?::(\d{0,5}))?$/i

/** Rules of OpenShift's registry: a port that is stated apart counts, and the default port is dropped unless the host
 *  states it. */
function joinOrigin(
  host: string | undefined,
  port: string | undefined,
  encrypted: boolean,
  proto?: string
): string | undefined {
  const parts = parseHost(host)
  if (parts === undefined || !(SCHEME.test(proto ?? 'http') && PORT.test(port ?? '1'))) return undefined
  const shown = port ?? parts.port
  const scheme = proto?.toLowerCase() ?? (encrypted || shown === '443' ? 'https' : 'http')
  const isDefault = shown === (scheme === 'https' ? '443' : '80') && parts.port === ''
  const origin = `${scheme}://${parts.name}${shown === '' || isDefault ? '' : `:${shown}`}`
  return URL.canParse(origin) ? origin : undefined
}

/** The port is empty where none is stated; some proxies leave out the brackets of an IPv6 address. */
function parseHost(text = ''): { name: string; port: string } | undefined {
  if (isIPv6(text)) return { name: `[${text}]`, port: '' }
  const [, name, ipv6, port = ''] = HOST.exec(text) ?? []
  if (name !== undefined) return { name, port }
  return ipv6 !== undefined && isIPv6(ipv6) ? { name: `[${ipv6}]`, port } : undefined
}

/** `1.2.3.4`, `1.2.3.4:5`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:5` as an address; undefined for all else. */
function nodeAddress(text = ''): string | undefined {
  if (isIP(text) !== 0) return plainAddress(text)
  const [, name, ipv6] = HOST.exec(text) ?? []
  const address = name ?? ipv6
  return address !== undefined && isIP(address) !== 0 ? plainAddress(address) : undefined
}

const MAPPED = /^::ffff:(?:([\d.]+)|([\da-f]{1,4}):([\da-f]{1,4}))$/i

/** Without a zone, and an IPv4 address as such where a socket for both families wraps it. */
function plainAddress(address: string | undefined): string | undefined {
  const bare = address?.replace(/%.*$/, '')
  const [, dotted, high, low] = MAPPED.exec(bare ?? '') ?? []
  if (dotted !== undefined && isIPv4(dotted)) return dotted
  if (high === undefined || low === undefined) return bare
  return [high, low]
    .map((group) => Number.parseInt(group, 16))
    .flatMap((group) => [group >> 8, group & 255])
    .join('.')
}

function listOf(value: string | readonly string[] | undefined): string[] {
  return value === undefined
    ? []
    : value
        .toString()
        .split(',')
        .map((item) => item.trim())
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text
}
