import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createSecureContext } from 'node:tls'
import { ConnectionError } from './errors.ts'

/** Text that stays as it is, or a file that may change. `field` says in errors where it was asked for. */
export type Source =
  | { readonly text: string; readonly field: string }
  | { readonly path: string; readonly field: string }

/** Where the pieces of an identity come from. */
export interface IdentitySources {
  readonly ca?: Source
  readonly token?: Source
  /** A client certificate and its key: both or none. */
  readonly cert?: Source
  readonly key?: Source
  readonly serverName?: string
  readonly isInsecure?: boolean
}

/** Whom the registry trusts as the API server, and how it shows who it is itself. */
export interface Identity {
  /** Options of node:tls. Without `ca`, the authorities that Node knows are trusted. */
  readonly trust: { readonly ca?: string; readonly servername?: string; readonly rejectUnauthorized: boolean }
  readonly clientCertificate?: { readonly cert: string; readonly key: string }
  readonly token?: string
  /** Why the files, looked at again, were of no use, so that this is still what they said before. */
  readonly problem?: string
}

/** What can be a header's value: a file of tokens has no blanks in them either. */
const TOKEN = /^[\x21-\x7e]+$/

export function isTokenText(text: string): boolean {
  return TOKEN.test(text)
}

/** Whether every certificate in it is whole: node:tls silently passes over one that is cut off or damaged. */
function isCertificates(text: string): boolean {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]*(?:-----END CERTIFICATE-----)?/g) ?? []
  try {
    return blocks.map((block) => new X509Certificate(block)).length > 0
  } catch {
    return false
  }
}

const PRIVATE_KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----/

function codeOf(error: unknown): string {
  return error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.name) : 'unknown'
}

function nameOf(source: Source): string {
  return 'path' in source ? `${source.path} (${source.field})` : source.field
}

async function textOf(source: Source): Promise<string> {
  if ('text' in source) return source.text
  try {
    return await readFile(source.path, 'utf8')
  } catch (error) {
    const remedy = 'correct the path or the permissions'
    throw new ConnectionError(`${nameOf(source)} cannot be read (${codeOf(error)}): ${remedy}`, {
      cause: error
    })
  }
}

async function read(source: Source | undefined, isGood: (text: string) => boolean, kind: string) {
  if (source === undefined) return undefined
  const text = (await textOf(source)).trim()
  if (!isGood(text)) throw new ConnectionError(`${nameOf(source)} does not hold ${kind}: replace it`)
  return text
}

/** @throws ConnectionError for a file that cannot be read, or is of no use; never with what it holds */
async function readIdentity(sources: IdentitySources): Promise<Identity> {
  const [ca, token, cert, key] = await Promise.all([
    read(sources.ca, isCertificates, 'whole certificates in PEM form'),
    read(sources.token, isTokenText, 'a token, which is one line of visible characters'),
    read(sources.cert, isCertificates, 'whole certificates in PEM form'),
    read(sources.key, (text) => PRIVATE_KEY.test(text), 'a private key in PEM form')
  ])
  const trusted = ca === undefined ? undefined : { ca }
  const clientCertificate = cert !== undefined && key !== undefined ? { cert, key } : undefined
  try {
    // A damaged key, or one of another certificate, is found here and not at the first call.
    createSecureContext({ ...trusted, ...clientCertificate })
  } catch (error) {
    const names = [sources.ca, sources.cert, sources.key].flatMap((source) => (source ? nameOf(source) : []))
    throw new ConnectionError(
      `${names.join(', ')}: not usable for TLS (${codeOf(error)}): replace what is damaged or does not belong together`,
      { cause: error }
    )
  }
  const { serverName, isInsecure } = sources
  return {
    trust: { ...trusted, ...(serverName && { servername: serverName }), rejectUnauthorized: !isInsecure },
    ...(clientCertificate && { clientCertificate }),
    ...(token !== undefined && { token })
  }
}

/** A token or certificate that was replaced is in use after this long at most: the former one is valid for minutes more. */
const REREAD_MS = 5_000

/**
 * An identity that follows its files. When they are unreadable, empty or half replaced, the last good one stays.
 * @throws ConnectionError if the files are of no use at the start
 */
export async function followIdentity(
  sources: IdentitySources,
  now: () => number
): Promise<(again?: boolean) => Promise<Identity>> {
  let current = await readIdentity(sources)
  let readAt = now()
  let reading: Promise<void> | undefined
  const isFixed = [sources.ca, sources.token, sources.cert, sources.key].every(
    (source) => !source || 'text' in source
  )

  async function readAgain(): Promise<void> {
    try {
      current = await readIdentity(sources)
    } catch (error) {
      current = { ...current, problem: (error as Error).message }
    }
    readAt = now()
    reading = undefined
  }

  return async (again = false) => {
    if (!isFixed && (again || now() - readAt >= REREAD_MS)) {
      reading ??= readAgain()
      await reading
    }
    return current
  }
}
