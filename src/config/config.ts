import { availableParallelism } from 'node:os'
import {
  address,
  auth,
  baseUrl,
  boolean,
  cidrs,
  count,
  LOG_LEVELS,
  type LogLevel,
  level,
  list,
  MAX_PROCESSES,
  type Parse,
  processes,
  realm,
  storage,
  text
} from './values.ts'

export type { LogLevel } from './values.ts'

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
    /** Addresses and CIDRs of proxies whose forwarding headers tell the truth. */
    readonly trustedproxies: readonly string[]
    /** Different wrong credentials that an address may show in a minute, and times that one may be shown. */
    readonly maxfailedlogins: number
  }
  readonly storage: {
    readonly filesystem: { readonly rootdirectory: string }
    readonly delete: { readonly enabled: boolean }
  }
  readonly log: { readonly level: LogLevel; readonly accesslog: { readonly disabled: boolean } }
  /** `none` says in as many words that everybody who can connect may do everything. */
  readonly auth: 'none' | 'openshift' | 'htpasswd' | undefined
  readonly htpasswd: {
    readonly path: string
    readonly realm: string
    readonly anonymouspull: boolean
  }
  readonly openshift: {
    /** Path; without it `KUBECONFIG` or the pod's service account. */
    readonly kubeconfig: string | undefined
    readonly auth: {
      /** Tokens must be meant for one of these, if there are any. */
      readonly audiences: readonly string[]
      /** The URL under which clients find the token endpoint; without it the one by which each came. */
      readonly tokenrealm: string | undefined
      /** Whether repositories may have names of more than two parts. */
      readonly nestedrepositories: boolean
      /** Whether a repository belongs to its namespace's UID, not only to its name. */
      readonly namespaceuids: boolean
      /** Whether whoever has not logged in may list repositories. */
      readonly anonymouscatalog: boolean
      /** Whether a stale credential may get the token for a pull that needs none. */
      readonly curestalecredentials: boolean
    }
  }
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

/** Beyond this many CPUs the disk or the network is what limits. */
const DEFAULT_PROCESSES = 4

interface Setting<T> {
  /** In place of a value that was not given. */
  fallback: T
  parse: Parse<T>
  /** What the value must be, for the message that says it is not. */
  expected: string
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
    parse: storage,
    expected: 'filesystem (no other storage is there yet)'
  },
  REGISTRY_AUTH: {
    fallback: undefined,
    parse: auth,
    expected: 'openshift (which any Kubernetes cluster is, too), htpasswd or none, in lower case'
  },
  REGISTRY_AUTH_HTPASSWD_PATH: { fallback: '', parse: text, expected: 'the path of an htpasswd file' },
  REGISTRY_AUTH_HTPASSWD_REALM: {
    fallback: 'berth',
    parse: realm,
    expected: 'at most 100 printable ASCII characters without " and \\'
  },
  REGISTRY_AUTH_HTPASSWD_ANONYMOUSPULL: { fallback: false, parse: boolean, expected: 'true or false' },
  REGISTRY_HTTP_TRUSTEDPROXIES: {
    fallback: [] as readonly string[],
    parse: cidrs,
    expected: 'addresses or CIDRs separated by commas, such as 10.128.0.0/14, fd01::/48'
  },
  REGISTRY_HTTP_MAXFAILEDLOGINS: { fallback: 300, parse: count, expected: 'a whole number from 1 to 1000' },
  REGISTRY_OPENSHIFT_KUBECONFIG: { fallback: undefined, parse: text, expected: 'the path of a kubeconfig' },
  REGISTRY_OPENSHIFT_AUTH_AUDIENCES: {
    fallback: [] as readonly string[],
    parse: list,
    expected: 'audiences separated by commas'
  },
  REGISTRY_OPENSHIFT_AUTH_TOKENREALM: {
    fallback: undefined,
    parse: baseUrl,
    expected: 'a URL without a path, such as https://registry.example.com'
  },
  REGISTRY_OPENSHIFT_AUTH_NESTEDREPOSITORIES: { fallback: false, parse: boolean, expected: 'true or false' },
  REGISTRY_OPENSHIFT_AUTH_NAMESPACEUIDS: { fallback: true, parse: boolean, expected: 'true or false' },
  REGISTRY_OPENSHIFT_AUTH_ANONYMOUSCATALOG: { fallback: false, parse: boolean, expected: 'true or false' },
  REGISTRY_OPENSHIFT_AUTH_CURESTALECREDENTIALS: { fallback: true, parse: boolean, expected: 'true or false' }
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
  [/^REGISTRY_AUTH_(?!HTPASSWD_|FILE$|PORT|SERVICE_)/, 'of authentication it knows openshift and htpasswd'],
  [/^REGISTRY_PROXY_/, 'it is no pull-through cache']
]

