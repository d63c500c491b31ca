import { isIP } from 'node:net'

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

const AUTHS = ['none', 'openshift', 'htpasswd'] as const

/** More than any registry needs: a mistake rather than a wish. */
export const MAX_PROCESSES = 64

/** Undefined for what it cannot be. */
export type Parse<T> = (text: string) => T | undefined

export const text: Parse<string> = (value) => value

export const boolean: Parse<boolean> = (value) =>
  value === 'true' ? true : value === 'false' ? false : undefined

export const level: Parse<LogLevel> = (value) => LOG_LEVELS.find((known) => known === value)

export const processes: Parse<number> = (value) => {
  const count = /^\d{1,2}$/.test(value) ? Number(value) : 0
  return count >= 1 && count <= MAX_PROCESSES ? count : undefined
}

const ADDRESS = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]*)):(\d{1,5})$/

export function address(value: string): { host: string; port: number } | undefined {
  const [, ipv6, host = '', port = ''] = ADDRESS.exec(value) ?? []
  if (port === '' || Number(port) > 65535) return undefined
  // An empty host means every address. `localhost` is one address, so that there is one server.
  const given = ipv6 ?? host
  return { host: given === '' ? '::' : given === 'localhost' ? '127.0.0.1' : given, port: Number(port) }
}

/** Separated by commas or spaces, or as YAML writes a list: `[a, b]`. */
export const list: Parse<readonly string[]> = (value) => {
  const inner = /^\[(.*)\]$/.exec(value)?.[1] ?? value
  const items = inner.split(/[\s,]+/).map((item) => item.replace(/^(["'])(.*)\1$/, '$2'))
  return items.filter((item) => item !== '')
}

export const cidrs: Parse<readonly string[]> = (value) => {
  const items = list(value)
  return items?.every(isCidr) ? items : undefined
}

function isCidr(text: string): boolean {
  const [, address = '', length] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? []
  const family = isIP(address)
  return family !== 0 && !address.includes('%') && Number(length ?? 0) <= (family === 4 ? 32 : 128)
}

export const count: Parse<number> = (value) =>
  /^\d{1,4}$/.test(value) && Number(value) > 0 && Number(value) <= 1000 ? Number(value) : undefined

/** Scheme, host and port, and nothing else. */
export const baseUrl: Parse<string> = (value) => {
  const url = URL.parse(value)
  const isBase = url !== null && /^https?:$/.test(url.protocol) && `${url.origin}/` === url.href
  return isBase ? url.origin : undefined
}

export const storage: Parse<'filesystem'> = (value) => (value === 'filesystem' ? value : undefined)

export const auth: Parse<(typeof AUTHS)[number]> = (value) => AUTHS.find((known) => known === value)

export const realm: Parse<string> = (value) => (/^[ !#-[\]-~]{1,100}$/.test(value) ? value : undefined)
