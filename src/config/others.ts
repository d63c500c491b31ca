import {
  DEBUG,
  ENDPOINTS,
  FILE_CHECKS,
  HTTP_CHECKS,
  LETS_ENCRYPT,
  LOG_HOOKS,
  MIDDLEWARE,
  PLATFORM_RULES,
  PROXY,
  REDIS,
  REPORTING,
  type Shape,
  TCP_CHECKS,
  URL_RULES
} from './sections.ts'
import { boolean, duration, list, number, oneOf, text } from './values.ts'

/** A setting of distribution or OpenShift that berth does not obey. */
export interface Other {
  readonly shape: Shape
  /** Why nothing comes of it: said in a warning, once. */
  readonly ignored?: string
  /** Why berth does not start with it: it would change where images are stored, who may get in, or what they may do. */
  readonly refused?: string
  /** Values that ask for what berth does anyway, or for nothing by themselves. */
  readonly fine?: readonly string[]
  readonly secret?: true
}

const ignored = (shape: Shape, reason: string, ...fine: string[]): Other => ({
  shape,
  ignored: reason,
  fine
})
const refused = (shape: Shape, reason: string, ...fine: string[]): Other => ({
  shape,
  refused: reason,
  fine
})

const HEALTH = 'it looks at the storage only'
const EVENTS = 'it tells nobody of events'
const VALIDATION = 'it checks what OCI asks for'
const SCHEMA1 = 'it takes no schema 1 manifests'
const MIRROR = 'it is no pull-through cache'
const CACHE = 'what it remembers, it remembers for 5 s'

/** In the order of docs/configuration.md. A section whose parts have one reason is one setting. */
export const OTHERS: Readonly<Record<string, Other>> = {
  'log.hooks': ignored(LOG_HOOKS, 'it sends no mail'),
  'log.reportcaller': ignored(boolean, 'it names no source lines', 'false'),
  'http.net': refused(oneOf('tcp', 'unix'), 'it listens on TCP only', 'tcp'),
  'http.prefix': ignored(text, 'it answers at /v2/', '/'),
  'http.host': ignored(text, 'its URLs are relative; see openshift.auth.tokenrealm'),
  'http.relativeurls': ignored(boolean, 'its URLs are always relative', 'true'),
  'http.debug': ignored(DEBUG, 'it has no debug server; for metrics see openshift.metrics'),
  'http.h2c.enabled': ignored(boolean, 'without TLS it speaks HTTP/1.1', 'false'),
  'http.tls.letsencrypt': refused(LETS_ENCRYPT, 'it gets no certificates by itself'),
  'storage.filesystem.maxthreads': ignored(number, 'UV_THREADPOOL_SIZE says it'),
  'storage.cache.blobdescriptor': ignored(oneOf('inmemory', 'redis'), CACHE, 'inmemory'),
  'storage.cache.layerinfo': ignored(oneOf('inmemory', 'redis'), CACHE, 'inmemory'),
  'storage.cache.blobdescriptorsize': ignored(number, CACHE),
  'storage.s3.v4auth': refused(boolean, 'AWS accepts no signatures of version 2 any more', 'true'),
  'storage.s3.loglevel': ignored(text, 'its own log tells of calls that fail', 'off'),
  'storage.s3.multipartcombinesmallpart': ignored(boolean, 'its parts are never small', 'true', 'false'),
  'storage.azure.connectionstring': {
    ...ignored(text, 'it goes by accountname, accountkey and serviceurl'),
    secret: true
  },
  'storage.tag.concurrencylimit': ignored(number, 'it has a limit of its own'),
  'middleware.registry': ignored(MIDDLEWARE, 'it has no middleware'),
  'middleware.repository': ignored(MIDDLEWARE, 'it has no middleware'),
  'health.file': ignored(FILE_CHECKS, HEALTH),
  'health.http': ignored(HTTP_CHECKS, HEALTH),
  'health.tcp': ignored(TCP_CHECKS, HEALTH),
  'validation.enabled': ignored(boolean, VALIDATION, 'true', 'false'),
  'validation.disabled': ignored(boolean, VALIDATION, 'true', 'false'),
  'validation.manifests.urls': ignored(URL_RULES, VALIDATION),
  'validation.manifests.indexes': ignored(PLATFORM_RULES, VALIDATION),
  'compatibility.schema1.enabled': ignored(boolean, SCHEMA1, 'false'),
  'compatibility.schema1.signingkeyfile': ignored(text, SCHEMA1),
  'notifications.events.includereferences': ignored(boolean, EVENTS, 'true', 'false'),
  'notifications.endpoints': ignored(ENDPOINTS, EVENTS),
  redis: ignored(REDIS, 'it uses no Redis'),
  reporting: ignored(REPORTING, 'it reports to nobody'),
  proxy: refused(PROXY, MIRROR),
  'policy.repository.classes': refused(list('a list of classes'), 'it cannot tell classes of repositories'),
  'openshift.server.addr': ignored(text, 'it has no image streams yet'),
  'openshift.auth.realm': ignored(text, 'challenges name the token endpoint', 'openshift', 'origin'),
  'openshift.quota.enabled': ignored(boolean, 'it has no quotas yet', 'false'),
  'openshift.quota.cachettl': ignored(duration, 'it has no quotas yet', '1m'),
  'openshift.cache.disabled': ignored(boolean, CACHE, 'false'),
  'openshift.cache.blobrepositoryttl': ignored(duration, CACHE, '10m'),
  'openshift.pullthrough.enabled': ignored(boolean, MIRROR, 'false'),
  'openshift.pullthrough.mirror': ignored(boolean, MIRROR, 'true', 'false'),
  'openshift.compatibility.acceptschema2': refused(boolean, 'it accepts Docker’s schema 2', 'true')
}
