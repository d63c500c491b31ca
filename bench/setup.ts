import { join } from 'node:path'
import { run, scratch } from '../test/integration/support/processes.ts'

/** How all contenders of a run are set up. */
export interface Setup {
  tls: boolean
  accessLog: boolean
  /** Where the object store is asked, when it is not where the others ask it. */
  endpoint?: string
}

export const PLAIN: Setup = { tls: false, accessLog: false }
export const TLS: Setup = { tls: true, accessLog: false }
export const LOGGED: Setup = { tls: false, accessLog: true }
export const TLS_LOGGED: Setup = { tls: true, accessLog: true }

export function setupName({ tls, accessLog }: Setup): string {
  return [tls ? 'TLS' : '', accessLog ? 'access log' : ''].filter((part) => part !== '').join(', ') || 'plain'
}

export interface Certificate {
  certificate: string
  key: string
}

let made: Certificate | undefined

/** Files with a certificate for 127.0.0.1 that nobody signed, made with openssl. */
export async function certificate(): Promise<Certificate> {
  if (made !== undefined) return made
  const folder = scratch()
  const files = { certificate: join(folder, 'certificate.pem'), key: join(folder, 'key.pem') }
  await run('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
    ...['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'],
    ...['-keyout', files.key, '-out', files.certificate]
  ])
  made = files
  return files
}

/** In the environment, by the names that CNCF distribution and berth share. */
export async function settings({ tls, accessLog, endpoint }: Setup): Promise<Record<string, string>> {
  const plain = {
    REGISTRY_LOG_ACCESSLOG_DISABLED: `${!accessLog}`,
    ...(endpoint !== undefined && { REGISTRY_STORAGE_S3_REGIONENDPOINT: endpoint })
  }
  if (!tls) return plain
  const files = await certificate()
  return { ...plain, REGISTRY_HTTP_TLS_CERTIFICATE: files.certificate, REGISTRY_HTTP_TLS_KEY: files.key }
}
