import { StorageUnavailable } from '../driver.ts'
import type { Fault } from '../objects/retry.ts'

/** What the service, or the way to it, says of a call that failed. */
export interface AzureFault {
  /** Of HTTP; 0 when there was no answer. */
  readonly status: number
  /** The service's, such as `BlobNotFound`, else Node's or a name for what came instead. */
  readonly code: string
  readonly retryAfterMs: number | undefined
  /** How far this machine's clock is behind the service's, as far as the answer tells. */
  readonly skewMs: number
}

interface Failed {
  readonly code?: string
  readonly name?: string
  readonly statusCode?: number
  readonly details?: { readonly errorCode?: string }
  readonly response?: { readonly headers: { get(name: string): string | undefined } }
}

/** @param error of the SDK, which tells the code of an answer without a body (to HEAD) in `details` only */
export function faultOf(error: unknown, now = Date.now()): AzureFault {
  const { code, name, statusCode, details, response } = (error ?? {}) as Failed
  const header = (key: string): string | undefined => response?.headers.get(key)
  const named = details?.errorCode ?? header('x-ms-error-code') ?? code ?? name
  const ms = Number(header('x-ms-retry-after-ms') ?? Number(header('retry-after')) * 1000)
  const date = Date.parse(header('date') ?? '')
  return {
    status: statusCode ?? 0,
    code: named ?? 'Unknown',
    retryAfterMs: Number.isFinite(ms) ? ms : undefined,
    skewMs: Number.isFinite(date) ? date - now : 0
  }
}

/** Without an answer's status: of PARSE_ERROR, its body broke off. */
const LOST =
  /^(E(CONN(REFUSED|RESET|ABORTED)|PIPE|TIMEDOUT|HOSTUNREACH|NETUNREACH|NETDOWN|AI_AGAIN|PROTO)|REQUEST_SEND_ERROR|ABORT_ERR|AbortError|ERR_STREAM_PREMATURE_CLOSE|PARSE_ERROR)$/

const BUSY = [408, 429, 500, 502, 503, 504]

/** An identity could not get a token. */
const NO_TOKEN =
  /^(CredentialUnavailableError|AuthenticationError|AuthenticationRequiredError|AggregateAuthenticationError)$/
/** What its messages say where who gives tokens was not reached, is ill or has too much to do. They say no more. */
const AWAY =
  /\b(network_error|endpoints_resolution_error|openid_config_error|server_error|temporarily_unavailable|throttled)\b/

/** For `createRetrying`. */
export function judge(error: unknown): Fault {
  const { status, code, retryAfterMs } = faultOf(error)
  const { name = '', message = '' } = (error ?? {}) as Partial<Error>
  if (status === 0 && NO_TOKEN.test(name)) return { code, isPassing: AWAY.test(message) }
  return { code, isPassing: status === 0 ? LOST.test(code) : BUSY.includes(status), retryAfterMs }
}

/** Where a call went, for messages. */
export interface Place {
  readonly container: string
  readonly url: string
  /** `shared_key`, `client_secret` or `default_credentials` */
  readonly credentials: string
}

const ROLE = 'give it the role "Storage Blob Data Contributor" on the container'
const MAX_SKEW_MS = 5 * 60_000

