import type { IncomingHttpHeaders } from 'node:http'
import { StorageUnavailable } from '../driver.ts'
import type { Fault } from '../objects/retry.ts'

/** The store's answer to a call that it did not do. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly status: number
  /** Google's word, such as `rateLimitExceeded`, where the answer has one. */
  readonly reason: string | undefined
  readonly retryAfterMs: number | undefined
  /** What it says of this machine's clock. */
  readonly skewSeconds: number
  /** Set where another try may go better for a reason that the answer does not show. */
  isPassing = false

  constructor(status: number, headers: IncomingHttpHeaders, body: string, now: number) {
    const { message, reason } = parse(body)
    super(message)
    this.status = status
    this.reason = reason
    const seconds = Number(headers['retry-after'])
    this.retryAfterMs = Number.isFinite(seconds) ? seconds * 1000 : undefined
    const date = Date.parse(headers.date ?? '')
    this.skewSeconds = Number.isNaN(date) ? 0 : Math.round((now - date) / 1000)
  }
}

/** No token could be had. */
export class TokenFault extends Error {
  override readonly name = 'TokenFault'
  isPassing: boolean
  constructor(cause: unknown) {
    super((cause as Error).message, { cause })
    const { status, code } = cause as { status?: number; code?: string | number }
    this.isPassing = typeof code === 'string' ? isConnection(code) : status !== undefined && isBusy(status)
  }
}

/** What came back is not what was sent. */
export class Corrupted extends Error {
  override readonly name = 'Corrupted'
}

function parse(body: string): { message: string; reason?: string } {
  const short = (text: string): string => text.replace(/\s+/g, ' ').trim().slice(0, 400)
  try {
    const { error } = JSON.parse(body) as {
      error: { message: string; errors?: { reason?: string }[] }
    }
    const reason = error.errors?.[0]?.reason
    return { message: short(error.message), ...(reason !== undefined && { reason }) }
  } catch {
    // Those for media are plain text.
    return { message: short(body) }
  }
}

const isBusy = (status: number): boolean => [408, 429, 500, 502, 503, 504].includes(status)

const CONNECTION =
  /^(ECONN(RESET|REFUSED|ABORTED)|ETIMEDOUT|EPIPE|EAI_AGAIN|ENETUNREACH|EHOSTUNREACH|ENETDOWN|ERR_PROXY_TUNNEL|UND_ERR_.*|EPROTO|ERR_STREAM_PREMATURE_CLOSE)$/
const isConnection = (code: string): boolean => CONNECTION.test(code)

/** An object bears about one change a second: five tries within that second would be for nothing. */
const pauseForOneKey = (): number => 600 + Math.random() * 1400

/** What `createRetrying` asks of an error of `attempt`. */
export function judge(error: unknown): Fault {
  if (error instanceof Refusal) {
    const { status, reason, message } = error
    const isLimit = status === 429 || (status === 403 && /ateLimitExceeded$/.test(reason ?? ''))
    const isBroken = status === 400 && /match(es)? (the )?calculated/i.test(message)
    return {
      code: reason ?? String(status),
      isPassing: isLimit || isBroken || isBusy(status) || error.isPassing,
      isAlive: status < 500,
      retryAfterMs: error.retryAfterMs ?? (isLimit ? pauseForOneKey() : undefined)
    }
  }
  if (error instanceof TokenFault) return { code: 'token', isPassing: error.isPassing }
  if (error instanceof Corrupted) return { code: 'corrupted', isPassing: true }
  const { code, name } = error as NodeJS.ErrnoException
  if (name === 'TimeoutError') return { code: name, isPassing: true }
  return { code: code ?? name, isPassing: code !== undefined && isConnection(code) }
}

interface Where {
  bucket: string
  endpoint: string
  /** Of the credentials. */
  origin: string
  kmskeyname: string | undefined
}

const DISTRUST = /^(CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_TLS_CERT_|HOSTNAME_MISMATCH|INVALID_CA)/

/** Whatever went wrong, in words for an administrator, with what to do. */
export function unavailable(error: unknown, where: Where): StorageUnavailable {
  if (error instanceof StorageUnavailable) return error
  if (error instanceof Refusal) return ofRefusal(error, where)
  const { code = '', message } = error as NodeJS.ErrnoException
  if (error instanceof TokenFault) {
    if (error.cause instanceof StorageUnavailable) return error.cause
    return new StorageUnavailable(
      `no token for Google Cloud Storage can be had with ${where.origin} (${message}): check that the account and its key are there and valid, and that this machine's clock is right`,
      { cause: error }
    )
  }
  const remedy = DISTRUST.test(code)
    ? 'its certificate is not trusted: add the authority to the bundle that SSL_CERT_FILE names'
    : 'check the network, and HTTPS_PROXY and NO_PROXY'
  return new StorageUnavailable(
    `Google Cloud Storage at ${where.endpoint} cannot be used (${message || code}): ${remedy}`,
    { cause: error }
  )
}

function ofRefusal(refusal: Refusal, { bucket, origin, kmskeyname }: Where): StorageUnavailable {
  const { status, reason = '', message, skewSeconds } = refusal
  const said = message === '' ? `${status}` : `${status}: ${message}`
  const say = (text: string, isGone = false): StorageUnavailable =>
    new StorageUnavailable(text, { cause: refusal, isGone })
  if (status === 401) {
    const clock = Math.abs(skewSeconds) > 60 ? `; this machine's clock is ${skewSeconds} s off, set it` : ''
    return say(`Google Cloud Storage refuses ${origin} (${said}): replace the key${clock}`)
  }
  if (status === 404) {
    return say(
      `there is no bucket ${bucket} in Google Cloud Storage (${said}): create it, or correct storage.gcs.bucket`,
      true
    )
  }
  if (status === 403 && /retention|hold/i.test(`${reason} ${message}`)) {
    return say(
      `the bucket ${bucket} keeps an object that is to be removed or replaced (${said}): lift its retention policy or hold`
    )
  }
  if (/kms|crypto ?key/i.test(message)) {
    return say(
      `the key ${kmskeyname ?? `of the bucket ${bucket}`} cannot be used (${said}): grant roles/cloudkms.cryptoKeyEncrypterDecrypter on it to the project's Cloud Storage service agent`
    )
  }
  if (status === 403) {
    return say(
      `the account of ${origin} may not do that in the bucket ${bucket} (${said}): grant it roles/storage.objectUser there`
    )
  }
  return say(`Google Cloud Storage answers ${said}`)
}
