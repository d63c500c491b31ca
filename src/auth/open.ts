import type { Config } from '../config/config.ts'
import type { RepositoryName } from '../oci/name.ts'
import type { Siblings } from '../registry/siblings.ts'
import type { Authority } from './authority.ts'
import { createFailures } from './failures.ts'
import { hashWith, type IdentityParts } from './identity.ts'
import type { KeyRing } from './keys.ts'
import type { Ownership } from './ownership.ts'

export interface OpenIdentityOptions {
  config: Config
  keys: KeyRing
  environment: Readonly<Record<string, string | undefined>>
  siblings: Siblings
  owners: {
    get(name: RepositoryName): Promise<string | undefined>
    read(name: RepositoryName): Promise<string | undefined>
    claim(name: RepositoryName, uid: string, former: string | undefined): Promise<void>
  }
  logger: { info(text: string): void; warn(text: string): void }
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
  const { config, keys, environment, siblings, owners, logger } = options
  const { kubeconfig, auth } = config.openshift
  const [{ openConnection }, { createApiServer }, { createClusterAuthority }, { createOwnership }] =
    await Promise.all([
      import('../kubernetes/connection.ts'),
      import('../kubernetes/api-server.ts'),
      import('./cluster.ts'),
      import('./ownership.ts')
    ])
  const connection = await openConnection({
    ...(kubeconfig !== undefined && { kubeconfig }),
    env: environment
  })
  const api = createApiServer(connection)
  const authority = createClusterAuthority({
    api,
    audiences: auth.audiences,
    nested: auth.nestedrepositories,
    siblings,
    hash: hashWith(keys),
    logger
  })
  const ownership: Ownership | undefined = auth.namespaceuids
    ? createOwnership({ api, owners, siblings, logger })
    : undefined
  return { authority, ownership, close: api.close }
}

async function openLocal({ config, logger }: OpenIdentityOptions): Promise<Asked> {
  const [{ openHtpasswd }, { createLocalAuthority }] = await Promise.all([
    import('./htpasswd.ts'),
    import('./local.ts')
  ])
  const { path, realm, anonymouspull } = config.htpasswd
  const { check, knows } = await openHtpasswd({ path, logger })
  return {
    authority: createLocalAuthority({ check, knows, realm, anonymousPull: anonymouspull }),
    close: () => {}
  }
}