/** What is wrong and what to do about it, by the service's code. */
const REMEDIES: Record<string, (place: Place) => string> = {
  ContainerNotFound: () => 'there is no such container: create it, or correct storage.azure.container',
  ContainerBeingDeleted: () => 'the container is being deleted: choose another in storage.azure.container',
  ContainerDisabled: () => 'the container was disabled by an administrator',
  AccountIsDisabled: () => 'the storage account is disabled: enable it in the Azure portal',
  AccountNotFound: () => 'there is no such storage account: correct storage.azure.accountname or realm',
  AuthenticationFailed: ({ credentials }) =>
    credentials === 'shared_key'
      ? 'the account key is refused: correct storage.azure.accountkey, and see that it was not rotated'
      : 'the token is refused: check the tenant, and that the identity still exists',
  InvalidAuthenticationInfo: () =>
    'the credentials are refused: check the tenant and storage.azure.credentials',
  AuthorizationFailure: ({ credentials }) =>
    `this network or this identity is not let in: check the firewall under "Networking" of the storage account${credentials === 'shared_key' ? ', and storage.azure.accountname and accountkey' : ''}`,
  AuthorizationPermissionMismatch: () => `the identity may not do this: ${ROLE}`,
  InsufficientAccountPermissions: () => `the credentials do not allow this: ${ROLE}`,
  KeyBasedAuthenticationNotPermitted: () =>
    'access by key is switched off for this storage account: allow it, or leave out accountkey and use an identity',
  CannotVerifyCopySource: () =>
    'the service could not read a piece of an upload from this same container: check that the firewall of the storage account lets in this network, and that serviceurl is the address that the service itself has',
  BlobArchived: () =>
    'the blob is in the archive tier: rehydrate it, and let no lifecycle rule archive blobs',
  BlobImmutableDueToPolicy: () => LOCKED,
  BlobImmutableDueToLegalHold: () => LOCKED,
  LeaseIdMissing: () => 'somebody holds a lease on the blob: break it',
  LeaseAlreadyPresent: () => 'somebody holds a lease on the blob: break it',
  BlockCountExceedsLimit: () =>
    'too many blocks of unfinished uploads of this blob: they vanish within a week',
  InvalidHeaderValue: () => 'the service is too old for this version of its protocol, or refuses a header'
}

const LOCKED = 'the blob is locked by an immutability policy or a legal hold of the container: remove it'

const DISTRUST = /^(CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_TLS_CERT_|HOSTNAME_MISMATCH|INVALID_CA)/

/** In words for an administrator, whoever asked for what. A missing permission is never taken for a missing blob. */
export function unavailable(error: unknown, place: Place, now = Date.now()): StorageUnavailable {
  const fault = faultOf(error, now)
  const { status, code } = fault
  const where = `the container ${place.container} at ${place.url}`
  const what = status === 0 ? code : `${status} ${code}`
  const isGone = code === 'ContainerNotFound' || code === 'AccountNotFound'
  return new StorageUnavailable(`${where} cannot be used (${what}): ${remedyFor(error, fault, place)}`, {
    isGone,
    cause: error
  })
}

function remedyFor(error: unknown, { status, code, skewMs }: AzureFault, place: Place): string {
  const { name = '', message = '' } = (error ?? {}) as Partial<Error>
  if (NO_TOKEN.test(name)) {
    return `no token could be had with storage.azure.credentials.type ${place.credentials} (${firstLine(message)}): check the identity of the pod and its secret, and that who gives tokens can be reached`
  }
  if (DISTRUST.test(code)) {
    return `its certificate is not trusted (${firstLine(message)}): name the authority in the file of SSL_CERT_FILE`
  }
  if (code === 'ENOTFOUND')
    return 'there is no such host: check storage.azure.accountname, realm and serviceurl'
  if (status === 0)
    return `${firstLine(message) || code}: check the network, storage.azure.serviceurl where it is set, and the proxy if there is one`
  const remedy =
    REMEDIES[code]?.(place) ??
    `${firstLine(message) || 'it gives no reason'}: check storage.azure.accountname, container and serviceurl`
  if (status === 403 && Math.abs(skewMs) > MAX_SKEW_MS) {
    return `this machine's clock is ${shown(skewMs)} the service's: correct it (else: ${remedy})`
  }
  return remedy
}

const shown = (skewMs: number): string =>
  `${Math.round(Math.abs(skewMs) / 60_000)} minutes ${skewMs > 0 ? 'behind' : 'ahead of'}`

/** What follows in a message of the service are identifiers of the request; those of identities are long. */
const firstLine = (text: string): string => (text.split('\n', 1)[0] ?? '').slice(0, 300)
