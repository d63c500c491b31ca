import type { TokenCredential } from '@azure/identity'
import {
  BlobServiceClient,
  type ContainerClient,
  newPipeline,
  type StoragePipelineOptions,
  StorageSharedKeyCredential
} from '@azure/storage-blob'
import { type Environment, ProxyError } from '../../src/outgoing/proxy.ts'
import { TrustError } from '../../src/outgoing/trust.ts'
import { StorageUnavailable } from '../driver.ts'
import type { AzureOptions } from '../options.ts'
import { type Connections, openConnections } from './connections.ts'

/** For each try to get a token, which the deadline of a call does not reach. */
const TOKEN_MS = 15_000

/** A key of the account, or who gets tokens. */
export type Credential = StorageSharedKeyCredential | TokenCredential

/** The container, and what opens it. */
export interface Client {
  readonly service: BlobServiceClient
  readonly container: ContainerClient
  readonly credential: Credential
  close(): void
}

/** Makes no request yet. @throws StorageUnavailable for what the environment says in vain */
export async function openClient(
  options: AzureOptions,
  env: Environment,
  tokenMs = TOKEN_MS
): Promise<Client> {
  const url = options.serviceurl ?? `https://${options.accountname}.blob.${options.realm}`
  const { connections, verified, agent } = await connect(url, options, env)
  const credential = await credentialFor(options, verified, env, tokenMs)
  // What is tried again, and when, is said once for all stores. `agent` is an option of the pipeline below this one.
  const pipeline: StoragePipelineOptions & { agent: unknown } = {
    retryOptions: { maxTries: 1 },
    userAgentOptions: { userAgentPrefix: 'berth' },
    agent
  }
  const service = new BlobServiceClient(url, newPipeline(credential, pipeline))
  const container = service.getContainerClient(options.container)
  const close = (): void => {
    connections.close()
    verified.close()
  }
  return { service, container, credential, close }
}

async function connect(url: string, { skipverify }: AzureOptions, env: Environment) {
  try {
    const connections = await openConnections(env, skipverify)
    // Whoever gives tokens gets secrets: its certificate is verified all the same.
    const verified = await openConnections(env, false)
    return { connections, verified, agent: connections.agentFor(url) }
  } catch (error) {
    if (error instanceof TrustError || error instanceof ProxyError) {
      throw new StorageUnavailable(error.message, { cause: error })
    }
    throw error
  }
}

/** Who gives tokens, by the realm of the storage, where it is not the one of the public cloud. */
const AUTHORITIES: Record<string, string> = {
  'core.chinacloudapi.cn': 'https://login.chinacloudapi.cn',
  'core.usgovcloudapi.net': 'https://login.microsoftonline.us'
}

async function credentialFor(
  { accountname, credentials, realm }: AzureOptions,
  connections: Connections,
  env: Environment,
  tokenMs: number
): Promise<Credential> {
  if (credentials.type === 'shared_key') {
    return new StorageSharedKeyCredential(accountname, credentials.accountkey)
  }
  // It takes 120 ms to load, and who has a key never needs it.
  const { ClientSecretCredential, DefaultAzureCredential } = await import('@azure/identity')
  const named = env.AZURE_AUTHORITY_HOST
  const authorityHost = named || AUTHORITIES[realm]
  const common = {
    ...(authorityHost !== undefined && { authorityHost }),
    // Who names a host of their own vouches for it: Microsoft's, which would, may be out of reach.
    ...(named && { disableInstanceDiscovery: true }),
    additionalPolicies: [{ policy: through(connections, tokenMs), position: 'perCall' as const }]
  }
  if (credentials.type === 'client_secret') {
    const { tenantid, clientid, secret } = credentials
    return new ClientSecretCredential(tenantid, clientid, secret, common)
  }
  return new DefaultAzureCredential(common)
}

/** Of the pipeline that asks for tokens: it goes to several hosts, one of them without TLS. */
function through({ agentFor }: Connections, tokenMs: number) {
  return {
    name: 'connections',
    sendRequest<T>(
      request: { url: string; timeout: number; agent?: unknown },
      next: (request: never) => T
    ): T {
      request.agent ??= agentFor(request.url)
      request.timeout ||= tokenMs
      return next(request as never)
    }
  }
}
