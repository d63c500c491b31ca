import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createSecureContext, type SecureContextOptions } from 'node:tls'

/** Paths of PEM files, and what TLS is to be. */
export interface TlsOptions {
  readonly certificate: string
  readonly key: string
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3'
  readonly ciphers: string | undefined
  readonly clientcas: readonly string[]
}

/** What node:tls takes. Node lets the workers of a cluster share what session tickets are sealed with. */
export interface TlsContext extends SecureContextOptions {
  cert: Buffer
  key: Buffer
  ca?: Buffer[]
}

/** Every problem of the files at once, in words for an administrator. */
export class TlsFileError extends Error {
  override readonly name = 'TlsFileError'
}

const CERTIFICATE = 'http.tls.certificate (REGISTRY_HTTP_TLS_CERTIFICATE)'
const KEY = 'http.tls.key (REGISTRY_HTTP_TLS_KEY)'
const AUTHORITIES = 'http.tls.clientcas (REGISTRY_HTTP_TLS_CLIENTCAS)'

const BLOCK = /-----BEGIN CERTIFICATE-----[^-]*(?:-----END CERTIFICATE-----)?/g

/** @throws TlsFileError */
export async function readTlsFiles(options: TlsOptions): Promise<TlsContext> {
  const { clientcas } = options

  async function read(path: string, setting: string, check: (text: Buffer) => string | undefined) {
    try {
      const bytes = await readFile(path)
      const fault = check(bytes)
      return { bytes, problem: fault && `${setting}: ${path} ${fault}` }
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      return { problem: `${setting}: ${path} cannot be read (${code}): correct the path or its mode` }
    }
  }

  const all = await Promise.all([
    read(options.certificate, CERTIFICATE, faultOfCertificates),
    read(options.key, KEY, faultOfKey),
    ...clientcas.map((path) => read(path, AUTHORITIES, faultOfCertificates))
  ])
  // In this order each time: a problem that lasts is told once.
  const problems = all.map(({ problem }) => problem).filter((problem) => problem !== undefined)
  const [cert, key, ...ca] = all.map(({ bytes }) => bytes)
  if (problems.length === 0 && cert && key && !isPair(cert, key)) {
    problems.push(
      `${KEY}: ${options.key} is not the key of the first certificate in ${options.certificate} (${CERTIFICATE}): ` +
        'name two that belong together, the server’s certificate before those of its authorities'
    )
  }
  if (problems.length > 0 || !cert || !key) throw new TlsFileError(problems.join('\n  '))
  const authorities = ca.filter((bytes) => bytes !== undefined)
  const context = contextOf(options, cert, key, authorities)
  try {
    createSecureContext(context)
  } catch (error) {
    throw new TlsFileError(`${CERTIFICATE}, ${KEY}: OpenSSL cannot use them: ${(error as Error).message}`)
  }
  return context
}

/** What the files held, for another process that cannot read them any more. It has the key: not for a log. */
export const formatTls = ({ cert, key, ca = [] }: TlsContext): string =>
  JSON.stringify([cert, key, ...ca].map((bytes) => bytes.toString('base64')))

/** @param held from formatTls */
export function parseTls(options: Pick<TlsOptions, 'minVersion' | 'ciphers'>, held: string): TlsContext {
  const [cert, key, ...ca] = (JSON.parse(held) as string[]).map((text) => Buffer.from(text, 'base64'))
  return contextOf(options, cert as Buffer, key as Buffer, ca)
}

function contextOf(
  { minVersion, ciphers }: Pick<TlsOptions, 'minVersion' | 'ciphers'>,
  cert: Buffer,
  key: Buffer,
  ca: Buffer[]
): TlsContext {
  return { cert, key, minVersion, ...(ciphers !== undefined && { ciphers }), ...(ca.length > 0 && { ca }) }
}

export const isSameTls = (one: TlsContext, other: TlsContext): boolean =>
  one.cert.equals(other.cert) &&
  one.key.equals(other.key) &&
  Buffer.concat(one.ca ?? []).equals(Buffer.concat(other.ca ?? []))

/** node:tls silently passes over a certificate that is cut off or damaged. */
function faultOfCertificates(bytes: Buffer): string | undefined {
  const blocks = bytes.toString('latin1').match(BLOCK) ?? []
  if (blocks.length === 0) return 'holds no certificate in PEM form ("-----BEGIN CERTIFICATE-----")'
  for (const [index, block] of blocks.entries()) {
    try {
      new X509Certificate(block)
    } catch {
      return `holds a damaged certificate, number ${index + 1} in it: replace it`
    }
  }
  return undefined
}

function faultOfKey(bytes: Buffer): string | undefined {
  const text = bytes.toString('latin1')
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) {
    return 'holds no private key in PEM form ("-----BEGIN PRIVATE KEY-----")'
  }
  try {
    createPrivateKey(bytes)
    return undefined
  } catch {
    return 'holds a private key that is damaged or takes a passphrase: replace it by one that takes none'
  }
}

const isPair = (cert: Buffer, key: Buffer): boolean =>
  new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))
