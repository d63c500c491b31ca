import { readFile } from 'node:fs/promises'
import { type Checked, check, subject } from './check.ts'
import { type Config, ConfigError } from './config.ts'
import { applyEnvironment, variableOf } from './environment.ts'
import { defaultOf, type Path, SETTINGS, type Setting, type Value } from './schema.ts'
import { at, isEmpty, type Node, type Section, section } from './tree.ts'
import { parseDefault } from './values.ts'

export interface Reading {
  readonly config: Config
  /** What nothing comes of: a line for what berth does not do, and one for what it does not know. */
  readonly warnings: readonly string[]
  /** What was given, below the settings' names. */
  readonly root: Section
  readonly hasFile: boolean
}

/** A shorter one can be guessed: whoever has a token can try. */
const SHORTEST_SECRET = 16

/** Addresses that only this machine can reach. */
const LOOPBACK = /^(127(\.\d{1,3}){3}|::1)$/

type Environment = Readonly<Record<string, string | undefined>>

/**
 * The configuration that a file of CNCF distribution's form and the environment give. Without a file
 * (`REGISTRY_CONFIGURATION_PATH` names one as well) berth's own defaults hold, with one distribution's.
 * @throws ConfigError
 */
export async function readConfig(env: Environment, file?: string): Promise<Reading> {
  const path = file ?? (env.REGISTRY_CONFIGURATION_PATH || undefined)
  const root = path === undefined ? section('') : await readSections(path)
  const problems = await applyEnvironment(root, env)
  const checked = check(root)
  problems.push(...checked.problems)
  const config = assemble(root, checked, path, problems)
  if (problems.length > 0) throw new ConfigError(problems)
  const { ignored, unknown } = checked
  const reasons = [...ignored].map(([reason, names]) => `${reason}: ${names.join(', ')}`)
  const warnings = [
    ...(reasons.length > 0 ? [`ignored, since berth does not do that; ${reasons.join('; ')}`] : []),
    ...(unknown.length > 0 ? [`ignored, since berth does not know them: ${unknown.join(', ')}`] : [])
  ]
  return { config, warnings, root, hasFile: path !== undefined }
}

async function readSections(path: string): Promise<Section> {
  // What parses YAML takes as long to load as the rest of this folder: only who has a file waits for it.
  const [{ parseYaml }, text] = await Promise.all([
    import('./yaml.ts'),
    readFile(path, 'utf8').catch((error: Error) => {
      throw new ConfigError([`${path}: cannot be read (${error.message}); name a file that can, or none`])
    })
  ])
  const parsed = parseYaml(text, (line) => `${path}:${line}`)
  if ('problems' in parsed) throw new ConfigError(parsed.problems)
  if (parsed.node.kind === 'section') return parsed.node
  throw new ConfigError([`${path}: must be a section, which begins with the line "version: 0.1"`])
}

function assemble(root: Section, checked: Checked, file: string | undefined, problems: string[]): Config {
  const auth = checked.auth === 'wrong' ? undefined : checked.auth

  function given(path: Path): Node | undefined {
    const node = at(root, path)
    return node === undefined || isEmpty(node) ? undefined : node
  }

  /** Undefined as well for what is wrong, of which a problem tells already. */
  function value<P extends Path>(path: P): Value<P> {
    const setting: Setting = SETTINGS[path]
    const node = given(path)
    if (node !== undefined) return setting.type.parse(node) as Value<P>
    const text = defaultOf(setting, file !== undefined)
    return (text === undefined ? undefined : parseDefault(setting.type, text)) as Value<P>
  }

  /** Of a setting that is wrong together with others, or not there. */
  function add(path: string, text: string): void {
    const node = at(root, path)
    const origin = node !== undefined && !isEmpty(node) ? node.origin : (file ?? variableOf(path))
    problems.push(`${subject(path, origin)} ${text}`)
  }

  const address = value('http.addr') ?? { host: '127.0.0.1', port: 5000 }
  const certificate = value('http.tls.certificate')
  const key = value('http.tls.key')
  const config: Config = {
    http: {
      ...address,
      secret: value('http.secret'),
      processes: value('http.processes'),
      tls: certificate === undefined || key === undefined ? undefined : { certificate, key },
      trustedproxies: value('http.trustedproxies'),
      maxfailedlogins: value('http.maxfailedlogins')
    },
    storage: {
      filesystem: { rootdirectory: value('storage.filesystem.rootdirectory') },
      delete: { enabled: value('storage.delete.enabled') },
      maintenance: { readonly: { enabled: value('storage.maintenance.readonly.enabled') } }
    },
    log: { level: value('log.level'), accesslog: { disabled: value('log.accesslog.disabled') } },
    storageHealth: value('health.storagedriver.enabled')
      ? {
          intervalMs: value('health.storagedriver.interval'),
          threshold: value('health.storagedriver.threshold')
        }
      : undefined,
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
      metrics: { enabled: value('openshift.metrics.enabled'), secret: value('openshift.metrics.secret') }
    }
  }

  if (file !== undefined) {
    if (given('version') === undefined)
      add('version', 'must be set: begin the file with the line "version: 0.1"')
    if (given('http.addr') === undefined) add('http.addr', 'must be set, to "127.0.0.1:5000" or ":5000" say')
    if (checked.storage === undefined) {
      add('storage', 'must be set: add "storage: {filesystem: {rootdirectory: /var/lib/registry}}"')
    }
  }
  if (auth === 'htpasswd' && config.htpasswd.path === '') {
    add(
      'auth.htpasswd.path',
      'must be set, to the path of a file with lines that `htpasswd -nbB user password` prints'
    )
  }
  if ((certificate === undefined) !== (key === undefined)) {
    const missing = key === undefined ? 'http.tls.key' : 'http.tls.certificate'
    if (given(missing) === undefined) {
      add(missing, 'must be set as well, or neither: TLS takes a certificate and its key')
    }
  }
  const { metrics } = config.openshift
  if (metrics.enabled && metrics.secret === undefined && auth !== 'openshift') {
    add(
      'openshift.metrics.secret',
      'must be set, to what Prometheus shows as its password or bearer token: there is no cluster to say who may read metrics'
    )
  }
  const { secret } = config.http
  const signsTokens = auth === 'openshift' || auth === 'htpasswd'
  if (signsTokens && secret !== undefined && secret.length < SHORTEST_SECRET) {
    add(
      'http.secret',
      `signs tokens, so it must have ${SHORTEST_SECRET} characters or more, such as \`openssl rand -hex 32\` prints`
    )
  }
  if (!LOOPBACK.test(address.host) && auth === undefined) {
    const remedy =
      file === undefined
        ? 'set REGISTRY_AUTH to openshift or htpasswd or, if everybody may push and delete, REGISTRY_AUTH=none'
        : 'add the line "auth: openshift", or htpasswd with its path or, if everybody may push and delete, the line ' +
          '"auth: none"; REGISTRY_AUTH says the same'
    add(
      'http.addr',
      `${address.host === '::' ? 'every address' : address.host} can be reached by other machines, and nobody has ` +
        `to log in; use 127.0.0.1, ${remedy}`
    )
  }
  return freeze(config)
}

function freeze<T extends object>(value: T): T {
  for (const part of Object.values(value)) if (typeof part === 'object') freeze(part)
  return Object.freeze(value)
}
