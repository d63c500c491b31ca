import { availableParallelism } from 'node:os'

const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** What berth was told, checked and frozen. Names are CNCF distribution's. */
export interface Config {
  readonly http: {
    /** An address or a host name; `::` means every address of the machine. */
    readonly host: string
    readonly port: number
    readonly secret: string | undefined
    /** How many processes answer requests. */
    readonly processes: number
    /** Paths of PEM files; without them it speaks plain HTTP. */
    readonly tls: { readonly certificate: string; readonly key: string } | undefined
  }
  readonly storage: {
    readonly filesystem: { readonly rootdirectory: string }
    readonly delete: { readonly enabled: boolean }
  }
  readonly log: { readonly level: LogLevel; readonly accesslog: { readonly disabled: boolean } }
  /** `none` says in as many words that everybody who can connect may do everything. */
  readonly auth: 'none' | undefined
}

/** Every problem of the settings at once: a line each, with the variable, what it must be and the remedy. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: readonly string[]
  constructor(problems: readonly string[]) {
    super(`the configuration has ${problems.length} problem(s):\n  ${problems.join('\n  ')}`)
    this.problems = problems
  }
}

/** More than any registry needs: a mistake rather than a wish. */
const MAX_PROCESSES = 64

/** Beyond this many CPUs the disk or the network is what limits. */
const DEFAULT_PROCESSES = 4

type Parse<T> = (text: string) => T | undefined

interface Setting<T> {
  /** In place of a value that was not given. */
  fallback: T
  parse: Parse<T>
  /** What the value must be, for the message that says it is not. */
  expected: string
}

const text: Parse<string> = (value) => value

const boolean: Parse<boolean> = (value) => (value === 'true' ? true : value === 'false' ? false : undefined)

const level: Parse<LogLevel> = (value) => LOG_LEVELS.find((known) => known === value)

const processes: Parse<number> = (value) => {
  const count = /^\d{1,2}$/.test(value) ? Number(value) : 0
  return count >= 1 && count <= MAX_PROCESSES ? count : undefined
}

const ADDRESS = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]*)):(\d{1,5})$/

function address(value: string): { host: string; port: number } | undefined {
  const [, ipv6, host = '', port = ''] = ADDRESS.exec(value) ?? []
  if (port === '' || Number(port) > 65535) return undefined
  // An empty host means every address. `localhost` is one address, so that there is one server.
  const given = ipv6 ?? host
  return { host: given === '' ? '::' : given === 'localhost' ? '127.0.0.1' : given, port: Number(port) }
}

const SETTINGS = {
  REGISTRY_HTTP_ADDR: {
    fallback: { host: '127.0.0.1', port: 5000 },
    parse: address,
    expected:
      'host:port with a port up to 65535, such as 127.0.0.1:5000, [::1]:5000 or :5000 for every address'
  },
  REGISTRY_HTTP_PROCESSES: {
    fallback: Math.min(DEFAULT_PROCESSES, availableParallelism()),
    parse: processes,
    expected: `a whole number from 1 to ${MAX_PROCESSES}`
  },
  REGISTRY_HTTP_TLS_CERTIFICATE: { fallback: undefined, parse: text, expected: 'the path of a PEM file' },
  REGISTRY_HTTP_TLS_KEY: { fallback: undefined, parse: text, expected: 'the path of a PEM file' },
  REGISTRY_HTTP_SECRET: { fallback: undefined, parse: text, expected: 'any text' },
  REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: {
    fallback: './data',
    parse: text,
    expected: 'the path of a folder'
  },
  REGISTRY_STORAGE_DELETE_ENABLED: { fallback: true, parse: boolean, expected: 'true or false' },
  REGISTRY_LOG_LEVEL: { fallback: 'info', parse: level, expected: `one of ${LOG_LEVELS.join(', ')}` },
  REGISTRY_LOG_ACCESSLOG_DISABLED: { fallback: false, parse: boolean, expected: 'true or false' },
  REGISTRY_STORAGE: {
    fallback: 'filesystem',
    parse: (value) => (value === 'filesystem' ? value : undefined),
    expected: 'filesystem (no other storage is there yet)'
  },
  REGISTRY_AUTH: {
    fallback: undefined,
    parse: (value) => (value === 'none' ? value : undefined),
    expected: 'none (no other kind of authentication is there yet)'
  }
} as const satisfies Record<string, Setting<unknown>>

