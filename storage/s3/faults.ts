import type { IncomingHttpHeaders } from 'node:http'
import { StorageFull, StorageUnavailable } from '../driver.ts'
import { parseXml, textOf } from './xml.ts'

/** What a call to the store ended with. */
export interface Fault {
  /** The store's word, or the system's: `NoSuchKey`, `ECONNRESET`. */
  readonly code: string
  /** Undefined when there was no answer. */
  readonly status: number | undefined
  readonly message: string
  /** By the `Retry-After` of the answer. */
  readonly retryAfterMs: number | undefined
  /** Where the bucket is, if that is what is wrong. */
  readonly region: string | undefined
  /** How far the store's clock is ahead of ours, as far as it told. */
  readonly aheadMs: number | undefined
}

/** The store's answer to a call that it did not do; in the form of the SDK's errors, as those of the token service are. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly Code: string
  readonly $metadata: { httpStatusCode: number }
  readonly $response: { headers: IncomingHttpHeaders }

  /** @param body the error document, which a HEAD does not have */
  constructor(status: number, headers: IncomingHttpHeaders, body: string) {
    const { Code = '', Message = '' } = errorIn(body) ?? {}
    super(Message)
    this.Code = Code
    this.$metadata = { httpStatusCode: status }
    this.$response = { headers }
  }
}

/** What an error document says, if it is one. */
export function errorIn(body: string): { Code: string; Message: string } | undefined {
  const error = parseXml(body, 'Error')
  return error && { Code: textOf(error, 'Code') ?? '', Message: textOf(error, 'Message') ?? '' }
}

interface SdkError extends Error {
  code?: string | number
  Code?: string
  $metadata?: { httpStatusCode?: number }
  $response?: { headers?: IncomingHttpHeaders }
}

/** Names that the SDK gives to an answer without a body. */
const NAMELESS = new Set(['', 'Unknown', 'UnknownError', 'Error', 'SyntaxError'])

export function faultOf(error: unknown): Fault {
  const { name, code, Code, message, $metadata, $response } = error as SdkError
  const status = $metadata?.httpStatusCode
  const headers = $response?.headers ?? {}
  // A DOMException has a number there.
  const word = Code ?? (typeof code === 'string' ? code : name) ?? ''
  const date = Date.parse(headers.date ?? '')
  const seconds = Number(headers['retry-after'] ?? Number.NaN)
  return {
    code: status !== undefined && (NAMELESS.has(word) || /^\d+$/.test(word)) ? `HTTP ${status}` : word,
    status,
    message: message ?? String(error),
    retryAfterMs: Number.isFinite(seconds) ? seconds * 1000 : undefined,
    region: [headers['x-amz-bucket-region']].flat()[0],
    aheadMs: Number.isNaN(date) ? undefined : date - Date.now()
  }
}

const PASSING_STATUS = new Set([408, 429, 500, 502, 503, 504])
const PASSING_CODE = new Set([
  ...['SlowDown', 'SlowDownRead', 'SlowDownWrite', 'InternalError', 'RequestTimeout', 'ServiceUnavailable'],
  ...[
    'OperationAborted',
    'ConditionalRequestConflict',
    'IncompleteBody',
    'BadDigest',
    'XAmzContentSHA256Mismatch'
  ],
  ...['ECONNRESET', 'ECONNREFUSED', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'EAI_AGAIN'],
  ...['TimeoutError', 'AbortError', 'ABORT_ERR', 'ERR_STREAM_PREMATURE_CLOSE', 'ERR_SOCKET_CLOSED']
])

/** Another try may succeed. A body that was damaged on its way is sent again as well. */
export function isPassing({ status, code }: Fault): boolean {
  return PASSING_CODE.has(code) || (status !== undefined && PASSING_STATUS.has(status))
}

const STALE = new Set([
  ...['ExpiredToken', 'ExpiredTokenException', 'InvalidAccessKeyId', 'InvalidToken', 'TokenRefreshRequired'],
  ...['SignatureDoesNotMatch', 'InvalidClientTokenId', 'RequestExpired']
])

/** Other credentials, or another clock, may be all it needs. */
export function isRefused({ status, code }: Fault): boolean {
  return STALE.has(code) || code === 'RequestTimeTooSkewed' || status === 401
}

/** To a HEAD the store does not say why it is refused. */
export function isUnexplained({ code }: Fault): boolean {
  return code === 'HTTP 400' || code === 'HTTP 403'
}

const FULL = new Set(['QuotaExceeded', 'XMinioStorageFull', 'XMinioAdminBucketQuotaExceeded'])

/** What a message names. */
export interface About {
  readonly bucket: string
  /** Of the endpoint. */
  readonly name: string
  readonly origin: string
}