/** Values that ask for what berth does anyway. */
const OFF = /^\s*(false|\{\s*enabled:\s*false\s*\})?\s*$/

/** What Kubernetes tells every pod beside a Service named `registry` or `registry-auth`, and podman's own. */
const OTHERS = /^REGISTRY_(PORT|SERVICE_|AUTH_PORT|AUTH_SERVICE_|AUTH_FILE$)/

/** A shorter one can be guessed: whoever has a token can try. */
const SHORTEST_SECRET = 16

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
      tls: certificate === undefined || key === undefined ? undefined : { certificate, key },
      trustedproxies: setting('REGISTRY_HTTP_TRUSTEDPROXIES'),
      maxfailedlogins: setting('REGISTRY_HTTP_MAXFAILEDLOGINS')
    },
    storage: {
      filesystem: { rootdirectory: setting('REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY') },
      delete: { enabled: setting('REGISTRY_STORAGE_DELETE_ENABLED') }
    },
    log: {
      level: setting('REGISTRY_LOG_LEVEL'),
      accesslog: { disabled: setting('REGISTRY_LOG_ACCESSLOG_DISABLED') }
    },
    auth: setting('REGISTRY_AUTH'),
    htpasswd: {
      path: setting('REGISTRY_AUTH_HTPASSWD_PATH'),
      realm: setting('REGISTRY_AUTH_HTPASSWD_REALM'),
      anonymouspull: setting('REGISTRY_AUTH_HTPASSWD_ANONYMOUSPULL')
    },
    openshift: {
      kubeconfig: setting('REGISTRY_OPENSHIFT_KUBECONFIG'),
      auth: {
        audiences: setting('REGISTRY_OPENSHIFT_AUTH_AUDIENCES'),
        tokenrealm: setting('REGISTRY_OPENSHIFT_AUTH_TOKENREALM'),
        nestedrepositories: setting('REGISTRY_OPENSHIFT_AUTH_NESTEDREPOSITORIES'),
        namespaceuids: setting('REGISTRY_OPENSHIFT_AUTH_NAMESPACEUIDS'),
        anonymouscatalog: setting('REGISTRY_OPENSHIFT_AUTH_ANONYMOUSCATALOG'),
        curestalecredentials: setting('REGISTRY_OPENSHIFT_AUTH_CURESTALECREDENTIALS')
      }
    }
  }
  if (config.auth === 'htpasswd' && config.htpasswd.path === '') {
    problems.push(
      'REGISTRY_AUTH_HTPASSWD_PATH: must be set, to the path of a file with lines that `htpasswd -nbB user password` prints'
    )
  }
  if ((certificate === undefined) !== (key === undefined)) {
    const missing = key === undefined ? 'REGISTRY_HTTP_TLS_KEY' : 'REGISTRY_HTTP_TLS_CERTIFICATE'
    problems.push(`${missing}: must be set as well, or neither: TLS takes a certificate and its key`)
  }
  if (config.auth !== 'htpasswd' && config.htpasswd.path !== '') {
    problems.push(
      'REGISTRY_AUTH_HTPASSWD_PATH: counts only with REGISTRY_AUTH=htpasswd; set that, or unset this'
    )
  }
  const { secret } = config.http
  const signsTokens = config.auth === 'openshift' || config.auth === 'htpasswd'
  if (signsTokens && secret !== undefined && secret.length < SHORTEST_SECRET) {
    problems.push(
      `REGISTRY_HTTP_SECRET: signs tokens, so it must have ${SHORTEST_SECRET} characters or more, such as \`openssl rand -hex 32\` prints`
    )
  }
  if (!LOOPBACK.test(host) && config.auth === undefined) {
    problems.push(
      `REGISTRY_HTTP_ADDR: ${host === '::' ? 'every address' : host} can be reached by other machines, and nobody has ` +
        'to log in; use 127.0.0.1, set REGISTRY_AUTH to openshift or htpasswd or, if everybody may push and delete, REGISTRY_AUTH=none'
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
    (name) => name.startsWith('REGISTRY_') && !(name in SETTINGS) && !OTHERS.test(name)
  )
  if (problems.length > 0) throw new ConfigError(problems)
  return { config: freeze(config), unknown }
}
