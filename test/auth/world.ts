import type { Test } from 'tap'
import { createClusterAuthority } from '../../src/auth/cluster.ts'
import { createExternalOrigin } from '../../src/auth/external-origin.ts'
import { createFailures } from '../../src/auth/failures.ts'
import type { IdentityParts } from '../../src/auth/identity.ts'
import { createKeyRing, deriveKeys, hashWith, TOKEN_LIFE_MS } from '../../src/auth/keys.ts'
import { createOwnership, createUnchecked } from '../../src/auth/ownership.ts'
import { createTold } from '../../src/auth/told.ts'
import { createApiServer } from '../../src/kubernetes/api-server.ts'
import type { TransportOptions } from '../../src/kubernetes/transport.ts'
import type { Limits } from '../../src/operations/limits.ts'
import type { Fields } from '../../src/operations/logs/format.ts'
import type { Logger } from '../../src/operations/logs.ts'
import { createRecorder } from '../../src/operations/metrics/recorder.ts'
import { createRegistry } from '../../src/registry/registry.ts'
import { alone, type Siblings } from '../../src/registry/siblings.ts'
import type { StorageDriver } from '../../storage/driver.ts'
import { memoryStorage } from '../../storage/memory.ts'
import { type Ask, type Berth, berth } from '../http/support.ts'
import { type FakeCluster, fakeCluster } from '../kubernetes/fake-api-server.ts'

export const HOST = 'registry.example.com'

export interface World extends Berth {
  cluster: FakeCluster
  /** What was logged, a line each; those of requests apart. */
  lines: string[]
  accessLines: Fields[]
  /** Exchanges a credential for a token of the registry. */
  exchange(authorization: string | undefined, ...scopes: string[]): Promise<string>
  /** Lets time pass for whatever is remembered. */
  pass(ms: number): void
}

export interface WorldOptions {
  cluster?: FakeCluster
  storage?: StorageDriver
  siblings?: Siblings
  leads?: boolean
  audiences?: readonly string[]
  nested?: boolean
  namespaceUids?: boolean
  anonymousCatalog?: boolean
  cureStaleCredentials?: boolean
  maxFailedLogins?: number
  trustedProxies?: readonly string[]
  secret?: string
  deletes?: boolean
  accessLog?: boolean
  limits?: Limits
  /** Who shows it may read metrics. */
  metricsSecret?: string
  /** For calls to the API server. */
  transport?: TransportOptions
  /** In place of `lines` and `accessLines`. */
  logger?: Logger
  isAudited?: boolean
}

export const bearer = (token: string): string => `Bearer ${token}`
export const basic = (token: string, name = 'anyone'): string =>
  `Basic ${Buffer.from(`${name}:${token}`).toString('base64')}`

/** A registry that a cluster decides about, in this process. */
export async function world(t: Test, options: WorldOptions = {}): Promise<World> {
  const { storage = memoryStorage(), siblings = alone, leads = true, deletes = true } = options
  const cluster = options.cluster ?? (await fakeCluster(t))
  const lines: string[] = []
  const accessLines: Fields[] = []
  const logger = options.logger ?? loggerInto(lines, accessLines)
  let passed = 0
  const now = (): number => Date.now() + passed
  const keys = createKeyRing(deriveKeys(options.secret ?? 'a secret'), {
    tokenLifeMs: TOKEN_LIFE_MS,
    settleMs: 0,
    now
  })
  const registry = createRegistry(storage, { siblings, leads, pause: async () => {} })
  const api = createApiServer(await cluster.connection(), options.transport)
  const told = createTold({ logger, now })
  const authority = createClusterAuthority({
    told,
    api,
    audiences: options.audiences ?? [],
    nested: options.nested ?? false,
    siblings,
    hash: hashWith(keys),
    logger,
    now
  })
  const identity: IdentityParts = {
    authority,
    keys,
    failures: createFailures({ max: options.maxFailedLogins ?? 1000, now }),
    ownership:
      options.namespaceUids === false
        ? createUnchecked(registry.owners)
        : createOwnership({ told, api, owners: registry.owners, siblings, logger, now }),
    anonymousCatalog: options.anonymousCatalog ?? false,
    cureStaleCredentials: options.cureStaleCredentials ?? true,
    close: api.close,
    now
  }
  const server = await berth(t, {
    storage,
    registry,
    logger,
    identity,
    deletes,
    accessLog: options.accessLog ?? false,
    ...(options.limits !== undefined && { limits: options.limits }),
    isAudited: options.isAudited ?? false,
    metrics: { recorder: createRecorder(), secret: options.metricsSecret, text: async () => 'metrics\n' },
    origin: createExternalOrigin({ trustedProxies: options.trustedProxies ?? [] })
  })
  const ask = (method: string, url: string, { headers = {}, ...rest }: Ask = {}) =>
    server.ask(method, url, { headers: { host: HOST, ...headers }, ...rest })
  return {
    ...server,
    ask,
    cluster,
    lines,
    accessLines,

    async exchange(authorization, ...scopes) {
      const query = new URLSearchParams(scopes.map((scope): [string, string] => ['scope', scope]))
      const headers = authorization === undefined ? {} : { authorization }
      const answer = await ask('GET', `/openshift/token?${query}`, { headers })
      if (answer.statusCode !== 200) throw new Error(`${answer.statusCode}: ${answer.body}`)
      return answer.json().token
    },

    pass(ms) {
      passed += ms
    }
  }
}

function loggerInto(lines: string[], accessLines: Fields[]): Logger {
  const write = (what: unknown, text?: string): void => {
    lines.push(typeof what === 'string' ? what : `${text ?? ''} ${(what as Error)?.message ?? ''}`)
  }
  const logger: Logger = {
    level: 'info',
    silent() {},
    trace() {},
    debug() {},
    info: write,
    warn: write,
    error: write,
    setLevel() {},
    fatal: write,
    child: () => logger,
    access: (_level, _message, fields) => void accessLines.push(fields),
    audit() {},
    whenReady(go) {
      go()
      return undefined
    },
    isWritten: () => true,
    flush() {}
  }
  return logger
}

/** The same, as somebody who shows this credential with each request. */
export function as(world: World, authorization: string): World {
  return {
    ...world,
    ask: (method, url, { headers = {}, ...rest } = {}) =>
      world.ask(method, url, { headers: { authorization, ...headers }, ...rest })
  }
}
