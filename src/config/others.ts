import { anything, boolean, duration, level, list, number, oneOf, type Type, text } from './values.ts'

/** A setting of distribution or OpenShift that berth does not obey. */
export interface Other {
  readonly type: Type<unknown>
  /** Why nothing comes of it: said in a warning, once. */
  readonly ignored?: string
  /** Why berth does not start with it: it would change where images are stored, who may get in, or what they may do. */
  readonly refused?: string
  /** Values that ask for what berth does anyway, or for nothing by themselves. */
  readonly fine?: readonly string[]
  readonly secret?: true
}

const ignored = (type: Type<unknown>, reason: string, ...fine: string[]): Other => ({
  type,
  ignored: reason,
  fine
})
const refused = (type: Type<unknown>, reason: string, ...fine: string[]): Other => ({
  type,
  refused: reason,
  fine
})

const HEALTH = 'it looks at the storage only'
const LIMITS = 'it limits no requests yet'
const MIRROR = 'it is no pull-through cache'
const PURGE = 'uploads are removed after a week'
const CACHE = 'what it remembers, it remembers for 5 s'

/** In the order of docs/configuration.md. What has parts that berth does not look at is one setting. */
export const OTHERS: Readonly<Record<string, Other>> = {
  'log.formatter': ignored(text, 'lines are text', 'text'),
  'log.fields': ignored(anything, 'lines have no such fields'),
  'log.hooks': ignored(anything, 'it sends no mail'),
  'log.reportcaller': ignored(boolean, 'it names no source lines', 'false'),
  loglevel: ignored(level, 'log.level has replaced it'),
  'http.net': refused(oneOf('tcp', 'unix'), 'it listens on TCP only', 'tcp'),
  'http.prefix': ignored(text, 'it answers at /v2/', '/'),
  'http.host': ignored(text, 'its URLs are relative; see openshift.auth.tokenrealm'),
  'http.relativeurls': ignored(boolean, 'its URLs are always relative', 'true'),
  'http.headers': ignored(anything, 'it sends its own'),
  'http.debug': ignored(anything, 'it has no debug server'),
  'http.http2.disabled': ignored(boolean, 'it speaks HTTP/1.1', 'true'),
  'http.h2c.enabled': ignored(boolean, 'it speaks HTTP/1.1', 'false'),
  // It asks for TLS 1.2 at least: older values ask for no more than that.
  'http.tls.minimumtls': refused(
    oneOf('tls1.0', 'tls1.1', 'tls1.2', 'tls1.3'),
    'it asks for TLS 1.2 or newer',
    'tls1.0',
    'tls1.1',
    'tls1.2'
  ),
  'http.tls.minversion': refused(
    oneOf('VersionTLS10', 'VersionTLS11', 'VersionTLS12', 'VersionTLS13'),
    'it asks for TLS 1.2 or newer',
    'VersionTLS10',
    'VersionTLS11',
    'VersionTLS12'
  ),
  'http.tls.ciphersuites': ignored(list('names of cipher suites'), 'it offers Node’s'),
  'http.tls.clientcas': refused(list('paths of PEM files'), 'it asks for no client certificates'),
  'http.tls.clientauth': refused(text, 'it asks for no client certificates'),
  'http.tls.letsencrypt': refused(anything, 'it gets no certificates by itself'),
  'storage.filesystem.maxthreads': ignored(number, 'UV_THREADPOOL_SIZE says it'),
  'storage.cache.blobdescriptor': ignored(oneOf('inmemory', 'redis'), CACHE, 'inmemory'),
  'storage.cache.layerinfo': ignored(oneOf('inmemory', 'redis'), CACHE, 'inmemory'),
  'storage.cache.blobdescriptorsize': ignored(number, CACHE),
  'storage.redirect.disable': ignored(boolean, 'it sends all bytes itself', 'true', 'false'),
  'storage.tag.concurrencylimit': ignored(number, 'it has a limit of its own'),
  'storage.maintenance.uploadpurging.enabled': ignored(boolean, PURGE, 'true'),
  'storage.maintenance.uploadpurging.age': ignored(duration, PURGE, '168h'),
  'storage.maintenance.uploadpurging.interval': ignored(duration, PURGE),
  'storage.maintenance.uploadpurging.dryrun': ignored(boolean, PURGE, 'false'),
  'middleware.registry': ignored(anything, 'it has no middleware'),
  'middleware.repository': ignored(anything, 'it has no middleware'),
  'middleware.storage': ignored(anything, 'it sends all bytes itself'),
  'health.file': ignored(anything, HEALTH),
  'health.http': ignored(anything, HEALTH),
  'health.tcp': ignored(anything, HEALTH),
  'catalog.maxentries': ignored(number, 'pages have a limit of their own'),
  validation: ignored(anything, 'it checks what OCI asks for'),
  'compatibility.schema1': ignored(anything, 'it takes no schema 1 manifests'),
  notifications: ignored(anything, 'it tells nobody of events'),
  redis: ignored(anything, 'it uses no Redis'),
  reporting: ignored(anything, 'it reports to nobody'),
  proxy: refused(anything, MIRROR),
  'policy.repository.classes': refused(anything, 'it cannot tell classes of repositories'),
  'openshift.server.addr': ignored(text, 'it has no image streams yet'),
  'openshift.auth.realm': ignored(text, 'challenges name the token endpoint', 'openshift', 'origin'),
  'openshift.audit.enabled': ignored(boolean, 'it has no audit log yet', 'false'),
  'openshift.requests.read.maxrunning': ignored(number, LIMITS, '0'),
  'openshift.requests.read.maxinqueue': ignored(number, LIMITS, '0'),
  'openshift.requests.read.maxwaitinqueue': ignored(duration, LIMITS, '0', '0s'),
  'openshift.requests.write.maxrunning': ignored(number, LIMITS, '0'),
  'openshift.requests.write.maxinqueue': ignored(number, LIMITS, '0'),
  'openshift.requests.write.maxwaitinqueue': ignored(duration, LIMITS, '0', '0s'),
  'openshift.quota.enabled': ignored(boolean, 'it has no quotas yet', 'false'),
  'openshift.quota.cachettl': ignored(duration, 'it has no quotas yet', '1m'),
  'openshift.cache.disabled': ignored(boolean, CACHE, 'false'),
  'openshift.cache.blobrepositoryttl': ignored(duration, CACHE, '10m'),
  'openshift.pullthrough.enabled': ignored(boolean, MIRROR, 'false'),
  'openshift.pullthrough.mirror': ignored(boolean, MIRROR, 'false'),
  'openshift.compatibility.acceptschema2': refused(boolean, 'it accepts Docker’s schema 2', 'true')
}

/** Where settings of the first OpenShift registries are today. */
export const MOVED: Readonly<Record<string, string>> = {
  'auth.openshift.realm': 'openshift.auth.realm',
  'auth.openshift.tokenrealm': 'openshift.auth.tokenrealm',
  'auth.openshift.audit.enabled': 'openshift.audit.enabled'
}

export const otherAt = (path: string): Other | undefined =>
  Object.hasOwn(OTHERS, path) ? OTHERS[path] : undefined
