import { createHash, createHmac } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { S3Error } from './errors.ts'

export interface Account {
  accessKeyId: string
  secretAccessKey: string
  sessionToken?: string | undefined
}

const sha256 = (text: string | Buffer): string => createHash('sha256').update(text).digest('hex')
const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest()

const encode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)

const SKEW_MS = 900_000

/** AWS Signature Version 4, in headers or in the query, as S3 checks it: "Authenticating Requests". */
export function checkSignature(request: IncomingMessage, url: URL, account: Account, now = Date.now()): void {
  const isPresigned = url.searchParams.has('X-Amz-Signature')
  const header = request.headers.authorization ?? ''
  const field = (name: string): string => {
    if (isPresigned) return url.searchParams.get(`X-Amz-${name}`) ?? ''
    return new RegExp(`${name}=([^, ]+)`).exec(header)?.[1] ?? ''
  }
  const [keyId, day, region, service, kind] = field('Credential').split('/')
  if (keyId === undefined || kind !== 'aws4_request') throw new S3Error(403, 'AccessDenied', 'no signature')
  if (keyId !== account.accessKeyId) throw new S3Error(403, 'InvalidAccessKeyId', 'no such key')
  const token = isPresigned
    ? url.searchParams.get('X-Amz-Security-Token')
    : request.headers['x-amz-security-token']
  if ((token ?? undefined) !== account.sessionToken) throw new S3Error(400, 'InvalidToken', 'another token')

  const stamp = isPresigned
    ? (url.searchParams.get('X-Amz-Date') ?? '')
    : String(request.headers['x-amz-date'])
  const date = Date.parse(stamp.replace(/^(\d{4})(\d\d)(\d\dT\d\d)(\d\d)(\d\dZ)$/, '$1-$2-$3:$4:$5'))
  if (isPresigned) {
    const seconds = Number(url.searchParams.get('X-Amz-Expires'))
    if (now > date + seconds * 1000) throw new S3Error(403, 'AccessDenied', 'Request has expired')
  } else if (Math.abs(now - date) > SKEW_MS) {
    throw new S3Error(403, 'RequestTimeTooSkewed', 'the difference between the clocks is too large')
  }

  const names = field('SignedHeaders').split(';')
  const query = [...url.searchParams]
    .filter(([name]) => name !== 'X-Amz-Signature')
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort()
    .join('&')
  const path = url.pathname
    .split('/')
    .map((part) => encode(decodeURIComponent(part)))
    .join('/')
  const canonical = [
    request.method,
    path,
    query,
    ...names.map(
      (name) =>
        `${name}:${String(request.headers[name] ?? '')
          .trim()
          .replace(/ +/g, ' ')}`
    ),
    '',
    names.join(';'),
    isPresigned ? 'UNSIGNED-PAYLOAD' : request.headers['x-amz-content-sha256']
  ].join('\n')
  const scope = `${day}/${region}/${service}/aws4_request`
  const text = ['AWS4-HMAC-SHA256', stamp, scope, sha256(canonical)].join('\n')
  const parts = [day ?? '', region ?? '', service ?? '', 'aws4_request']
  const key = parts.reduce<string | Buffer>((key, part) => hmac(key, part), `AWS4${account.secretAccessKey}`)
  if (hmac(key, text).toString('hex') !== field('Signature')) {
    throw new S3Error(403, 'SignatureDoesNotMatch', 'the signature is another')
  }
  if (!isPresigned && !names.includes('host')) throw new S3Error(403, 'AccessDenied', 'host is not signed')
}
