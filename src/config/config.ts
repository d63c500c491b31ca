import type { StorageOptions } from '../../storage/options.ts'
import type { ClientAuth, Headers, LogLevel } from './values.ts'

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
    /** Without it it speaks plain HTTP. */
    readonly tls: TlsConfig | undefined
    /** How long open requests get when berth is to stop, in milliseconds. */
    readonly draintimeout: number
    /** Addresses and CIDRs of proxies whose forwarding headers tell the truth. */
    readonly trustedproxies: readonly string[]
    /** What every answer gets. */
    readonly headers: Headers
    /** Different wrong credentials that an address may show in a minute, and times that one may be shown. */
    readonly maxfailedlogins: number
  }
  readonly storage: StorageOptions & {
    readonly filesystem: {
      readonly rootdirectory: string
      /** The part of the volume that new uploads leave free, 0 to 0.5. */
      readonly reserve: number
    }
    readonly delete: { readonly enabled: boolean }
    readonly maintenance: {
      readonly readonly: { readonly enabled: boolean }
      /** Of uploads that nobody goes on with; both times in milliseconds. */
      readonly uploadpurging: {
        readonly enabled: boolean
        readonly age: number
        readonly interval: number
        readonly dryrun: boolean
      }
    }
  }
  readonly log: {
    readonly level: LogLevel
    readonly formatter: 'text' | 'json' | 'logstash'
    /** What every line says as well. */
    readonly fields: Readonly<Record<string, string>>
    readonly accesslog: { readonly disabled: boolean }
  }
  /** How often the storage is looked at, and how many failures in a row count; undefined: never. */
  readonly storageHealth: { readonly intervalMs: number; readonly threshold: number } | undefined
  /** How much a page of repositories, or of tags, holds at most. */
  readonly pages: { readonly repositories: number; readonly tags: number }
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
    /** Whether the log tells who did what to which repository. */
    readonly audit: { readonly enabled: boolean }
    /** `/extensions/v2/metrics`: who shows the secret may read it; without one the cluster decides. */
    readonly metrics: { readonly enabled: boolean; readonly secret: string | undefined }
    /** How many requests run and wait at once, over all processes. */
    readonly requests: { readonly read: RequestLimit; readonly write: RequestLimit }
  }
}

export interface RequestLimit {
  /** 0: as many as come. */
  readonly maxrunning: number
  readonly maxinqueue: number
  /** Milliseconds; 0: for ever. */
  readonly maxwaitinqueue: number
}

export interface TlsConfig {
  /** Paths of PEM files. */
  readonly certificate: string
  readonly key: string
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3'
  /** As OpenSSL has them, separated by colons; undefined: Node's own. */
  readonly ciphers: string | undefined
  /** Paths of PEM files with the authorities of clients. */
  readonly clientcas: readonly string[]
  /** Undefined without such files: clients are asked for no certificates. */
  readonly clientauth: ClientAuth | undefined
  /** Whether HTTP/2 is offered beside HTTP/1.1. */
  readonly http2: boolean
}

/** Every problem of the settings at once: a line each, with the variable, what it must be and the remedy. Notes may explain them. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: readonly string[]
  constructor(problems: readonly string[], notes: readonly string[] = []) {
    const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`
    super(`the configuration has ${count}:\n  ${[...problems, ...notes].join('\n  ')}`)
    this.problems = problems
  }
}