const PERMISSIONS: Record<string, string> = {
  HeadBucket: 's3:ListBucket',
  ListObjectsV2: 's3:ListBucket on the bucket',
  HeadObject:
    's3:GetObject, and s3:ListBucket on the bucket (without which what is not there is answered with 403)',
  GetObject:
    's3:GetObject, and s3:ListBucket on the bucket (without which what is not there is answered with 403)',
  PutObject: 's3:PutObject',
  CreateMultipartUpload: 's3:PutObject',
  UploadPart: 's3:PutObject',
  CompleteMultipartUpload: 's3:PutObject',
  UploadPartCopy: 's3:GetObject and s3:PutObject',
  CopyObject: 's3:GetObject and s3:PutObject',
  AbortMultipartUpload: 's3:AbortMultipartUpload',
  ListMultipartUploads: 's3:ListBucketMultipartUploads on the bucket',
  DeleteObject: 's3:DeleteObject',
  DeleteObjects: 's3:DeleteObject'
}

/** What an answer is about, where that is another setting than the place. */
const SETTINGS: Record<string, string> = {
  InvalidBucketName: 'storage.s3.bucket',
  XMinioInvalidObjectName: 'storage.s3.rootdirectory',
  XMinioInvalidResourceName: 'storage.s3.rootdirectory',
  InvalidStorageClass: 'storage.s3.storageclass: NONE sends none',
  NotImplemented: 'storage.s3.encrypt, storageclass and objectacl: it lacks something that they ask for'
}

const NO_BUCKET = 'there is no such bucket. Create it, or correct storage.s3.bucket'

/** @param operation the SDK's name of the call */
export function unavailable(
  error: unknown,
  operation: string,
  about: About
): StorageFull | StorageUnavailable {
  const fault = faultOf(error)
  const { status, code } = fault
  const text = `the bucket ${about.bucket} at ${about.name} cannot be used`
  if (FULL.has(code) || status === 507) {
    return new StorageFull(`the bucket ${about.bucket} at ${about.name} is full (${code}): raise its quota`, {
      cause: error
    })
  }
  // A HEAD has no body that could say so.
  const isGone = code === 'NoSuchBucket' || (operation === 'HeadBucket' && status === 404)
  const answer = status === undefined ? code : `${operation}: ${status} ${code}`
  return new StorageUnavailable(
    `${text} (${answer}): ${isGone ? NO_BUCKET : remedy(fault, operation, about)}`,
    {
      isGone,
      cause: error
    }
  )
}

function remedy({ status, code, message, region, aheadMs }: Fault, operation: string, about: About): string {
  if (code === 'RequestTimeTooSkewed') {
    const seconds = Math.round((aheadMs ?? 0) / 1000)
    const offset = `the store's clock is ${Math.abs(seconds)} s ${seconds < 0 ? 'behind' : 'ahead of'} this machine's`
    return `${aheadMs === undefined ? 'the clocks differ' : offset}. Set the clock, by NTP say`
  }
  if (code === 'CredentialsProviderError') {
    return `no credentials were found in ${about.origin} (${message}). Give storage.s3.accesskey and secretkey, or a role`
  }
  if (STALE.has(code) || status === 401)
    return `the credentials from ${about.origin} are refused. Renew or correct them`
  if (/kms/i.test(code) || (status === 403 && /kms/i.test(message))) {
    return `the key storage.s3.keyid cannot be used (${message}). Allow kms:GenerateDataKey and kms:Decrypt, and check the key`
  }
  if (status === 403) {
    return `the credentials from ${about.origin} lack a permission. Allow ${PERMISSIONS[operation] ?? operation}`
  }
  if (
    status === 301 ||
    code === 'AuthorizationHeaderMalformed' ||
    code === 'IllegalLocationConstraintException'
  ) {
    return `the bucket is in another region (${region ?? message}). Correct storage.s3.region`
  }
  if (status !== undefined) {
    return `${message === '' ? 'it gives no reason' : message.replace(/\.$/, '')}. Check ${SETTINGS[code] ?? 'storage.s3.regionendpoint, bucket and rootdirectory'}`
  }
  if (code === 'EPROTO' && /wrong version number/.test(message)) {
    return 'it does not speak TLS. Write http:// in storage.s3.regionendpoint, or set storage.s3.secure to false'
  }
  if (/^(CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_TLS_CERT_|HOSTNAME_MISMATCH)/.test(code)) {
    return `its certificate is not trusted (${message}). Add its authority to SSL_CERT_FILE`
  }
  return `${message}. Check storage.s3.regionendpoint or region, and that the network lets the registry reach it`
}
