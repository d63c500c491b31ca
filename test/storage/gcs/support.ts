import { generateKeyPairSync } from 'node:crypto'
import type { Test } from 'tap'
import { createClient } from '../../../storage/gcs/client.ts'
import { NO_CREDENTIALS } from '../../../storage/gcs/credentials.ts'
import { createGcsStore } from '../../../storage/gcs/store.ts'
import { createExchanging } from '../../../storage/objects/exchange.ts'
import type { ObjectStore } from '../../../storage/objects/store.ts'
import type { GcsOptions, Surroundings } from '../../../storage/options.ts'
import { type FakeGcs, type FakeRequest, type Fault, startFakeGcs } from './fake-gcs.ts'

/** A key as Google gives it out. 2048 bits, as its are. */
export function serviceAccount() {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' }
  })
  return {
    publicKey,
    document: {
      type: 'service_account',
      project_id: 'p',
      private_key_id: 'k1',
      private_key: privateKey,
      client_email: 'berth@p.iam.gserviceaccount.com',
      token_uri: 'https://oauth2.googleapis.com/token'
    }
  }
}

export function gcsOptions(options: Partial<GcsOptions> = {}): GcsOptions {
  return {
    bucket: 'images',
    keyfile: undefined,
    credentials: undefined,
    rootdirectory: undefined,
    chunksize: 16 << 20,
    maxconcurrency: 50,
    useragent: undefined,
    kmskeyname: undefined,
    ...options
  }
}

export interface Told extends Surroundings {
  warnings: string[]
  calls: string[]
  retries: string[]
}

export function surroundings(env: Surroundings['env'], options: Partial<Surroundings> = {}): Told {
  const [warnings, calls, retries]: [string[], string[], string[]] = [[], [], []]
  return {
    env,
    memory: 64 << 20,
    isReadOnly: false,
    redirectSeconds: 600,
    log: { info: () => undefined, warn: (text) => warnings.push(text) },
    onCall: (operation, _ms, code) => calls.push(code === undefined ? operation : `${operation} ${code}`),
    onRetry: (operation, code) => retries.push(`${operation} ${code}`),
    ...options,
    warnings,
    calls,
    retries
  }
}

interface StoreOptions {
  told?: Told
  bucket?: string
  kmskeyname?: string
  silenceMs?: number
}

/** A client of a fake's bucket, without anything tried out at first, that waits for nothing. */
export function gcsStore(
  url: string,
  root = '',
  { told = surroundings({}), bucket = 'images', kmskeyname, silenceMs }: StoreOptions = {}
): ObjectStore & { close(): void } {
  const exchanging = createExchanging({
    origin: new URL(url),
    proxy: undefined,
    limit: 50,
    idleMs: 50_000,
    ...(silenceMs !== undefined && { waitMs: silenceMs, silenceMs })
  })
  const client = createClient({
    ...told,
    exchanging,
    credentials: NO_CREDENTIALS,
    bucket,
    endpoint: url,
    kmskeyname,
    useragent: undefined,
    pause: async () => undefined
  })
  const store = createGcsStore({ client, bucket, root, kmskeyname, sign: async () => undefined })
  return { ...store, close: () => exchanging.agent.destroy() }
}

/** A fake, and a store on it, for one test. */
export async function fakeStore(t: Test, options: StoreOptions = {}) {
  const fake = await startFakeGcs()
  t.teardown(async () => fake.close())
  const told = surroundings({})
  const store = gcsStore(fake.url, '', { told, ...options })
  t.teardown(store.close)
  return { fake, store, told }
}

/** The fault for the first so many requests that the test is true of. */
export function faultsFor(
  isMeant: (request: FakeRequest) => boolean,
  times: number,
  fault: Fault
): FakeGcs['fault'] {
  let left = times
  return (request) => (isMeant(request) && left-- > 0 ? fault : undefined)
}

/** As Google words it. */
export function refusal(code: number, message: string, reason: string): Fault {
  const error = { code, message, errors: [{ message, domain: 'global', reason }] }
  return { status: code, body: JSON.stringify({ error }) }
}

export const isPut = ({ path }: FakeRequest): boolean => path.startsWith('/upload/')
export const isMedia = ({ query }: FakeRequest): boolean => query.get('alt') === 'media'
