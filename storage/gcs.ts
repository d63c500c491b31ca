import { type Agent, Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { agentOptions, proxyFor } from '../src/outgoing/proxy.ts'
import { trustSystem } from '../src/outgoing/trust.ts'
import type { StorageDriver } from './driver.ts'
import { checkBucket } from './gcs/check.ts'
import { createClient } from './gcs/client.ts'
import { createCredentials, NO_CREDENTIALS, readDocument, universeOf } from './gcs/credentials.ts'
import { createSigning } from './gcs/signing.ts'
import { createGcsStore } from './gcs/store.ts'
import { createExchanging } from './objects/exchange.ts'
import { objectStorage } from './objects/object-storage.ts'
import type { ObjectStore } from './objects/store.ts'
import type { GcsOptions, Surroundings } from './options.ts'

/** A driver over a bucket. @throws as openGcsStore */
export async function gcsStorage(options: GcsOptions, surroundings: Surroundings): Promise<StorageDriver> {
  const { memory, redirectSeconds, log } = surroundings
  const store = await openGcsStore(options, surroundings)
  const chunks = { chunkSize: options.chunksize, memory: Math.max(memory, options.chunksize) }
  return objectStorage(store, { ...chunks, redirectSeconds, log })
}

/** Google keeps connections for minutes. */
const IDLE_MS = 50_000
/** Composing large objects may take a while, in which nothing comes. */
const WAIT_MS = 45_000

/**
 * The objects of a bucket in Google Cloud Storage, below the root directory. As Google's libraries do, it goes to an
 * emulator that `STORAGE_EMULATOR_HOST` names, without a token unless the options have credentials.
 * @throws StorageUnavailable for credentials, a bucket or a permission that are missing, in words for an administrator;
 *   ProxyError, TrustError
 */
export async function openGcsStore(
  options: GcsOptions,
  surroundings: Surroundings
): Promise<ObjectStore & { close(): void }> {
  const { bucket, keyfile, kmskeyname, useragent, maxconcurrency } = options
  const { env, onCall, onRetry, isReadOnly } = surroundings
  const emulator = env.STORAGE_EMULATOR_HOST || undefined
  const document = keyfile === undefined ? options.credentials : await readDocument(keyfile)
  const { universeDomain = env.GOOGLE_CLOUD_UNIVERSE_DOMAIN || 'googleapis.com' } = universeOf(document)
  const origin = new URL(emulator === undefined ? `https://storage.${universeDomain}` : urlOf(emulator))
  await trustSystem(env)

  const isAnonymous = emulator !== undefined && keyfile === undefined && options.credentials === undefined
  const credentials = isAnonymous
    ? NO_CREDENTIALS
    : createCredentials({ keyfile, credentials: options.credentials, agentFor: createAgents(env) })
  const exchanging = createExchanging({
    origin,
    proxy: proxyFor(origin, env),
    limit: maxconcurrency,
    idleMs: IDLE_MS,
    waitMs: WAIT_MS
  })
  const endpoint = origin.origin
  const client = createClient({
    exchanging,
    credentials,
    bucket,
    endpoint,
    kmskeyname,
    useragent,
    onCall,
    onRetry
  })
  // An emulator gives what it has to everybody, but no signatures.
  const sign = isAnonymous ? async () => undefined : createSigning({ bucket, endpoint, credentials })
  const close = (): void => exchanging.agent.destroy()
  const store = createGcsStore({ client, bucket, root: rootOf(options.rootdirectory), kmskeyname, sign })
  try {
    await checkBucket(store, isReadOnly)
    return { ...store, close }
  } catch (error) {
    close()
    throw error
  }
}

const urlOf = (host: string): string => (/^https?:\/\//.test(host) ? host : `http://${host}`)

/** As distribution: `/a/b/` is `a/b/`. */
function rootOf(rootdirectory = ''): string {
  const trimmed = rootdirectory.replace(/^\/+|\/+$/g, '')
  return trimmed === '' ? '' : `${trimmed}/`
}

/** Agents for whatever server tokens are asked of, by the same rules for proxies as all connections of ours. */
function createAgents(env: Surroundings['env']): (url: URL) => Agent {
  const agents = new Map<string, Agent>()
  return (url) => {
    const proxy = proxyFor(url, env)
    const name = `${url.protocol} ${proxy?.url}`
    const options = { keepAlive: true, timeout: 50_000, ...agentOptions(proxy) }
    const agent =
      agents.get(name) ?? (url.protocol === 'https:' ? new HttpsAgent(options) : new HttpAgent(options))
    agents.set(name, agent)
    return agent
  }
}
