import type { DriverName } from '../../storage/options.ts'
import type { Config } from './config.ts'
import { defaultOf, type Path, SETTINGS, type Setting, type Value } from './schema.ts'
import { buildStorage } from './storage.ts'
import { buildTls } from './tls.ts'
import { at, isEmpty, type Node, type Section } from './tree.ts'
import { parseDefault } from './values.ts'

/** What holds for a setting: what was given, or its default. */
export type Lookup = <P extends Path>(path: P) => Value<P>

/** What was given for a setting, if anything was. */
export function given(root: Section, path: Path): Node | undefined {
  const node = at(root, path)
  return node === undefined || isEmpty(node) ? undefined : node
}

/** @returns undefined as well for what is wrong, of which a problem tells already. */
export function lookUp(root: Section, hasFile: boolean): Lookup {
  return <P extends Path>(path: P): Value<P> => {
    const setting: Setting = SETTINGS[path]
    const node = given(root, path)
    if (node !== undefined) return setting.type.parse(node) as Value<P>
    const text = defaultOf(setting, hasFile)
    return (text === undefined ? undefined : parseDefault(setting.type, text)) as Value<P>
  }
}

/** What settings alone do not say. */
export interface Choices {
  readonly auth: Config['auth']
  readonly storage: DriverName
  /** Whether OpenShift's operator is who configures. */
  readonly isLegacy: boolean
}

/** Every setting's value in its place, frozen. */
export function build(value: Lookup, { auth, storage, isLegacy }: Choices): Config {
  const address = value('http.addr') ?? { host: '127.0.0.1', port: 5000 }
  return freeze({
    http: {
      ...address,
      secret: value('http.secret'),
      processes: value('http.processes'),
      tls: buildTls(value),
      draintimeout: value('http.draintimeout'),
      trustedproxies: value('http.trustedproxies'),
      headers: value('http.headers'),
      maxfailedlogins: value('http.maxfailedlogins')
    },
    storage: buildStorage(value, storage, isLegacy),
    log: {
      level: value('log.level'),
      formatter: value('log.formatter'),
      fields: value('log.fields'),
      accesslog: { disabled: value('log.accesslog.disabled') }
    },
    storageHealth: value('health.storagedriver.enabled')
      ? {
          intervalMs: value('health.storagedriver.interval'),
          threshold: value('health.storagedriver.threshold')
        }
      : undefined,
    pages: { repositories: value('catalog.maxentries'), tags: value('tags.maxtags') },
    auth,
    htpasswd: {
      path: value('auth.htpasswd.path') ?? '',
      realm: value('auth.htpasswd.realm'),
      anonymouspull: value('auth.htpasswd.anonymouspull')
    },
    openshift: {
      kubeconfig: value('openshift.kubeconfig'),
      auth: {
        audiences: value('openshift.auth.audiences'),
        tokenrealm: value('openshift.auth.tokenrealm'),
        nestedrepositories: value('openshift.auth.nestedrepositories'),
        namespaceuids: value('openshift.auth.namespaceuids'),
        anonymouscatalog: value('openshift.auth.anonymouscatalog'),
        curestalecredentials: value('openshift.auth.curestalecredentials')
      },
      audit: { enabled: value('openshift.audit.enabled') },
      metrics: { enabled: value('openshift.metrics.enabled'), secret: value('openshift.metrics.secret') },
      requests: {
        read: {
          maxrunning: value('openshift.requests.read.maxrunning'),
          maxinqueue: value('openshift.requests.read.maxinqueue'),
          maxwaitinqueue: value('openshift.requests.read.maxwaitinqueue')
        },
        write: {
          maxrunning: value('openshift.requests.write.maxrunning'),
          maxinqueue: value('openshift.requests.write.maxinqueue'),
          maxwaitinqueue: value('openshift.requests.write.maxwaitinqueue')
        }
      }
    }
  })
}

function freeze<T extends object>(value: T): T {
  for (const part of Object.values(value)) if (typeof part === 'object' && part !== null) freeze(part)
  return Object.freeze(value)
}
