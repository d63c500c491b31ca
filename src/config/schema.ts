import { availableParallelism } from 'node:os'
import { middlewares } from './middleware.ts'
import { MIDDLEWARE, type Shape } from './sections.ts'
import { AZURE_SETTINGS, GCS_SETTINGS, S3_SETTINGS } from './storage-settings.ts'
import {
  address,
  baseUrl,
  boolean,
  CLIENT_AUTHS,
  cidrs,
  drain,
  failures,
  fields,
  headers,
  interval,
  level,
  list,
  oneOf,
  pageOf,
  processes,
  purgeAge,
  purgeInterval,
  realm,
  redirectDuration,
  requests,
  reserve,
  type Type,
  text,
  textOf,
  threshold,
  wait
} from './values.ts'

/** Beyond this many CPUs the disk or the network is what limits. */
const DEFAULT_PROCESSES = 4

/** A setting that berth obeys. Defaults are written as a file would have them. */
export interface Setting<T = unknown> {
  readonly type: Type<T>
  /** Where it has parts of which a problem should tell by themselves. */
  readonly shape?: Shape
  /** Without a file. Absent: none. */
  readonly plain?: string
  /** With a file, where distribution's default differs from berth's own; null for none. */
  readonly file?: string | null
  /** For the page, where the default depends on the machine. */
  readonly shown?: string
  /** Markdown. */
  readonly about: string
  /** Never printed. */
  readonly secret?: true
  /** May change while berth runs. No secret may. */
  readonly live?: true
}

