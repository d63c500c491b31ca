import { readFile } from 'node:fs/promises'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import type { Environment } from './proxy.ts'

/** Where Red Hat's systems, and OpenShift's operator for its registry, put all authorities that the cluster trusts. */
const MERGED = '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem'

/** The file of authorities could not be used. In words for an administrator. */
export class TrustError extends Error {
  override readonly name = 'TrustError'
}

let done: Promise<void> | undefined

/**
 * From now on, connections that name no authorities of their own trust those of the file that `SSL_CERT_FILE` names, or
 * else of the system's merged bundle, beside Node's (among which `NODE_EXTRA_CA_CERTS` is). Done once, before the first
 * such connection: who makes none need not wait for it.
 * @throws TrustError for a file that `SSL_CERT_FILE` names and that is of no use
 */
export function trustSystem(env: Environment, merged = MERGED): Promise<void> {
  done ??= readAuthorities(env, merged).then((authorities) => {
    if (authorities.length === 0) return
    try {
      setDefaultCACertificates([...getCACertificates('default'), ...authorities])
    } catch {
      throw new TrustError(`${nameOf(env.SSL_CERT_FILE, merged)} holds a damaged certificate: replace it`)
    }
  })
  return done
}

/** The certificates of the file, in PEM form; none where there is no file. @throws TrustError */
export async function readAuthorities(env: Environment, merged: string): Promise<string[]> {
  const named = env.SSL_CERT_FILE || undefined
  let text: string
  try {
    text = await readFile(named ?? merged, 'latin1')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (named === undefined && code === 'ENOENT') return []
    throw new TrustError(
      `${nameOf(named, merged)} cannot be read (${code}): correct the path or the permissions`
    )
  }
  const found = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  if (found.length === 0 && named !== undefined) {
    throw new TrustError(`${nameOf(named, merged)} holds no certificates in PEM form: replace it`)
  }
  return found
}

const nameOf = (named: string | undefined, merged: string): string =>
  named ? `SSL_CERT_FILE: ${named}` : merged
