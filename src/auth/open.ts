import type { Config } from '../config/config.ts'
import type { ApiServer } from '../kubernetes/api-server.ts'
import type { Connection } from '../kubernetes/connection.ts'
import type { OnCall } from '../kubernetes/measured.ts'
import type { Owners } from '../registry/owners.ts'
import type { Inherit, Siblings } from '../registry/siblings.ts'
import { ANONYMOUS, type Authority } from './authority.ts'
import { createFailures } from './failures.ts'
import type { IdentityParts } from './identity.ts'
import { hashWith, type KeyRing } from './keys.ts'
import type { Ownership } from './ownership.ts'
import { attributesOf } from './permissions.ts'

export interface OpenIdentityOptions {
  config: Config
  keys: KeyRing
  environment: Readonly<Record<string, string | undefined>>
  siblings: Siblings
  inherit: Inherit
  /** Whether this process says what only one of a pod's need say. */
  leads: boolean
  owners: Owners
  logger: { info(text: string): void; warn(text: string): void }
  /** Told of each call to the API server when it has ended, and each time that one is tried again. */
  calls?: { onCall: OnCall; onRetry(): void } | undefined
}

type Asked = Pick<IdentityParts, 'ownership' | 'close'> & { authority: Authority }

/**
 * What the configuration says about who may come in; undefined where everybody may. What asks a cluster is loaded only
 * where there is one.
 * @throws ConnectionError, HtpasswdError in words for an administrator
 */
export async function openIdentity(options: OpenIdentityOptions): Promise<IdentityParts | undefined> {
  const { config, keys } = options
  const { http, openshift } = config
  if (config.auth === undefined || config.auth === 'none') return undefined
  const asked = await (config.auth === 'openshift' ? openCluster(options) : openLocal(options))
  return {
    ...asked,
    keys,
    failures: createFailures({ max: http.maxfailedlogins }),
    anonymousCatalog: openshift.auth.anonymouscatalog,
    cureStaleCredentials: openshift.auth.curestalecredentials
  }
}

async function openCluster(options: OpenIdentityOptions): Promise<Asked> {
  const { config, keys, environment, siblings, owners, leads, logger, calls } = options
  const { kubeconfig, auth } = config.openshift
  const [
    { openConnection },
    { createApiServer },
    { createClusterAuthority },
    { createOwnership, createUnchecked },
    { createTold },
    { measuredApiServer }
  ] = await Promise.all([
    import('../kubernetes/connection.ts'),
    import('../kubernetes/api-server.ts'),
    import('./cluster.ts'),
    import('./ownership.ts'),
    import('./told.ts'),
    import('../kubernetes/measured.ts')
  ])
  const connection = await openConnection({
    ...(kubeconfig !== undefined && { kubeconfig }),
    env: environment
  })
  const api =
    calls === undefined
      ? createApiServer(connection)
      : measuredApiServer(createApiServer(connection, { onRetry: calls.onRetry }), calls.onCall)
  const told = createTold({ logger })
  const authority = createClusterAuthority({
    api,
    audiences: auth.audiences,
    nested: auth.nestedrepositories,
    siblings,
    hash: hashWith(keys),
    logger,
    told
  })
  if (leads) introduce(connection, api, logger)
  const ownership: Ownership = auth.namespaceuids
    ? createOwnership({ api, owners, siblings, logger, told })
    : createUnchecked(owners)
  return { authority, ownership, close: api.close }
}

/** Which cluster it is, and who the registry is there: an administrator should not learn from users that it may not ask. */
async function introduce(
  { url, origin, proxy, identity }: Connection,
  api: ApiServer,
  logger: OpenIdentityOptions['logger']
): Promise<void> {
  const [{ ApiUnavailable }, { shownProxy }] = await Promise.all([
    import('../kubernetes/api-server.ts'),
    import('../outgoing/proxy.ts')
  ])
  const place = { namespace: 'default', name: 'start-up-check' }
  const { token: own } = await identity()
  const [token, access, self] = await Promise.allSettled([
    api.reviewToken('start-up-check', []),
    api.reviewAccess(ANONYMOUS, attributesOf('pull', place)),
    own === undefined ? undefined : api.reviewSelf(own)
  ])
  const name = self.status === 'fulfilled' ? self.value?.username : undefined
  const way = proxy === undefined ? '' : `, through the proxy ${shownProxy(proxy)}`
  logger.info(
    `the API server is ${url}, by ${origin}${way}${name === undefined ? '' : `; berth is ${name} there`}`
  )
  // Where it may not review tokens it asks with the callers' own, and says so then.
  if (token.status === 'rejected' && token.reason instanceof ApiUnavailable) {
    logger.warn(`until this is mended nobody can log in: ${token.reason.message}`)
  } else if (access.status === 'rejected') {
    logger.warn(`until this is mended nothing can be pushed or pulled: ${(access.reason as Error).message}`)
  }
}

async function openLocal({ config, logger, siblings, inherit }: OpenIdentityOptions): Promise<Asked> {
  const [{ openHtpasswd }, { createLocalAuthority }] = await Promise.all([
    import('./htpasswd.ts'),
    import('./local.ts')
  ])
  const { path, realm, anonymouspull } = config.htpasswd
  const { check, knows } = await openHtpasswd({ path, logger, siblings, inherit })
  return {
    authority: createLocalAuthority({ check, knows, realm, anonymousPull: anonymouspull }),
    close: () => {}
  }
}
