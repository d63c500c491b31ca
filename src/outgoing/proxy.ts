import { BlockList, isIP, isIPv4 } from 'node:net'

/** A proxy for connections that berth makes. */
export interface HttpProxy {
  /** `http` or `https`, with a password if there is one: not to be shown. */
  readonly url: string
  /** Where it was named, for messages: a variable, or a place in a file. */
  readonly origin: string
}

/** In words for an administrator, without a password. */
export class ProxyError extends Error {
  override readonly name = 'ProxyError'
}

export type Environment = Readonly<Record<string, string | undefined>>

/**
 * The proxy that the environment names for a URL, if any: `HTTPS_PROXY` or `HTTP_PROXY`, unless `NO_PROXY` excepts the
 * host; each in lower case as well. The rules are those of Go, and so of what else runs in a cluster: Node's own know no
 * CIDRs. This machine itself is never reached through a proxy.
 * @throws ProxyError for what is no URL of a proxy that can be used
 */
export function proxyFor(url: URL, env: Environment): HttpProxy | undefined {
  const names = url.protocol === 'https:' ? ['HTTPS_PROXY', 'https_proxy'] : ['HTTP_PROXY', 'http_proxy']
  const origin = names.find((name) => env[name])
  if (origin === undefined) return undefined
  const host = url.hostname.toLowerCase().replace(/^\[|\]$|\.$/g, '')
  const port = url.port || (url.protocol === 'https:' ? '443' : '80')
  if (isThisMachine(host) || isExcepted(host, port, env.NO_PROXY || env.no_proxy || '')) return undefined
  return parseProxy(env[origin] ?? '', origin)
}

/** @param origin where it was named
 *  @throws ProxyError */
export function parseProxy(text: string, origin: string): HttpProxy {
  const value = text.trim()
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(value) ? value : `http://${value}`)
  const isUsable = url !== null && /^https?:$/.test(url.protocol) && url.hostname !== '' && isDecodable(url)
  if (!isUsable) {
    throw new ProxyError(
      `${origin} must be the URL of an HTTP proxy, such as http://proxy.example.com:3128 or http://user:password@proxy:3128`
    )
  }
  return { url: url.href, origin }
}

/** Options of an agent of node:http or node:https all of whose connections go through the proxy, or none. */
export function agentOptions(proxy: HttpProxy | undefined): { proxyEnv?: Record<string, string> } {
  return proxy === undefined ? {} : { proxyEnv: { HTTP_PROXY: proxy.url, HTTPS_PROXY: proxy.url } }
}

/** As it may be told. */
export function shownProxy({ url, origin }: HttpProxy): string {
  return `${new URL(url).origin} (${origin})`
}

function isDecodable({ username, password }: URL): boolean {
  try {
    decodeURIComponent(username + password)
    return true
  } catch {
    return false
  }
}

const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4')
LOOPBACK.addAddress('::1', 'ipv6')

const isThisMachine = (host: string): boolean => host === 'localhost' || isIn(LOOPBACK, host)

const isIn = (list: BlockList, address: string): boolean =>
  isIP(address) !== 0 && list.check(address, isIPv4(address) ? 'ipv4' : 'ipv6')

/** @param list of `*`, addresses, CIDRs and domains, all but CIDRs perhaps with a port; separated by commas */
function isExcepted(host: string, port: string, list: string): boolean {
  return list.split(',').some((item) => matches(item.trim().toLowerCase(), host, port))
}

const CIDR = /^([0-9a-f:.]+)\/(\d{1,3})$/
const WITH_PORT = /^(?:\[([^\]]*)\]|([^:]*)):(\d+)$/

function matches(item: string, host: string, port: string): boolean {
  if (item === '*') return true
  const [, network = '', length = ''] = CIDR.exec(item) ?? []
  if (isIP(network) !== 0) return isInSubnet(host, network, Number(length))
  const [, ipv6, name = ipv6 ?? item, itsPort = port] = isIP(item) === 0 ? (WITH_PORT.exec(item) ?? []) : []
  if (name === '' || itsPort !== port) return false
  if (isIP(name) !== 0) return isSameAddress(name, host)
  // `.example.com` and `*.example.com` mean what is below the domain, `example.com` that and itself.
  const domain = name.replace(/^\*(?=\.)/, '')
  return domain.startsWith('.') ? host.endsWith(domain) : host === domain || host.endsWith(`.${domain}`)
}

function isInSubnet(host: string, network: string, length: number): boolean {
  const family = isIPv4(network) ? 'ipv4' : 'ipv6'
  if (length > (family === 'ipv4' ? 32 : 128)) return false
  const list = new BlockList()
  list.addSubnet(network, length, family)
  return isIn(list, host)
}

/** An IPv6 address can be written in several ways. */
function isSameAddress(one: string, other: string): boolean {
  return isInSubnet(other, one, isIPv4(one) ? 32 : 128)
}
