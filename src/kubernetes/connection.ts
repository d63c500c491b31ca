import { access } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { type HttpProxy, proxyFor } from '../outgoing/proxy.ts'
import { trustSystem } from '../outgoing/trust.ts'
import { ConnectionError } from './errors.ts'
import { followIdentity, type Identity, type IdentitySources } from './identity.ts'
import { readKubeconfig } from './kubeconfig.ts'

/** Where the API server is, and who the registry is there. */
export interface Connection {
  /** `https://host[:port][/path]`, without a slash at the end; an IPv6 address stands in brackets. */
  readonly url: string
  /** Where this was found, for messages: the path of a kubeconfig, or the pod's service account. */
  readonly origin: string
  /** Through which it is reached, if through any. */
  readonly proxy?: HttpProxy | undefined
  /**
   * As the files say: they are read again every few seconds, so that rotated ones are noticed.
   * @param again reads them now, for one who was refused with what they said last
   */
  identity(again?: boolean): Promise<Identity>
}

/** What a kubeconfig or a pod says. */
export interface Cluster extends IdentitySources {
  readonly url: string
  readonly origin: string
  readonly proxy?: HttpProxy | undefined
}

/** @throws ConnectionError if files are missing or hold something else */
export async function connectionTo(cluster: Cluster, now: () => number = Date.now): Promise<Connection> {
  const { url, origin, proxy } = cluster
  return { url, origin, ...(proxy && { proxy }), identity: await followIdentity(cluster, now) }
}

/** Through the proxy that its kubeconfig names or else the environment, trusting the system's authorities where it has
 *  none of its own. */
async function connect(cluster: Cluster, env: Environment, now?: () => number): Promise<Connection> {
  const proxy = cluster.proxy ?? proxyFor(new URL(cluster.url), env)
  if (cluster.ca === undefined || proxy?.url.startsWith('https:')) await trustSystem(env)
  return connectionTo({ ...cluster, proxy }, now)
}

export type Environment = Readonly<Record<string, string | undefined>>

const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount'

function podUrl(host: string, env: Environment): string {
  const port = env.KUBERNETES_SERVICE_PORT_HTTPS || env.KUBERNETES_SERVICE_PORT || ''
  const url = URL.parse(`https://${host.includes(':') && !host.startsWith('[') ? `[${host}]` : host}:${port}`)
  if (!/^\d+$/.test(port) || url === null || url.href !== `${url.origin}/`) {
    throw new ConnectionError(
      'KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT do not name a host and a port: ' +
        'leave them as the cluster sets them, or name a kubeconfig in REGISTRY_OPENSHIFT_KUBECONFIG'
    )
  }
  return url.origin
}

/** @throws ConnectionError */
async function podConnection(
  url: string,
  folder: string,
  env: Environment,
  now?: () => number
): Promise<Connection> {
  const field = "the pod's service account"
  const ca = { path: join(folder, 'ca.crt'), field }
  const token = { path: join(folder, 'token'), field }
  try {
    return await connect({ url, origin: `${field} (${folder})`, ca, token }, env, now)
  } catch (error) {
    if (!(error instanceof ConnectionError)) throw error
    throw new ConnectionError(
      `${error.message}. A pod gets them by automountServiceAccountToken: true; ` +
        'otherwise name a kubeconfig in REGISTRY_OPENSHIFT_KUBECONFIG',
      { cause: error }
    )
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false
  )
}

/** Of `KUBECONFIG`, a list of paths: unlike kubectl, files are not merged. */
async function listedKubeconfig(list: string): Promise<string> {
  const paths = list.split(delimiter).filter((path) => path !== '')
  for (const path of paths) if (await exists(path)) return path
  throw new ConnectionError(
    `KUBECONFIG names no file that exists: ${paths.join(', ')}. Correct it or unset it`
  )
}

/**
 * Finds the API server: the kubeconfig given; else `KUBECONFIG`; else, in a pod, its service account; else ~/.kube/config.
 * @param options.kubeconfig a path
 * @param options.serviceAccountFolder where a pod's `token` and `ca.crt` are
 * @throws ConnectionError, ProxyError, TrustError one message, which names the file or variable and what to do
 */
export async function openConnection(options: {
  kubeconfig?: string
  env: Environment
  serviceAccountFolder?: string
  now?: () => number
}): Promise<Connection> {
  const { kubeconfig, env, serviceAccountFolder = SERVICE_ACCOUNT, now } = options
  if (kubeconfig) return connect(await readKubeconfig(kubeconfig), env, now)
  if (env.KUBECONFIG) return connect(await readKubeconfig(await listedKubeconfig(env.KUBECONFIG)), env, now)
  const host = env.KUBERNETES_SERVICE_HOST
  if (host) return podConnection(podUrl(host, env), serviceAccountFolder, env, now)
  const ofUser = env.HOME && join(env.HOME, '.kube', 'config')
  if (ofUser && (await exists(ofUser))) return connect(await readKubeconfig(ofUser), env, now)
  throw new ConnectionError(
    'no Kubernetes API server is known: run in a pod with a service account, ' +
      'or name a kubeconfig in REGISTRY_OPENSHIFT_KUBECONFIG or KUBECONFIG'
  )
}