/** In the order of docs/configuration.md, which is made of this. */
export const SETTINGS = {
  version: {
    type: oneOf('0.1'),
    file: null,
    about: 'of the file’s form'
  },
  'log.level': { type: level, plain: 'info', live: true, about: '`debug`, `info`, `warn` or `error`' },
  'log.formatter': {
    type: oneOf('text', 'json', 'logstash'),
    plain: 'text',
    about: '`text`, `json` or `logstash` ([operations.md](operations.md#logs))'
  },
  'log.fields': {
    type: fields,
    plain: '',
    about: 'what every line says as well, such as `{service: registry}`'
  },
  'log.accesslog.disabled': {
    type: boolean,
    plain: 'false',
    about:
      '`true` leaves out the line per request. It is left out as well, and counted, while whatever reads the log falls behind'
  },
  'http.addr': {
    type: address,
    plain: '127.0.0.1:5000',
    file: null,
    about:
      '`host:port` to listen on, `[::1]:5000` for one of IPv6; `:5000` is every address of both families. A file must say it'
  },
  'http.secret': {
    type: text,
    shown: 'a random one',
    about: 'what berth signs its tokens with; the same for all replicas, 16 characters or more',
    secret: true
  },
  'http.tls.certificate': {
    type: textOf('the path of a PEM file'),
    about: 'PEM file: with it and `http.tls.key` it speaks HTTPS'
  },
  'http.tls.key': { type: textOf('the path of a PEM file'), about: 'PEM file of the certificate’s key' },
  'http.tls.minversion': {
    type: oneOf('VersionTLS10', 'VersionTLS11', 'VersionTLS12', 'VersionTLS13'),
    about: 'the lowest version of TLS, as OpenShift says it; below `VersionTLS12` means that one'
  },
  'http.tls.minimumtls': {
    type: oneOf('tls1.0', 'tls1.1', 'tls1.2', 'tls1.3'),
    about: 'the same as distribution says it; the stricter counts'
  },
  'http.tls.ciphersuites': {
    type: list('names of cipher suites, a list or separated by commas'),
    about:
      'IANA’s names of the cipher suites to offer, a list or separated by commas; also `OPENSHIFT_REGISTRY_HTTP_TLS_CIPHERSUITES` ([operations.md](operations.md#tls))'
  },
  'http.tls.clientcas': {
    type: list('paths of PEM files, a list or separated by commas'),
    about: 'PEM files of authorities: clients must show a certificate of one of them'
  },
  'http.tls.clientauth': {
    type: oneOf(...CLIENT_AUTHS),
    shown: '`require-and-verify-client-cert`',
    about:
      'with `http.tls.clientcas`: what is asked of clients ([operations.md](operations.md#certificates-of-clients))'
  },
  'http.http2.disabled': {
    type: boolean,
    plain: 'true',
    about: '`false` offers HTTP/2 beside HTTP/1.1, with TLS only'
  },
  'http.processes': {
    type: processes,
    plain: String(Math.min(DEFAULT_PROCESSES, availableParallelism())),
    shown: `available CPUs, at most ${DEFAULT_PROCESSES}`,
    about:
      'how many processes answer requests. With two or more, one that dies is replaced, and the others are not disturbed'
  },
  'http.draintimeout': {
    type: drain,
    plain: '29s',
    about:
      'how long open requests get after SIGTERM before they are cut; `0s` cuts at once ([operations.md](operations.md#stopping))'
  },
  'http.trustedproxies': {
    type: cidrs,
    plain: '',
    about:
      'addresses and CIDRs of proxies whose forwarding headers are believed: a list, or separated by commas'
  },
  'http.headers': {
    type: headers,
    plain: '',
    about:
      'headers that every answer gets, such as `{Strict-Transport-Security: [max-age=31536000]}`; none that answers have anyway'
  },
  'http.maxfailedlogins': {
    type: failures,
    plain: '300',
    about: 'wrong credentials that an address may show in a minute ([access.md](access.md#wrong-credentials))'
  },
  'storage.filesystem.rootdirectory': {
    type: textOf('the path of a folder'),
    plain: './data',
    file: '/var/lib/registry',
    about: 'the folder that holds everything'
  },
  'storage.filesystem.reserve': {
    type: reserve,
    plain: '5%',
    about:
      'while less of the volume is free, new uploads are refused with 507; `0%` takes them to the last byte ([operations.md](operations.md#health-and-full-disks))'
  },
  ...S3_SETTINGS,
  ...GCS_SETTINGS,
  ...AZURE_SETTINGS,
  'storage.redirect.disable': {
    type: boolean,
    plain: 'false',
    about:
      '`true`: berth sends all bytes itself. Otherwise clients that pull a blob of 64 KiB or more are sent to the store, where it can sign a URL ([storage.md](storage.md#redirects))'
  },
  'storage.redirect.duration': {
    type: redirectDuration,
    plain: '10m',
    about: 'how long such a URL is good for, `1m` to `168h`; credentials that expire end it sooner'
  },
  'storage.delete.enabled': {
    type: boolean,
    plain: 'true',
    file: 'false',
    about: 'whether tags, manifests and blobs may be deleted'
  },
  'storage.maintenance.readonly.enabled': {
    type: boolean,
    plain: 'false',
    live: true,
    about: '`true`: what would write is 405, pulls go on ([operations.md](operations.md#read-only))'
  },
  'storage.maintenance.uploadpurging.enabled': {
    type: boolean,
    plain: 'true',
    about:
      'whether uploads that nobody goes on with are removed ([operations.md](operations.md#uploads-that-are-abandoned))'
  },
  'storage.maintenance.uploadpurging.age': {
    type: purgeAge,
    plain: '168h',
    about: 'how long nobody must have gone on with them, `1h` to `8760h`'
  },
  'storage.maintenance.uploadpurging.interval': {
    type: purgeInterval,
    plain: '24h',
    about: 'how often, by all replicas together, `1m` to `576h`'
  },
  'storage.maintenance.uploadpurging.dryrun': {
    type: boolean,
    plain: 'false',
    about: '`true` logs what would be removed: how much at info, names at debug'
  },
  'middleware.storage': {
    type: middlewares,
    shape: MIDDLEWARE,
    plain: '',
    about:
      'a list of `{name: …, options: {…}}` with `cloudfront`, `redirect` or `rewrite`: where clients are sent instead ([storage.md](storage.md#redirects))'
  },
  'health.storagedriver.enabled': {
    type: boolean,
    plain: 'true',
    about:
      'whether something is read from the storage every so often; while that fails `/readyz` and requests get 503'
  },
  'health.storagedriver.interval': {
    type: interval,
    plain: '10s',
    about: 'how often, and how long an answer may take'
  },
  'health.storagedriver.threshold': {
    type: threshold,
    plain: '3',
    about: 'so many failures in a row count; one success ends it'
  },
  'catalog.maxentries': {
    type: pageOf(1000),
    plain: '1000',
    about: 'repositories that a page of `/v2/_catalog` holds at most, 100 if the client does not say'
  },
  'tags.maxtags': {
    type: pageOf(10_000),
    plain: '10000',
    about: 'tags that a page of a list holds at most. CNCF distribution’s default is 1000'
  },
  'auth.htpasswd.path': {
    type: textOf('the path of an htpasswd file'),
    about:
      'the file of users ([access.md](access.md#with-a-file-of-users)); must be set with `auth: htpasswd`'
  },
  'auth.htpasswd.realm': {
    type: realm,
    plain: 'berth',
    about: 'what a client shows when it asks for a password'
  },
  'auth.htpasswd.anonymouspull': {
    type: boolean,
    plain: 'false',
    about: '`true`: everybody may pull; only pushing and deleting take a login'
  },
  'openshift.version': { type: oneOf('1.0'), about: 'of the section’s form; need not be there' },
  'openshift.kubeconfig': {
    type: textOf('the path of a kubeconfig'),
    about: 'without it `KUBECONFIG`, or the pod’s service account'
  },
  'openshift.auth.audiences': {
    type: list('audiences, a list or separated by commas'),
    plain: '',
    about: 'a token must be meant for one of them: a list, or separated by commas. Empty: for the API server'
  },
  'openshift.auth.tokenrealm': {
    type: baseUrl,
    about: 'the registry’s URL as clients know it, without a path; without it the one by which each came'
  },
  'openshift.auth.nestedrepositories': {
    type: boolean,
    plain: 'false',
    about: '`true` allows `team/app/part`; the role is still that in `team`'
  },
  'openshift.auth.namespaceuids': {
    type: boolean,
    plain: 'true',
    about:
      'a repository belongs to its namespace’s UID ([access.md](access.md#a-repository-belongs-to-its-namespace))'
  },
  'openshift.auth.anonymouscatalog': {
    type: boolean,
    plain: 'false',
    about: 'whoever has not logged in may list what is public'
  },
  'openshift.auth.curestalecredentials': {
    type: boolean,
    plain: 'true',
    about: 'an expired login does not stop pulls of public images'
  },
  'openshift.audit.enabled': {
    type: boolean,
    plain: 'false',
    about:
      '`true`: the log tells who did what to which repository, whatever its level ([operations.md](operations.md#logs))'
  },
  'openshift.metrics.enabled': {
    type: boolean,
    plain: 'false',
    about: '`true`: Prometheus may read `/extensions/v2/metrics` ([operations.md](operations.md#metrics))'
  },
  'openshift.metrics.secret': {
    type: text,
    secret: true,
    about: 'who shows it may read metrics, and nobody else; without it the cluster says who may'
  },
  'openshift.requests.read.maxrunning': {
    type: requests,
    plain: '0',
    live: true,
    about:
      'so many requests that read may run at once in all processes together; 0: as many as come ([operations.md](operations.md#request-limits))'
  },
  'openshift.requests.read.maxinqueue': {
    type: requests,
    plain: '0',
    live: true,
    about: 'so many more may wait; others are 429 at once'
  },
  'openshift.requests.read.maxwaitinqueue': {
    type: wait,
    plain: '0s',
    live: true,
    about: 'for so long; then they are 429 as well. 0: for ever'
  },
  'openshift.requests.write.maxrunning': {
    type: requests,
    plain: '0',
    live: true,
    about: 'the same of requests that write'
  },
  'openshift.requests.write.maxinqueue': {
    type: requests,
    plain: '0',
    live: true,
    about: 'so many more of these may wait'
  },
  'openshift.requests.write.maxwaitinqueue': {
    type: wait,
    plain: '0s',
    live: true,
    about: 'for so long; 0: for ever'
  }
} as const satisfies Record<string, Setting>

export type Path = keyof typeof SETTINGS

type TypeOf<P extends Path> = (typeof SETTINGS)[P] extends { type: Type<infer T> } ? T : never

/** Undefined only where neither a file nor the lack of one gives a default. */
export type Value<P extends Path> = (typeof SETTINGS)[P] extends { plain: string }
  ? TypeOf<P>
  : TypeOf<P> | undefined

/** As text; with a file or without one. */
export function defaultOf(setting: Setting, hasFile: boolean): string | undefined {
  return hasFile && setting.file !== undefined ? (setting.file ?? undefined) : setting.plain
}
