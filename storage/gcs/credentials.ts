import { readFile } from 'node:fs/promises'
import type { Agent } from 'node:http'
import {
  AwsClient,
  type AwsClientOptions,
  BaseExternalAccountClient,
  GoogleAuth,
  IdentityPoolClient,
  type IdentityPoolClientOptions,
  JWT,
  type JWTInput,
  PluggableAuthClient,
  type PluggableAuthClientOptions
} from 'google-auth-library'
import { StorageUnavailable } from '../driver.ts'
import type { GcsOptions } from '../options.ts'

type Client = Awaited<ReturnType<GoogleAuth['getClient']>>

interface Opened {
  client: Client
  auth: GoogleAuth
}

export interface Credentials {
  /** The `authorization` of a request; undefined for an emulator that wants none.
   *  @throws what the library throws when no token can be had */
  header(): Promise<string | undefined>
  /** Forgets what was refused: the next header is made from what files and the environment say by then. */
  forget(): void
  /** For signing. @throws where nobody is known who could sign */
  auth(): Promise<GoogleAuth>
  /** Where they are from, for messages. */
  readonly origin: string
}

/** What may be done with objects, within what the account's roles allow; signing without a key needs the second. */
const SCOPES = ['https://www.googleapis.com/auth/cloud-platform']

/** The library looks at every call whether a token is still good, for some microseconds. We ask it now and then. */
const HELD_MS = 5_000
const TOKEN_MS = 15_000

interface CredentialsOptions extends Pick<GcsOptions, 'keyfile' | 'credentials'> {
  /** The agent for a URL that tokens are asked for. */
  agentFor: (url: URL) => Agent
  now?: () => number
}

export const NO_CREDENTIALS: Credentials = {
  header: async () => undefined,
  forget: () => undefined,
  auth: async () => Promise.reject(new Error('there are no credentials to sign with')),
  origin: 'no credentials'
}

/** Reads nothing yet. */
export function createCredentials({
  keyfile,
  credentials,
  agentFor,
  now = Date.now
}: CredentialsOptions): Credentials {
  const origin =
    keyfile !== undefined
      ? `storage.gcs.keyfile (${keyfile})`
      : credentials !== undefined
        ? 'storage.gcs.credentials'
        : 'the application default credentials'
  let opened: Promise<Opened> | undefined
  let held: { header: Promise<string>; until: number } | undefined

  async function open(): Promise<Opened> {
    const options = { transporterOptions: { agent: agentFor, timeout: TOKEN_MS } }
    const document = keyfile === undefined ? credentials : await readDocument(keyfile)
    if (document === undefined) {
      const auth = new GoogleAuth({ scopes: SCOPES, clientOptions: options })
      return { client: withoutExchange(await auth.getClient()), auth }
    }
    const client = clientOf(document, options, origin)
    const auth = new GoogleAuth({ authClient: client })
    // Otherwise it asks the metadata server who signs.
    if (client instanceof JWT) auth.jsonContent = document as JWTInput
    return { client, auth }
  }

  function forget(): void {
    opened = undefined
    held = undefined
  }

  function current(): Promise<Opened> {
    if (opened !== undefined) return opened
    opened = open()
    opened.catch(forget)
    return opened
  }

  async function ask(): Promise<string> {
    const header = (await (await current()).client.getRequestHeaders()).get('authorization')
    if (header === null) throw new StorageUnavailable(`${origin} gave no token for Google Cloud Storage`)
    return header
  }

  return {
    async header() {
      if (held === undefined || held.until < now()) {
        const header = ask()
        held = { header, until: now() + HELD_MS }
        // A file that was replaced is read when the call is tried again.
        header.catch(forget)
      }
      return held.header
    },
    forget,
    async auth() {
      const { client, auth } = await current()
      // Otherwise it looks for a metadata server.
      if (client instanceof BaseExternalAccountClient && client.getServiceAccountEmail() === null) {
        throw new Error(`${origin} names no service account (service_account_impersonation_url)`)
      }
      return auth
    },
    origin
  }
}

/** @throws StorageUnavailable */
export async function readDocument(path: string): Promise<Readonly<Record<string, unknown>>> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new StorageUnavailable(
      `storage.gcs.keyfile: ${path} cannot be read (${code}): mount the key there, or correct the path`,
      { cause: error }
    )
  }
  try {
    const document: unknown = JSON.parse(text)
    if (typeof document === 'object' && document !== null) return document as Record<string, unknown>
  } catch {
    // Its text is a secret: the parser's message would show some of it.
  }
  throw new StorageUnavailable(`storage.gcs.keyfile: ${path} is not JSON: put the whole key file there`)
}

type ClientOptions = { transporterOptions: { agent: (url: URL) => Agent; timeout: number } }

/** Each kind by its own constructor, as the library asks for; none is taken that it would have to guess. */
function clientOf(
  document: Readonly<Record<string, unknown>>,
  options: ClientOptions,
  origin: string
): Client {
  const { type, client_email: email, private_key: key, private_key_id: keyId } = document
  if (type === 'service_account') {
    if (typeof email !== 'string' || typeof key !== 'string') {
      throw new StorageUnavailable(`${origin}: a service account's key has a client_email and a private_key`)
    }
    const common = { ...options, email, key, scopes: SCOPES, ...universeOf(document) }
    return withoutExchange(new JWT(typeof keyId === 'string' ? { ...common, keyId } : common))
  }
  if (type === 'external_account') {
    const source = document.credential_source
    const has = (name: string): boolean => typeof source === 'object' && source !== null && name in source
    const external = { ...document, ...options, scopes: SCOPES }
    try {
      if (has('environment_id')) return new AwsClient(external as unknown as AwsClientOptions)
      if (has('executable')) return new PluggableAuthClient(external as unknown as PluggableAuthClientOptions)
      return new IdentityPoolClient(external as unknown as IdentityPoolClientOptions)
    } catch (error) {
      throw new StorageUnavailable(`${origin}: ${(error as Error).message}`, { cause: error })
    }
  }
  throw new StorageUnavailable(
    `${origin}: its type is ${JSON.stringify(type)}, not service_account or external_account`
  )
}

/** A service account's own signature is a token that Google's services take: nothing is asked of another server. */
function withoutExchange(client: Client): Client {
  if (client instanceof JWT) client.useJWTAccessWithScope = true
  return client
}

/** The cloud that the document is of: `googleapis.com`, but for those that a country has for itself. */
export function universeOf(document: Readonly<Record<string, unknown>> | undefined): {
  universeDomain?: string
} {
  const domain = document?.universe_domain
  return typeof domain === 'string' ? { universeDomain: domain } : {}
}
