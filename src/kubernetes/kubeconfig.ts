import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { parseProxy } from '../outgoing/proxy.ts'
import type { Cluster } from './connection.ts'
import { ConnectionError } from './errors.ts'
import type { Source } from './identity.ts'

/** One mapping of a kubeconfig, and how errors name it. */
interface Section {
  readonly label: string
  readonly fields: Readonly<Record<string, unknown>>
}

const INSTEAD =
  'berth runs no helper programs: give this user a "tokenFile", a "token" (kubectl create token ACCOUNT --duration 8760h) ' +
  'or a client certificate, or run berth in a pod with a service account'

/** Fields that would silently mean less if they were passed over. */
const REFUSED_OF_USER: Record<string, string> = {
  exec: INSTEAD,
  'auth-provider': INSTEAD,
  username: `API servers take no passwords. ${INSTEAD}`,
  password: `API servers take no passwords. ${INSTEAD}`,
  as: 'berth does not impersonate: give it the credentials of the account itself',
  'as-uid': 'berth does not impersonate: give it the credentials of the account itself',
  'as-groups': 'berth does not impersonate: give it the credentials of the account itself',
  'as-user-extra': 'berth does not impersonate: give it the credentials of the account itself'
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isAbsent(value: unknown): boolean {
  return value === undefined || value === null || value === ''
}

function textOf(section: Section, field: string): string | undefined {
  const value = section.fields[field]
  if (isAbsent(value)) return undefined
  if (typeof value !== 'string') throw new ConnectionError(`${section.label}: "${field}" must be text`)
  return value
}

function refuse(section: Section, refused: Record<string, string>): void {
  for (const [field, remedy] of Object.entries(refused)) {
    if (!isAbsent(section.fields[field])) {
      throw new ConnectionError(`${section.label}: "${field}" is not supported. ${remedy}`)
    }
  }
}

/** The entry of that name in one of the three lists, such as `clusters: [{name, cluster: {…}}]`. */
function find(file: Section, list: string, kind: string, name: string): Section {
  const entries = file.fields[list]
  const entry = Array.isArray(entries) && entries.find((entry) => isMapping(entry) && entry.name === name)
  const fields = entry ? entry[kind] : undefined
  if (!isMapping(fields)) {
    throw new ConnectionError(
      `${file.label}: "${list}" has no entry named "${name}" with a "${kind}": add it`
    )
  }
  return { label: `${file.label}: ${kind} "${name}"`, fields }
}

/** What is in the file itself wins over a file it names, as in kubectl. */
function sourceOf(section: Section, path: string, field: string): Source | undefined {
  const data = textOf(section, `${field}-data`)
  if (data !== undefined) {
    return { text: Buffer.from(data, 'base64').toString(), field: `${section.label}: "${field}-data"` }
  }
  const file = textOf(section, field)
  return file === undefined ? undefined : fileOf(section, path, field, file)
}

/** Relative paths begin at the folder of the kubeconfig. */
function fileOf(section: Section, path: string, field: string, file: string): Source {
  return { path: resolve(dirname(path), file), field: `${section.label}: "${field}"` }
}

function serverOf(section: Section): string {
  const server = textOf(section, 'server')
  const url = server === undefined ? null : URL.parse(server)
  if (url === null || url.protocol !== 'https:' || url.username || url.password || url.search || url.hash) {
    throw new ConnectionError(
      `${section.label}: "server" must be the address of an API server, such as https://10.0.0.1:6443`
    )
  }
  return url.href.replace(/\/+$/, '')
}

async function parse(text: string, path: string): Promise<Section> {
  // JSON is YAML too. Most registries run in a pod and never need the parser.
  const { parseDocument } = await import('yaml')
  const document = parseDocument(text)
  const [error] = document.errors
  if (error) {
    // The parser's own message quotes the line, which may hold a token.
    const line = error.linePos?.[0].line ?? 1
    throw new ConnectionError(`${path}: line ${line} is not valid YAML or JSON (${error.code}): correct it`)
  }
  let fields: unknown
  try {
    fields = document.toJS()
  } catch {
    throw new ConnectionError(`${path}: its YAML aliases cannot be resolved: write the values out`)
  }
  if (!isMapping(fields)) {
    throw new ConnectionError(`${path}: not a kubeconfig: it needs "clusters", "users" and "contexts"`)
  }
  return { label: path, fields }
}

/** What a cluster's entry says about whom to trust. */
function trustOf(cluster: Section, path: string) {
  const ca = sourceOf(cluster, path, 'certificate-authority')
  const serverName = textOf(cluster, 'tls-server-name')
  const isInsecure = cluster.fields['insecure-skip-tls-verify'] ?? false
  if (typeof isInsecure !== 'boolean') {
    throw new ConnectionError(`${cluster.label}: "insecure-skip-tls-verify" must be true or false`)
  }
  if (isInsecure && ca) {
    throw new ConnectionError(
      `${cluster.label}: "insecure-skip-tls-verify" and "certificate-authority" exclude each other: remove the former`
    )
  }
  return { isInsecure, ...(ca && { ca }), ...(serverName && { serverName }) }
}

/** @throws ConnectionError also for a proxy of another kind: reached directly, the API server may be another */
function proxyOf(cluster: Section) {
  const url = textOf(cluster, 'proxy-url')
  if (url === undefined) return {}
  try {
    return { proxy: parseProxy(url, `${cluster.label}: "proxy-url"`) }
  } catch (error) {
    throw new ConnectionError((error as Error).message, { cause: error })
  }
}

/** What a user's entry says about how to show who we are. */
function credentialsOf(user: Section, path: string) {
  refuse(user, REFUSED_OF_USER)
  const cert = sourceOf(user, path, 'client-certificate')
  const key = sourceOf(user, path, 'client-key')
  if (!cert !== !key) {
    const missing = cert ? 'client-key' : 'client-certificate'
    throw new ConnectionError(
      `${user.label}: "${missing}" or "${missing}-data" is missing: a certificate needs its key`
    )
  }
  const tokenFile = textOf(user, 'tokenFile')
  const text = textOf(user, 'token')
  // A file is preferred, as in kubectl: it can be renewed.
  const token: Source | undefined = tokenFile
    ? fileOf(user, path, 'tokenFile', tokenFile)
    : text === undefined
      ? undefined
      : { text, field: `${user.label}: "token"` }
  if (!token && !cert) {
    throw new ConnectionError(
      `${user.label} has no credentials: add a "tokenFile", a "token" or a client certificate`
    )
  }
  return { ...(token && { token }), ...(cert && { cert }), ...(key && { key }) }
}

/** @throws ConnectionError which names the file, the field and what to do; never with a credential */
export async function parseKubeconfig(text: string, path: string): Promise<Cluster> {
  const file = await parse(text, path)
  const current = textOf(file, 'current-context')
  if (current === undefined) {
    throw new ConnectionError(
      `${path}: "current-context" is missing: kubectl config use-context NAME sets it`
    )
  }
  const context = find(file, 'contexts', 'context', current)
  const named = (field: string): string => {
    const name = textOf(context, field)
    if (name === undefined) throw new ConnectionError(`${context.label}: "${field}" is missing: add it`)
    return name
  }
  const cluster = find(file, 'clusters', 'cluster', named('cluster'))
  const user = find(file, 'users', 'user', named('user'))
  return {
    url: serverOf(cluster),
    origin: path,
    ...proxyOf(cluster),
    ...trustOf(cluster, path),
    ...credentialsOf(user, path)
  }
}

/** @throws ConnectionError also when the file cannot be read */
export async function readKubeconfig(path: string): Promise<Cluster> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new ConnectionError(
      `${path} cannot be read (${code}): correct the path of the kubeconfig or its mode`,
      {
        cause: error
      }
    )
  }
  return parseKubeconfig(text, path)
}
