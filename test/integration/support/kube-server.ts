import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort, neutralEnvironment, type RunningServer, run, scratch, startServer } from './processes.ts'

/** What an API server is started with, as often as needed: it keeps nothing but what is in etcd. */
export interface KubeSetup {
  binary: string
  port: number
  /** A certificate for 127.0.0.1 that nobody else signed. */
  caFile: string
  keyFile: string
  /** Signs the tokens of service accounts, and tells whether it did. */
  signingKeyFile: string
  /** The bearer token of a member of `system:masters` whose calls are not in the audit log. */
  adminToken: string
  tokensFile: string
  auditFile: string
  policyFile: string
  etcdUrl: string
}

const ADMIN = 'bed-admin'

/**
 * Each request is written down when it comes in, which is before it is answered: who has an answer finds the
 * request in the log.
 */
const AUDIT_POLICY = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['ResponseComplete', 'Panic'],
  rules: [
    { level: 'None', users: [ADMIN, 'system:apiserver'] },
    { level: 'None', nonResourceURLs: ['/readyz'] },
    { level: 'Metadata' }
  ]
}

export async function prepareKube(binary: string, etcdUrl: string): Promise<KubeSetup> {
  const folder = scratch()
  const at = (name: string): string => join(folder, name)
  const setup = {
    binary,
    port: await freePort(),
    caFile: at('tls.crt'),
    keyFile: at('tls.key'),
    signingKeyFile: at('service-accounts.key'),
    adminToken: randomUUID(),
    tokensFile: at('tokens.csv'),
    auditFile: at('audit.log'),
    policyFile: at('audit-policy.yaml'),
    etcdUrl
  }
  await run('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
    ...['-subj', '/CN=kube-apiserver', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost'],
    ...['-keyout', setup.keyFile, '-out', setup.caFile]
  ])
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  writeFileSync(setup.signingKeyFile, privateKey.export({ type: 'sec1', format: 'pem' }), { mode: 0o600 })
  writeFileSync(setup.tokensFile, `${setup.adminToken},${ADMIN},${ADMIN},system:masters\n`)
  writeFileSync(setup.policyFile, JSON.stringify(AUDIT_POLICY)) // YAML holds JSON
  return setup
}

/** Debian's etcd on free ports, over a folder that goes when this process does. */
export async function startEtcd(): Promise<RunningServer> {
  const [port, peerPort] = [await freePort(), await freePort()]
  const [clients, peers] = [`http://127.0.0.1:${port}`, `http://127.0.0.1:${peerPort}`]
  const root = scratch()
  return startServer({
    command: 'etcd',
    args: [
      ...['--name', 'bed', '--data-dir', root, '--log-level', 'warn'],
      ...['--listen-client-urls', clients, '--advertise-client-urls', clients],
      ...['--listen-peer-urls', peers, '--initial-advertise-peer-urls', peers],
      ...['--initial-cluster', `bed=${peers}`]
    ],
    env: neutralEnvironment(),
    port,
    root,
    ready: '/health'
  })
}

/** Starts the API server alone, and waits until it says that it is ready. */
export async function startApiServer(setup: KubeSetup): Promise<RunningServer> {
  const settings = {
    'etcd-servers': setup.etcdUrl,
    'bind-address': '127.0.0.1',
    'advertise-address': '127.0.0.1',
    'secure-port': setup.port,
    'tls-cert-file': setup.caFile,
    'tls-private-key-file': setup.keyFile,
    'authorization-mode': 'RBAC',
    'anonymous-auth': true,
    'token-auth-file': setup.tokensFile,
    'service-account-issuer': 'https://kubernetes.default.svc',
    'service-account-signing-key-file': setup.signingKeyFile,
    'service-account-key-file': setup.signingKeyFile,
    'service-cluster-ip-range': '10.0.0.0/24',
    'endpoint-reconciler-type': 'none', // it has nobody to announce itself to
    'audit-policy-file': setup.policyFile,
    'audit-log-path': setup.auditFile,
    'audit-log-mode': 'blocking',
    'audit-log-maxsize': 2000 // MB, before it begins another
  }
  return startServer({
    command: setup.binary,
    args: Object.entries(settings).map(([name, value]) => `--${name}=${value}`),
    env: neutralEnvironment(),
    scheme: 'https',
    port: setup.port,
    root: join(setup.caFile, '..'),
    ready: '/readyz'
  })
}
