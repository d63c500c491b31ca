import { readFile } from 'node:fs/promises'
import { BlockList, isIP, isIPv4 } from 'node:net'
import { build, type Choices, given, type Lookup, lookUp } from './build.ts'
import { type Checked, check, subject } from './check.ts'
import { type Config, ConfigError } from './config.ts'
import { applyEnvironment, variableOf } from './environment.ts'
import { storageProblems } from './storage.ts'
import { tlsProblems, tlsWarnings } from './tls.ts'
import { at, isEmpty, type Section, section } from './tree.ts'

export interface Reading {
  readonly config: Config
  readonly choices: Choices
  /** What nothing comes of: a line for what berth does not do, and one for what it does not know. */
  readonly warnings: readonly string[]
  /** Names of what berth does not know. */
  readonly unknown: readonly string[]
  /** What was given, below the settings' names. */
  readonly root: Section
  /** The path of the file, if there is one. */
  readonly file: string | undefined
  readonly value: Lookup
}

/** A shorter one can be guessed: whoever has a token can try. */
const SHORTEST_SECRET = 16

/** Whether only this machine can reach the address, however it is written. */
function isLoopback(host: string): boolean {
  const loopback = new BlockList()
  loopback.addSubnet('127.0.0.0', 8, 'ipv4')
  loopback.addAddress('::1', 'ipv6')
  return isIP(host) !== 0 && loopback.check(host, isIPv4(host) ? 'ipv4' : 'ipv6')
}

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
  const value = lookUp(root, path !== undefined)
  const choices: Choices = {
    auth: checked.auth === 'wrong' ? undefined : checked.auth,
    storage: checked.storage === 'wrong' ? 'filesystem' : (checked.storage ?? 'filesystem'),
    // Nobody else says it.
    isLegacy: isSaid(root, 'openshift.server.addr')
  }
  const config = build(value, choices)
  problems.push(...contradictions(config, value, root, checked, path))
  const { ignored, unknown } = checked
  const strange = unknown.length > 0 ? [`ignored, since berth does not know them: ${unknown.join(', ')}`] : []
  if (path !== undefined) sortByLine(problems, path)
  // What is missing may be there, misspelt.
  if (problems.length > 0) throw new ConfigError(problems, strange)
  const reasons = [...ignored].map(([reason, names]) => `${reason}: ${names.join(', ')}`)
  const warnings = [
    ...(reasons.length > 0 ? [`ignored, since berth does not do that; ${reasons.join('; ')}`] : []),
    ...strange,
    ...tlsWarnings(value)
  ]
  return { config, choices, warnings, unknown, root, file: path, value }
}

function isSaid(root: Section, path: string): boolean {
  const node = at(root, path)
  return node !== undefined && !isEmpty(node)
}

/** What the whole file lacks comes first, what is said elsewhere last. */
function sortByLine(problems: string[], file: string): void {
  function line(problem: string): number {
    if (!problem.startsWith(`${file}:`)) return Number.POSITIVE_INFINITY
    return Number(/^\d+(?=:)/.exec(problem.slice(file.length + 1))?.[0] ?? 0)
  }
  const lines = new Map(problems.map((problem) => [problem, line(problem)]))
  problems.sort((one, other) => {
    const [first = 0, second = 0] = [lines.get(one), lines.get(other)]
    return first === second ? 0 : first - second
  })
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

/** What is wrong with settings together, or not there. */
function contradictions(
  config: Config,
  value: Lookup,
  root: Section,
  checked: Checked,
  file: string | undefined
): string[] {
  const problems: string[] = []
  const { auth } = config
  const { host } = config.http

  function add(path: string, text: string): void {
    const node = at(root, path)
    const origin = node !== undefined && !isEmpty(node) ? node.origin : (file ?? variableOf(path))
    problems.push(`${subject(path, origin)} ${text}`)
  }

  if (file !== undefined) {
    if (given(root, 'version') === undefined)
      add('version', 'must be set: begin the file with the line "version: 0.1"')
    if (given(root, 'http.addr') === undefined)
      add('http.addr', 'must be set, to "127.0.0.1:5000" or ":5000" say')
    if (checked.storage === undefined) {
      add('storage', 'must be set: add "storage: {filesystem: {rootdirectory: /var/lib/registry}}"')
    }
  }
  if (auth === 'htpasswd' && config.htpasswd.path === '' && at(root, 'auth.htpasswd')?.kind !== 'leaf') {
    add(
      'auth.htpasswd.path',
      'must be set, to the path of a file with lines that `htpasswd -nbB user password` prints'
    )
  }
  if (checked.storage !== 'wrong') {
    for (const [path, text] of storageProblems(value, root, config.storage)) add(path, text)
  }
  for (const [path, text] of tlsProblems(value, root)) add(path, text)
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
  if (!isLoopback(host) && auth === undefined) {
    const remedy =
      file === undefined
        ? 'set REGISTRY_AUTH to openshift or htpasswd or, if everybody may push and delete, REGISTRY_AUTH=none'
        : 'add the line "auth: openshift", or htpasswd with its path or, if everybody may push and delete, the line ' +
          '"auth: none"; REGISTRY_AUTH says the same'
    add('http.addr', `lets other machines connect, and nobody has to log in; use 127.0.0.1, ${remedy}`)
  }
  return problems
}
