import { createHash, verify } from 'node:crypto'
import type { FakeRequest } from './fake-gcs.ts'

const encode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)

/**
 * Says why a signature V4 does not hold: none where it does. Canonical requests are described on Google's page "Canonical
 * requests", the string to sign on "V4 signing process".
 */
export function checkSignature(
  { method, path, query, headers }: FakeRequest,
  publicKey: string,
  host: string
): string | undefined {
  const given = Object.fromEntries(query)
  const { 'X-Goog-Signature': signature, ...signed } = given
  const date = given['X-Goog-Date'] ?? ''
  if (signature === undefined || publicKey === '') return 'Access denied.'
  const [, year, month, day, hour, minute, second] =
    /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(date) ?? []
  const begin = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
  if (!(Date.now() < begin + Number(given['X-Goog-Expires']) * 1000)) return 'ExpiredToken'
  const names = (given['X-Goog-SignedHeaders'] ?? '').split(';')
  if (names.some((name) => name !== 'host' && headers[name] === undefined)) return 'MalformedSecurityHeader'
  const canonical = [
    method === 'HEAD' ? 'HEAD' : 'GET',
    path,
    Object.entries(signed)
      .map(([name, value]) => `${encode(name)}=${encode(value)}`)
      .sort()
      .join('&'),
    ...names.map((name) => `${name}:${name === 'host' ? host : headers[name]}`),
    '',
    names.join(';'),
    'UNSIGNED-PAYLOAD'
  ].join('\n')
  const scope = (given['X-Goog-Credential'] ?? '').split('/').slice(1).join('/')
  const text = [
    given['X-Goog-Algorithm'],
    date,
    scope,
    createHash('sha256').update(canonical).digest('hex')
  ].join('\n')
  const isRight = verify('sha256', Buffer.from(text), publicKey, Buffer.from(signature, 'hex'))
  return isRight ? undefined : 'SignatureDoesNotMatch'
}
