import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { crc32 } from 'node:zlib'
import { S3Error } from './errors.ts'

const hash = (name: string, bytes: Buffer, form: 'hex' | 'base64'): string =>
  createHash(name).update(bytes).digest(form)

export function crc32Of(bytes: Buffer): string {
  const sum = Buffer.alloc(4)
  sum.writeUInt32BE(crc32(bytes))
  return sum.toString('base64')
}

const SUMS: Record<string, (bytes: Buffer) => string> = {
  'content-md5': (bytes) => hash('md5', bytes, 'base64'),
  'x-amz-checksum-crc32': crc32Of,
  'x-amz-checksum-sha1': (bytes) => hash('sha1', bytes, 'base64'),
  'x-amz-checksum-sha256': (bytes) => hash('sha256', bytes, 'base64')
}

/** What was meant by the bytes that came: without the framing of `aws-chunked`, compared with every sum that is given. */
export function checkPayload(raw: Buffer, headers: IncomingHttpHeaders): Buffer {
  const stated = String(headers['x-amz-content-sha256'] ?? 'UNSIGNED-PAYLOAD')
  const sums: Record<string, string> = {}
  for (const name of Object.keys(SUMS)) {
    const value = headers[name]
    if (typeof value === 'string') sums[name] = value
  }
  const isChunked = stated.startsWith('STREAMING-')
  const bytes = isChunked ? unchunk(raw, sums) : raw
  if (/^[0-9a-f]{64}$/.test(stated) && hash('sha256', bytes, 'hex') !== stated) {
    throw new S3Error(400, 'XAmzContentSHA256Mismatch')
  }
  if (isChunked && Number(headers['x-amz-decoded-content-length']) !== bytes.length) {
    throw new S3Error(400, 'IncompleteBody')
  }
  for (const [name, value] of Object.entries(sums)) {
    if (SUMS[name]?.(bytes) !== value) throw new S3Error(400, 'BadDigest', `${name} is another`)
  }
  return bytes
}

function unchunk(raw: Buffer, sums: Record<string, string>): Buffer {
  const chunks: Buffer[] = []
  let at = 0
  const line = (): string => {
    const end = raw.indexOf('\r\n', at)
    if (end < 0) throw new S3Error(400, 'IncompleteBody')
    const text = raw.toString('latin1', at, end)
    at = end + 2
    return text
  }
  for (;;) {
    const size = Number.parseInt(line(), 16)
    if (size === 0) break
    chunks.push(raw.subarray(at, at + size))
    at += size + 2
  }
  while (at < raw.length) {
    const [name = '', value = ''] = line().split(':')
    if (name !== '') sums[name.toLowerCase()] = value.trim()
  }
  return Buffer.concat(chunks)
}
