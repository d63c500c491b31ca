import { MIDDLEWARE_OPTIONS } from './former-names.ts'
import { isEmptyLeaf, leaf, type Node, put, type Section } from './tree.ts'

/** What Kubernetes tells every pod beside a Service named `registry` or `registry-…`, and podman's own. */
const OTHERS =
  /^REGISTRY_(PORT|SERVICE_|AUTH_PORT|AUTH_SERVICE_|AUTH_FILE$|CONFIGURATION_PATH$|([A-Z0-9]+_)*(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT|PORT_\d+_(TCP|UDP)(_(PROTO|PORT|ADDR))?)$)/

const OLD = 'REGISTRY_MIDDLEWARE_REPOSITORY_OPENSHIFT_'

/** Older names, and one of another form; of two for one setting the later counts, and all of them outrank the file. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  OPENSHIFT_REGISTRY_HTTP_TLS_CIPHERSUITES: 'http.tls.ciphersuites',
  // The two whose own name has what is between names otherwise.
  REGISTRY_STORAGE_AZURE_MAX_RETRIES: 'storage.azure.max_retries',
  REGISTRY_STORAGE_AZURE_RETRY_DELAY: 'storage.azure.retry_delay',
  ...Object.fromEntries(
    Object.entries(MIDDLEWARE_OPTIONS).map(([option, path]) => [OLD + option.toUpperCase(), path])
  ),
  DOCKER_REGISTRY_URL: 'openshift.server.addr'
}

/** `http.addr` → `REGISTRY_HTTP_ADDR`. */
export const variableOf = (path: string): string => `REGISTRY_${path.toUpperCase().replaceAll('.', '_')}`

/** Whether it is the origin of what a variable said. */
export const isVariable = (origin: string): boolean => /^REGISTRY_\w+$/.test(origin)

/** Anything else that YAML reads as nothing, such as `#secret`, was meant to be something. */
const MEANT_EMPTY = /^(null|~|""|'')$/i

/** Text that says in YAML what it says in itself, so that most starts need not load what parses YAML. */
const PLAIN = /^(?=[\w./]|:\S)(?!(null|Null|NULL)$)[\w./:@+=,;~ -]*$/
const isPlain = (text: string): boolean =>
  (PLAIN.test(text) && !/:( |$)/.test(text)) || IPV6_ADDRESS.test(text)

/** No YAML, but nothing else that it could be. */
const IPV6_ADDRESS = /^\[[0-9a-fA-F:.]+\]:\d+$/

/**
 * Puts what `REGISTRY_*` variables say in place of what a file said, in the order of their names: the value, which is
 * YAML, of `REGISTRY_A_B` becomes `a.b`. Empty ones count as none. Distribution docs: "Override specific configuration
 * options". Gives problems.
 */
export async function applyEnvironment(
  root: Section,
  env: Readonly<Record<string, string | undefined>>
): Promise<string[]> {
  const problems: string[] = []
  async function apply(name: string, path: readonly string[]): Promise<void> {
    const text = env[name]?.trim() ?? ''
    if (text === '') return
    const value = await parseValue(name, text, problems)
    if (value !== undefined && !isEmptyLeaf(value)) put(root, path, value)
  }
  const names = Object.keys(env).filter((name) => name.startsWith('REGISTRY_'))
  // By code unit, as distribution does: a section before its parts.
  for (const name of names.sort()) {
    if (OTHERS.test(name) || name in OTHER_NAMES) continue
    await apply(name, name.slice('REGISTRY_'.length).toLowerCase().split('_'))
  }
  for (const [name, path] of Object.entries(OTHER_NAMES)) await apply(name, path.split('.'))
  return problems
}

async function parseValue(name: string, text: string, problems: string[]): Promise<Node | undefined> {
  if (isPlain(text)) return leaf(text, name)
  const { parseYaml } = await import('./yaml.ts')
  const parsed = parseYaml(text, () => name)
  if ('problems' in parsed) problems.push(...parsed.problems)
  else if (!isEmptyLeaf(parsed.node) || MEANT_EMPTY.test(text)) return parsed.node
  else problems.push(`${name}: is a comment or a mark to YAML; text that begins so takes 'single quotes'`)
  return undefined
}
