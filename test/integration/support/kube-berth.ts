import { join } from 'node:path'
import type { Kube } from './kube.ts'
import { type BerthOptions, CHECKOUT, type RunningServer, startBerth } from './processes.ts'

/** Gives a cluster what deploy/rbac says that berth and its users need. */
export async function prepareCluster(kube: Kube): Promise<void> {
  await kube.createNamespace('berth')
  await kube.apply(...['registry.yaml', 'roles.yaml'].map((file) => join(CHECKOUT, 'deploy/rbac', file)))
}

export interface ClusterBerthOptions extends BerthOptions {
  /** The service account in the namespace `berth` that it has; that of deploy/rbac if not said. */
  account?: string
}

/** Starts berth as the registry of a cluster that was prepared so. */
export async function startClusterBerth(
  kube: Kube,
  options: ClusterBerthOptions = {}
): Promise<RunningServer> {
  const token = await kube.token('berth', options.account ?? 'registry')
  const env = { REGISTRY_AUTH: 'openshift', KUBECONFIG: kube.kubeconfig({ token }), ...options.env }
  return startBerth({ ...options, env })
}