type SettingName = keyof typeof SETTINGS
type Value<N extends SettingName> =
  | (typeof SETTINGS)[N]['fallback']
  | Exclude<ReturnType<(typeof SETTINGS)[N]['parse']>, undefined>

function freeze<T extends object>(value: T): T {
  for (const part of Object.values(value)) if (typeof part === 'object') freeze(part)
  return Object.freeze(value)
}

/** What would change where things are stored, who may get in or whether they may write: never to be passed over. */
const NOT_YET: [RegExp, string][] = [
  [
    /^REGISTRY_STORAGE_(?!FILESYSTEM_|DELETE_|CACHE|REDIRECT|MAINTENANCE_|TAG_)/,
    'it stores in a folder only'
  ],
  [/^REGISTRY_STORAGE_MAINTENANCE_READONLY/, 'it has no read-only mode'],
  [/^REGISTRY_HTTP_TLS_(?!CERTIFICATE$|KEY$)/, 'of TLS it knows certificate and key only'],
  [/^REGISTRY_AUTH_/, 'it knows no users'],
  [/^REGISTRY_PROXY_/, 'it is no pull-through cache']
]

/** Values that ask for what berth does anyway. */
const OFF = /^\s*(false|\{\s*enabled:\s*false\s*\})?\s*$/

/** What Kubernetes tells every pod beside a Service named `registry`. */
const KUBERNETES = /^REGISTRY_(PORT|SERVICE_)/

/** Addresses that only this machine can reach. */
const LOOPBACK = /^(127(\.\d{1,3}){3}|::1)$/

/**
 * The configuration that the environment gives, and the names of variables that look like settings but are none.
 * @throws ConfigError
 */
export function parseConfig(env: Record<string, string | undefined>): { config: Config; unknown: string[] } {
  const problems: string[] = []
  function setting<N extends SettingName>(name: N): Value<N> {
    const { fallback, parse, expected } = SETTINGS[name]
    const given = env[name]
    if (given === undefined || given.trim() === '') return fallback as Value<N>
    const value = parse(given.trim())
    if (value === undefined) problems.push(`${name}: must be ${expected}`)
    return value as Value<N>
  }

  setting('REGISTRY_STORAGE')
  const { host, port } = setting('REGISTRY_HTTP_ADDR') ?? SETTINGS.REGISTRY_HTTP_ADDR.fallback
  const certificate = setting('REGISTRY_HTTP_TLS_CERTIFICATE')
  const key = setting('REGISTRY_HTTP_TLS_KEY')
  const config: Config = {
    http: {
      host,
      port,
      secret: setting('REGISTRY_HTTP_SECRET'),
      processes: setting('REGISTRY_HTTP_PROCESSES'),
      tls: certificate === undefined || key === undefined ? undefined : { certificate, key }
    },
    storage: {
      filesystem: { rootdirectory: setting('REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY') },
      delete: { enabled: setting('REGISTRY_STORAGE_DELETE_ENABLED') }
    },
    log: {
      level: setting('REGISTRY_LOG_LEVEL'),
      accesslog: { disabled: setting('REGISTRY_LOG_ACCESSLOG_DISABLED') }
    },
    auth: setting('REGISTRY_AUTH')
  }
  if ((certificate === undefined) !== (key === undefined)) {
    const missing = key === undefined ? 'REGISTRY_HTTP_TLS_KEY' : 'REGISTRY_HTTP_TLS_CERTIFICATE'
    problems.push(`${missing}: must be set as well, or neither: TLS takes a certificate and its key`)
  }
  if (!LOOPBACK.test(host) && config.auth !== 'none') {
    problems.push(
      `REGISTRY_HTTP_ADDR: ${host === '::' ? 'every address' : host} can be reached by other machines, and nobody has ` +
        'to log in; use 127.0.0.1 or, if everybody may push and delete, set REGISTRY_AUTH=none'
    )
  }
  for (const [name, reason] of NOT_YET.flatMap(([pattern, reason]) =>
    Object.keys(env)
      .filter((name) => pattern.test(name) && !OFF.test(env[name] ?? ''))
      .map((name) => [name, reason] as const)
  )) {
    problems.push(`${name}: berth cannot do that yet (${reason}); unset it`)
  }
  const unknown = Object.keys(env).filter(
    (name) => name.startsWith('REGISTRY_') && !(name in SETTINGS) && !KUBERNETES.test(name)
  )
  if (problems.length > 0) throw new ConfigError(problems)
  return { config: freeze(config), unknown }
}
