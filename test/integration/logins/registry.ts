import { equal } from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type RunningServer, run, scratch, startBerth } from '../support/processes.ts'

/** Who is in the file, with a password that asks something of those who send it. */
export const USER = 'alice'
export const PASSWORD = 'correct horse: "battery"/staple+ü'
export const WRONG = 'wrong: "password"/staple+ü'

/** A berth that asks for logins. */
export interface Registry extends RunningServer {
  /** A folder with its CA's certificate as `ca.crt`; undefined where it speaks plain HTTP. */
  trust: string | undefined
  /** Its users. */
  htpasswd: string
}

/** Asks for logins by a file as `htpasswd -nbB` makes it. */
export async function startRegistry(
  env: Record<string, string>,
  { tls = false, root }: { tls?: boolean; root?: string } = {}
): Promise<Registry> {
  const folder = scratch()
  const path = join(folder, 'htpasswd')
  const { stdout } = await run('htpasswd', ['-niB', USER], { input: `${PASSWORD}\n` })
  writeFileSync(path, stdout)
  if (tls) await makeCertificates(folder)
  const berth = await startBerth({
    env: {
      REGISTRY_AUTH: 'htpasswd',
      REGISTRY_AUTH_HTPASSWD_PATH: path,
      REGISTRY_HTTP_SECRET: 'a secret that nobody knows',
      ...(tls && {
        REGISTRY_HTTP_TLS_CERTIFICATE: join(folder, 'tls.crt'),
        REGISTRY_HTTP_TLS_KEY: join(folder, 'tls.key')
      }),
      ...env
    },
    ...(root !== undefined && { root })
  })
  return { ...berth, trust: tls ? join(folder, 'trust') : undefined, htpasswd: path }
}

/** A CA (`trust/ca.crt`) and a certificate of its for 127.0.0.1 (`tls.crt`, `tls.key`). */
async function makeCertificates(cwd: string): Promise<void> {
  const openssl = (...args: string[]) => run('openssl', args, { cwd })
  // Of its own: clients take everything in a folder that they are to trust for certificates.
  mkdirSync(join(cwd, 'trust'))
  const ca = ['-keyout', 'ca.key', '-out', 'trust/ca.crt']
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  await openssl('req', '-x509', ...key, '-subj', '/CN=CA', ...ca, '-days', '2')
  await openssl('req', ...key, '-subj', '/CN=registry', '-keyout', 'tls.key', '-out', 'tls.csr')
  writeFileSync(join(cwd, 'names'), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n')
  const signing = [
    '-CA',
    'trust/ca.crt',
    '-CAkey',
    'ca.key',
    '-set_serial',
    '2',
    '-days',
    '2',
    '-extfile',
    'names'
  ]
  await openssl('x509', '-req', '-in', 'tls.csr', ...signing, '-out', 'tls.crt')
}

/** Neither a password nor a token stands in the log, in any of the forms in which they were sent. */
export function assertNoSecrets(log: string, tokens: readonly string[] = []): void {
  const secrets = [PASSWORD, WRONG].flatMap((password) => [
    password,
    encodeURIComponent(password),
    new URLSearchParams({ '': password }).toString().slice(1),
    ...[USER, 'unused', 'mallory'].map((user) => Buffer.from(`${user}:${password}`).toString('base64'))
  ])
  for (const secret of secrets) equal(log.includes(secret), false, `the log holds ${secret}`)
  for (const part of tokens.flatMap((token) => token.split('.'))) {
    equal(log.includes(part), false, `the log holds a part of a token: ${part}`)
  }
  // Tokens that clients got for themselves; each begins with `{"`.
  equal(/eyJ[\w-]{8}/.exec(log)?.[0], undefined)
  equal(/\b(bearer|basic) +[\w+/=.-]{8}/i.exec(log)?.[0], undefined)
}

export function assertNoErrors(log: string): void {
  equal(/.*level=(error|fatal) .*/.exec(log)?.[0], undefined)
}
