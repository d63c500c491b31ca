import { createHash, createHmac } from 'node:crypto'

/** What a signature covers. All is as it is sent: percent-encoded, names of headers in lower case. */
export interface Signed {
  method: string
  /** Of the URL. */
  host: string
  path: string
  query: string
  headers: Readonly<Record<string, string>>
  /** SHA-256 of the body in hex, or `UNSIGNED_PAYLOAD`. */
  payload: string
}

interface Keys {
  accessKeyId: string
  secretAccessKey: string
  sessionToken?: string | undefined
}

/** Then the body is outside of the signature. */
export const UNSIGNED_PAYLOAD = 'UNSIGNED-PAYLOAD'
const ALGORITHM = 'AWS4-HMAC-SHA256'

export interface Signer {
  /** The headers that make the request ours. */
  headersOf(request: Signed, keys: Keys, date: Date): Record<string, string>
  /** The query that makes a URL good for a GET by whoever has it. */
  queryOf(
    request: Pick<Signed, 'host' | 'path'>,
    more: Query,
    keys: Keys,
    date: Date,
    seconds: number
  ): string
}

export type Query = Readonly<Record<string, string | number | undefined>>

/** Amazon's signature of requests (Signature Version 4; Amazon S3 API reference: "Authenticating Requests"). */
export function createSigner(region: string): Signer {
  let last: { secret: string; day: string; key: Buffer } | undefined

  /** Made once a day. */
  function keyOf(secret: string, day: string): Buffer {
    if (last?.secret === secret && last.day === day) return last.key
    let key: Buffer = Buffer.from(`AWS4${secret}`)
    for (const text of [day, region, 's3', 'aws4_request']) key = hmac(key, text)
    last = { secret, day, key }
    return key
  }

  const scopeOf = (time: string): string => `${time.slice(0, 8)}/${region}/s3/aws4_request`

  function signature(request: Signed, time: string, secret: string): { names: string; value: string } {
    const sorted = Object.keys(request.headers).sort()
    const names = sorted.join(';')
    const lines = sorted
      .map((name) => `${name}:${request.headers[name]?.trim().replace(/ {2,}/g, ' ')}\n`)
      .join('')
    const { method, path, query, payload } = request
    const canonical = sha256(`${method}\n${path}\n${query}\n${lines}\n${names}\n${payload}`)
    const text = `${ALGORITHM}\n${time}\n${scopeOf(time)}\n${canonical}`
    return { names, value: hmac(keyOf(secret, time.slice(0, 8)), text).toString('hex') }
  }

  return {
    headersOf(request, { accessKeyId, secretAccessKey, sessionToken }, date) {
      const time = timeOf(date)
      const headers: Record<string, string> = {
        ...request.headers,
        host: request.host,
        'x-amz-content-sha256': request.payload,
        'x-amz-date': time,
        ...(sessionToken !== undefined && { 'x-amz-security-token': sessionToken })
      }
      const { names, value } = signature({ ...request, headers }, time, secretAccessKey)
      headers.authorization = `${ALGORITHM} Credential=${accessKeyId}/${scopeOf(time)}, SignedHeaders=${names}, Signature=${value}`
      return headers
    },

    queryOf(request, more, { accessKeyId, secretAccessKey, sessionToken }, date, seconds) {
      const time = timeOf(date)
      const query = queryText({
        ...more,
        'X-Amz-Algorithm': ALGORITHM,
        'X-Amz-Credential': `${accessKeyId}/${scopeOf(time)}`,
        'X-Amz-Date': time,
        'X-Amz-Expires': seconds,
        'X-Amz-Security-Token': sessionToken,
        'X-Amz-SignedHeaders': 'host'
      })
      const signed = { ...request, method: 'GET', query, payload: UNSIGNED_PAYLOAD }
      const { value } = signature({ ...signed, headers: { host: request.host } }, time, secretAccessKey)
      return `${query}&X-Amz-Signature=${value}`
    }
  }
}

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

const hmac = (key: Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest()

/** `20130524T000000Z` */
const timeOf = (date: Date): string => `${date.toISOString().slice(0, 19).replace(/[-:]/g, '')}Z`

const percent = (char: string): string => `%${char.charCodeAt(0).toString(16).toUpperCase()}`

/** As the signature wants it: all but letters, digits, `-`, `.`, `_` and `~`. */
export const encoded = (text: string): string =>
  /^[\w.~-]*$/.test(text) ? text : encodeURIComponent(text).replace(/[!'()*]/g, percent)

/** A key as a path, whose slashes stay. */
export const encodedPath = (key: string): string => encoded(key).replaceAll('%2F', '/')

/** Sorted, without what is undefined. */
export function queryText(query: Query): string {
  const names = Object.keys(query).filter((name) => query[name] !== undefined)
  return names
    .sort()
    .map((name) => `${encoded(name)}=${encoded(String(query[name]))}`)
    .join('&')
}
